import type { Keys, Pair } from './keys.js';
import { isInteger } from './range.js';
import type { Session } from './session.js';

/** Rows of one table, for `… FROM from WHERE where`; an UPDATE takes the two apart. */
export type RowsSql = { readonly from: string; readonly where: string };

/** No column of a real table is called so: what a mapping's predicate names stays unambiguous. */
const list = 'message_gc_keys';
const column = (place: number): string => `message_gc_k${place}`;

/**
 * The rows of a table that have these keys, found by the index that its hint names. Null when no key has a value.
 *
 * A list of values is estimated from the statistics, and those of a table that was filled a moment ago still speak of
 * 20 rows: a DELETE then reads the whole table in spite of FORCE INDEX, and locks it (90 of 277 batches refused each
 * other so). A join with a table of the keys has no such choice: each key is looked up. Whole numbers only: texts of
 * a table that is written down have a collation of their own, and their comparison may be refused.
 *
 * @param table with its alias and its FORCE INDEX
 */
export function rowsWithKeys(
  { can }: Pick<Session, 'can'>,
  keys: Keys,
  pairs: readonly Pair[],
  table: string,
): RowsSql | null {
  const where = keys.matchSql(pairs);
  if (where === 'false') return null;
  const values = can.valuesTable === null ? null : wholeNumbers(keys, pairs);
  if (values === null) return { from: table, where };
  const on = pairs.map(({ mine }, place) => `${mine} = ${list}.${column(place)}`).join(' AND ');
  const keyTable = can.valuesTable === 'row' ? rowConstructors(values, pairs) : unionOf(values);
  return { from: `${keyTable} STRAIGHT_JOIN ${table} ON ${on}`, where: 'true' };
}

/** Each key once (a row is found once, however many messages refer to it), or null: one of them is no whole number. */
function wholeNumbers(keys: Keys, pairs: readonly Pair[]): readonly (readonly string[])[] | null {
  if (!pairs.every(({ type }) => isInteger(type))) return null;
  const places = pairs.map(({ theirs }) => `c${keys.columns.indexOf(theirs)}`);
  const seen = new Map<string, readonly string[]>();
  for (const row of keys.rows) {
    const values = places.map((place) => row[place] ?? null);
    if (values.includes(null)) continue;
    const texts = values.map(String);
    if (!texts.every((text) => /^-?\d+$/.test(text))) return null;
    seen.set(texts.join(), texts);
  }
  return [...seen.values()];
}

/** MariaDB names the columns by the first SELECT. */
function unionOf([first = [], ...rest]: readonly (readonly string[])[]): string {
  const named = first.map((value, place) => `${value} AS ${column(place)}`).join(', ');
  const others = rest.map((values) => `(${values.join()})`).join();
  return `(SELECT ${named}${others === '' ? '' : ` UNION ALL VALUES ${others}`}) AS ${list}`;
}

function rowConstructors(rows: readonly (readonly string[])[], pairs: readonly Pair[]): string {
  const named = pairs.map((_, place) => column(place)).join(', ');
  return `(VALUES ${rows.map((values) => `ROW(${values.join()})`).join()}) AS ${list} (${named})`;
}

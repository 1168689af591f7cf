import { type Mapping, nameOf, ownMapping } from '../../core/mapping.js';
import { canonicalJson } from '../../core/policy.js';
import { type Queryable, type TableFacts, unfit } from './catalogue.js';
import { isOurs, type Level, levelsOf } from './levels.js';

export type ForeignKey = {
  readonly name: string;
  readonly from: string;
  readonly fromTable: string;
  readonly into: string;
  readonly intoTable: string;
  /** pg_constraint.confdeltype: a no action, r restrict, c cascade, n set null, d set default. */
  readonly onDelete: string;
  readonly columns: readonly string[];
  readonly referenced: readonly string[];
  /** Whether the reference can be cleared: by one column that can be NULL, with MATCH FULL by all of them. */
  readonly nullable: boolean;
};

/** The foreign keys into these tables; a partitioned table's is one, not one for each partition. */
export async function foreignKeysInto(
  client: Queryable,
  oids: readonly string[],
): Promise<readonly ForeignKey[]> {
  const { rows } = await client.query<ForeignKey>(
    `SELECT c.conname AS name, c.conrelid::text AS from, c.conrelid::regclass::text AS "fromTable",
       c.confrelid::text AS into, c.confrelid::regclass::text AS "intoTable", c.confdeltype::text AS "onDelete",
       (SELECT json_agg(a.attname ORDER BY k.ord) FROM unnest(c.conkey) WITH ORDINALITY k(num, ord)
          JOIN pg_attribute a ON a.attrelid = c.conrelid AND a.attnum = k.num) AS columns,
       (SELECT json_agg(a.attname ORDER BY k.ord) FROM unnest(c.confkey) WITH ORDINALITY k(num, ord)
          JOIN pg_attribute a ON a.attrelid = c.confrelid AND a.attnum = k.num) AS referenced,
       (SELECT CASE c.confmatchtype WHEN 'f' THEN bool_and(NOT a.attnotnull) ELSE bool_or(NOT a.attnotnull) END FROM unnest(c.conkey) k(num)
          JOIN pg_attribute a ON a.attrelid = c.conrelid AND a.attnum = k.num) AS nullable
     FROM pg_constraint c WHERE c.contype = 'f' AND c.confrelid = ANY($1::oid[])
       AND NOT EXISTS (SELECT FROM pg_constraint p WHERE p.oid = c.conparentid AND p.confrelid = ANY($1::oid[]))
     ORDER BY c.conname`,
    [oids],
  );
  return rows;
}

/** The dependent that names a foreign key: the same tables and the same pairs of columns. */
export function levelOfKey(mapping: Mapping, facts: TableFacts, key: ForeignKey): Level | null {
  const found = levelsOf(mapping).find(({ place, above, dependent: { match } }) => {
    const into = above === null ? facts.oid : facts.levels[above]?.oid;
    return (
      facts.levels[place]?.oid === key.from &&
      into === key.into &&
      match.length === key.columns.length &&
      key.columns.every((column, index) =>
        match.some((pair) => pair.column === column && pair.message === key.referenced[index]),
      )
    );
  });
  return found ?? null;
}

/**
 * Refuses a run that could not come to its end, or could not tell what it deleted: a foreign key that forbids the
 * deletion, and one that would take rows along that nobody counts. Better at once than after minutes.
 */
export function refuseForeignKeys(mapping: Mapping, facts: TableFacts, into: readonly ForeignKey[]): void {
  const isOwn = canonicalJson(mapping) === canonicalJson(ownMapping);
  for (const key of into) {
    const losesRows =
      key.into === facts.oid ||
      levelsOf(mapping).some(
        ({ place, dependent }) => dependent.action === 'delete' && facts.levels[place]?.oid === key.into,
      );
    if (!losesRows) continue;
    const level = levelOfKey(mapping, facts, key);
    // Rows of a table that the mapping names elsewhere may well be gone by then; the server's checks see to it.
    if (level === null && key.into !== facts.oid && isChanged(mapping, facts, key.from)) continue;
    const words = level === null ? unnamedWords(facts, key, isOwn) : namedWords(level, key);
    if (words !== null) throw unfit('FOREIGN_KEY', words);
  }
  for (const level of levelsOf(mapping)) refuseLevel(mapping, facts, level, into);
}

function isChanged(mapping: Mapping, { levels }: TableFacts, table: string): boolean {
  return levelsOf(mapping).some((level) => isOurs(level) && levels[level.place]?.oid === table);
}

function unnamedWords(facts: TableFacts, key: ForeignKey, isOwn: boolean): string | null {
  const forbids = key.onDelete === 'a' || key.onDelete === 'r';
  const cascades = key.onDelete === 'c';
  const isSelf = key.from === facts.oid && key.into === facts.oid;
  if (!forbids && !cascades) return null;
  // The rows of somebody's table beside our own schema go with their message, as its owner chose.
  if (cascades && isOwn && !isSelf) return null;
  const what = `The foreign key ${key.name} of ${key.fromTable} refers to ${key.intoTable} and ${
    forbids
      ? 'forbids deleting rows that are referred to'
      : isSelf
        ? 'would delete the messages that refer to an old one, however young they are, uncounted'
        : 'would delete rows that nobody counts'
  } (ON DELETE ${actionWords[key.onDelete] ?? key.onDelete})`;
  const pairs = key.columns.map((column, index) => `${column}: ${key.referenced[index]}`).join(', ');
  return isOwn
    ? `${what}. Change it to ON DELETE CASCADE or SET NULL, or drop it; or describe the tables in a mapping that names it`
    : `${what}. Name it in the mapping, among the dependents of ${key.intoTable}: { table: ${key.fromTable}, match: { ${pairs} }, action: ${isSelf ? 'set_null' : 'delete'} }${isSelf ? '' : ' (or set_null)'}`;
}

function namedWords({ dependent: { action } }: Level, key: ForeignKey): string | null {
  const what = `The foreign key ${key.name} of ${key.fromTable} is ON DELETE ${actionWords[key.onDelete] ?? key.onDelete}`;
  if (action === 'keep')
    return `${what}, so its rows cannot stay as they are when ${key.intoTable} loses what they refer to: say delete, set_null or leave_to_fk instead of keep`;
  if (action !== 'leave_to_fk') return null;
  if (key.onDelete === 'a' || key.onDelete === 'r')
    return `${what} and does nothing by itself: say delete or set_null instead of leave_to_fk`;
  if (key.onDelete === 'c' && key.from === key.into)
    return `${what} and would delete the messages that refer to an old one, however young they are: say set_null instead of leave_to_fk`;
  return null;
}

function refuseLevel(mapping: Mapping, facts: TableFacts, level: Level, into: readonly ForeignKey[]): void {
  const { place, dependent } = level;
  const name = nameOf(dependent.table);
  if (facts.levels[place]?.isSelf === true && dependent.action === 'delete') {
    throw unfit(
      'SELF_REFERENCE',
      `${name} is the messages table itself: rows of it that refer to an old message may be younger, so they can only be cleared. Say set_null instead of delete`,
    );
  }
  if (dependent.action !== 'leave_to_fk') return;
  const isThere = into.some((key) => levelOfKey(mapping, facts, key)?.place === place);
  if (!isThere) {
    throw unfit(
      'FOREIGN_KEY',
      `leave_to_fk leaves the rows of ${name} to a foreign key, and there is none from ${dependent.match.map((pair) => pair.column).join(', ')} to ${dependent.match.map((pair) => pair.message).join(', ')}: say delete, set_null or keep`,
    );
  }
}

const actionWords: Readonly<Record<string, string>> = {
  a: 'NO ACTION',
  r: 'RESTRICT',
  c: 'CASCADE',
  n: 'SET NULL',
  d: 'SET DEFAULT',
};

import { nameOf } from '../../../core/mapping.js';
import { type Counted, earlier, later, sampleKeys, scaled } from '../../preview/counted.js';
import { limited } from '../bounds.js';
import { eligibleSql } from '../eligible.js';
import { quoted, quotedTable } from '../names.js';
import { keyColumns, literal } from '../range.js';
import type { Session } from '../session.js';
import type { Looked } from './exact.js';
import { countedDependents, momentFrom, referredColumns } from '../../preview/counted-dependents.js';
import { ageText, heldSql, pathJoins } from './parts.js';
import { keyText, randomKey } from './random-key.js';

/** Rows of a slice: some milliseconds. */
const sliceRows = 1_000;
/** More slices than these make an estimate no better. */
const mostSlices = 200;

export type SliceOptions = {
  readonly looked: Looked;
  readonly keyIndex: string;
  /** Rows of the table as the statistics say. */
  readonly tableRows: number;
  /** `performance.now()` at which no further slice is begun. */
  readonly until: number;
  readonly withDependents: boolean;
};

type Sliced = Counted & { readonly rows: number };

/**
 * Counts slices that begin at random places of the key until time is up, scaled to the rows that the statistics say
 * (InnoDB's guess may be wrong by half). Null: no slice could be counted, or the key has no random places.
 */
export async function countSlices(session: Session, options: SliceOptions): Promise<Counted | null> {
  const ends = await readEnds(session, options);
  if (ends === null) return null;
  const type = options.looked.keyTypes[0] ?? '';
  let sum: Sliced | null = null;
  for (let slice = 0; slice < mostSlices && performance.now() < options.until; slice += 1) {
    const from = randomKey(type, ends.low, ends.high);
    if (from === null) return null;
    const found = await countSlice(session, options, literal(from, type));
    if (found === null) break;
    sum =
      sum === null
        ? found
        : {
            rows: sum.rows + found.rows,
            messages: sum.messages + found.messages,
            held: added(sum.held, found.held),
            dependents: added(sum.dependents, found.dependents),
            oldest: earlier(sum.oldest, found.oldest),
            newest: later(sum.newest, found.newest),
            sample: [...sum.sample, ...found.sample].slice(0, sampleKeys),
            exact: false,
          };
  }
  if (sum === null || sum.rows === 0) return null;
  const factor = options.tableRows / sum.rows;
  return {
    messages: Math.round(sum.messages * factor),
    held: scaled(sum.held, factor),
    dependents: scaled(sum.dependents, factor),
    oldest: sum.oldest,
    newest: sum.newest,
    sample: sum.sample,
    exact: false,
  };
}

async function readEnds(
  session: Session,
  { looked: { policy, keyTypes }, until }: SliceOptions,
): Promise<{ readonly low: string; readonly high: string } | null> {
  const { mapping } = policy;
  const first = keyColumns(mapping)[0] ?? '';
  const ends: string[] = [];
  for (const direction of ['ASC', 'DESC']) {
    const rows = await limited<{ k0: unknown }>(
      session,
      `${keyText(mapping, keyTypes, 'm')} FROM ${quotedTable(mapping.table)} AS m ORDER BY ${first} ${direction} LIMIT 1`,
      Math.max(1, until - performance.now()),
    );
    if (rows?.[0] === undefined) return null;
    ends.push(String(rows[0].k0));
  }
  return { low: ends[0] ?? '', high: ends[1] ?? '' };
}

async function countSlice(session: Session, options: SliceOptions, from: string): Promise<Sliced | null> {
  const { looked, keyIndex, until } = options;
  const { policy, horizon, keyTypes } = looked;
  const { mapping } = policy;
  const columns = keyColumns(mapping);
  const carried = (names: readonly string[]): string =>
    `SELECT ${names.join(', ')} FROM ${quotedTable(mapping.table)} AS m FORCE INDEX (${quoted(keyIndex)})
     WHERE ${columns[0]} >= ${from} ORDER BY ${columns.join(', ')} LIMIT ${sliceRows}`;
  const free = `(${eligibleSql(policy, horizon)}) IS TRUE AS mgc_free`;
  const leftMs = (): number => Math.max(20, until - performance.now());
  const age = `CASE WHEN x.mgc_free THEN x.mgc_age END`;
  const rows = await limited<Record<string, unknown>>(
    session,
    `${[
      'count(*) AS seen',
      'CAST(coalesce(sum(x.mgc_free), 0) AS UNSIGNED) AS messages',
      `${ageText(mapping, `min(${age})`)} AS oldest`,
      `${ageText(mapping, `max(${age})`)} AS newest`,
      ...mapping.holds.map((_, place) => `CAST(coalesce(sum(x.mgc_h${place}), 0) AS UNSIGNED) AS h${place}`),
    ].join(', ')} FROM (${carried([
      free,
      `m.${quoted(mapping.age.column)} AS mgc_age`,
      ...mapping.holds.map(
        ({ where }, place) => `(${heldSql(policy, where, horizon)}) IS TRUE AS mgc_h${place}`,
      ),
    ])}) AS x`,
    leftMs(),
  );
  const row = rows?.[0];
  if (row === undefined) return null;
  const dependents: Record<string, number> = {};
  for (const one of options.withDependents ? countedDependents(mapping) : []) {
    const names = referredColumns(mapping).map((column) => `m.${quoted(column)}`);
    const found = await limited<{ n: number }>(
      session,
      `STRAIGHT_JOIN count(*) AS n FROM (SELECT * FROM (${carried([free, ...names])}) AS walked WHERE walked.mgc_free) AS x ${pathJoins(one)}`,
      leftMs(),
    );
    if (found === null) return null;
    const name = nameOf(one.dependent.table);
    dependents[name] = (dependents[name] ?? 0) + Number(found[0]?.n);
  }
  const keys = await limited<Record<string, unknown>>(
    session,
    `* FROM (${carried([free, keyText(mapping, keyTypes, 'm')])}) AS x WHERE x.mgc_free LIMIT ${sampleKeys}`,
    leftMs(),
  );
  return {
    rows: Number(row['seen']),
    messages: Number(row['messages']),
    held: Object.fromEntries(mapping.holds.map(({ name }, place) => [name, Number(row[`h${place}`])])),
    dependents,
    oldest: momentFrom(mapping, row['oldest']),
    newest: momentFrom(mapping, row['newest']),
    sample: (keys ?? []).map((key) => mapping.key.map((_, place) => String(key[`k${place}`]))),
    exact: false,
  };
}

/** Sums by name. */
function added(
  a: Readonly<Record<string, number>>,
  b: Readonly<Record<string, number>>,
): Record<string, number> {
  const sum: Record<string, number> = { ...a };
  for (const [name, n] of Object.entries(b)) sum[name] = (sum[name] ?? 0) + n;
  return sum;
}

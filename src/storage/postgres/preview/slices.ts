import type { PoolClient } from 'pg';
import { nameOf } from '../../../core/mapping.js';
import type { Policy } from '../../../core/policy.js';
import { type Counted, earlier, later, sampleKeys, scaled, shuffled } from '../../preview/counted.js';
import { eligibleSql } from '../eligible.js';
import { kindOf } from '../errors.js';
import { quoted, quotedTable } from '../names.js';
import { keyColumns, Parameters } from '../range.js';
import { countedDependents, momentFrom, referredColumns } from '../../preview/counted-dependents.js';
import { ageText, heldSql, pathJoins } from './parts.js';

/** Blocks of a slice: a few thousand rows, some milliseconds. */
const sliceBlocks = 64;

export type SliceOptions = {
  readonly policy: Policy;
  readonly horizon: string;
  /** `performance.now()` at which no further slice is begun. */
  readonly until: number;
  readonly hasTimeLimits: boolean;
  readonly withDependents: boolean;
};

/** Sums of the slices that were walked. `rows` counts all rows of the table, eligible or not. */
export type Sliced = Counted & { readonly rows: number };

/**
 * Counts slices of heap blocks in a random order until time is up. All of them: the count is exact. Some: a fair sample,
 * scaled to the whole. Null: not even one slice could be counted. `client` is in a READ ONLY transaction.
 */
export async function countSlices(client: PoolClient, options: SliceOptions): Promise<Sliced | null> {
  const { mapping } = options.policy;
  const blocks = await readBlocks(client, quotedTable(mapping.table));
  const slices = Math.max(1, Math.ceil(blocks / sliceBlocks));
  let seen = 0;
  let sum: Sliced = {
    messages: 0,
    held: {},
    dependents: {},
    oldest: null,
    newest: null,
    sample: [],
    exact: true,
    rows: 0,
  };
  for (const slice of shuffled(slices)) {
    if (performance.now() >= options.until) break;
    // The last slice is open above: the table may grow meanwhile.
    const found = await countSlice(client, options, slice * sliceBlocks, slice === slices - 1);
    if (found === null) break;
    seen += 1;
    sum = {
      messages: sum.messages + found.messages,
      rows: sum.rows + found.rows,
      held: added(sum.held, found.held),
      dependents: added(sum.dependents, found.dependents),
      oldest: earlier(sum.oldest, found.oldest),
      newest: later(sum.newest, found.newest),
      sample: [...sum.sample, ...found.sample].slice(0, sampleKeys),
      exact: true,
    };
  }
  if (seen === 0) return null;
  if (seen === slices) return sum;
  const factor = slices / seen;
  return {
    ...sum,
    messages: Math.round(sum.messages * factor),
    rows: Math.round(sum.rows * factor),
    held: scaled(sum.held, factor),
    dependents: scaled(sum.dependents, factor),
    exact: false,
  };
}

async function readBlocks(client: PoolClient, table: string): Promise<number> {
  // A slice of a parent is that of every child, so the longest of them counts.
  const { rows } = await client.query<{ blocks: number }>(
    `WITH RECURSIVE tree AS (SELECT $1::regclass::oid AS oid UNION SELECT i.inhrelid FROM pg_inherits i JOIN tree t ON i.inhparent = t.oid)
     SELECT (coalesce(max(pg_relation_size(oid)), 0) / current_setting('block_size')::int)::float8 AS blocks FROM tree`,
    [table],
  );
  return rows[0]?.blocks ?? 0;
}

async function countSlice(
  client: PoolClient,
  options: SliceOptions,
  from: number,
  isLast: boolean,
): Promise<Sliced | null> {
  const { policy, horizon } = options;
  const { mapping } = policy;
  const parameters = new Parameters();
  const low = parameters.add(`(${from},0)`, 'tid');
  const range = isLast
    ? `m.ctid >= ${low}`
    : `m.ctid >= ${low} AND m.ctid < ${parameters.add(`(${from + sliceBlocks},0)`, 'tid')}`;
  const eligible = eligibleSql(policy, horizon, parameters);
  const holds = mapping.holds.map(
    ({ where }, place) => `${heldSql(policy, where, horizon, parameters)} AS mgc_h${place}`,
  );
  const columns = referredColumns(mapping).map((column) => `m.${quoted(column)}`);
  const key = `json_build_array(${keyColumns(mapping)
    .map((column) => `${column.replace(/^m\./, 'x.')}::text`)
    .join(', ')})`;
  const dependents = options.withDependents ? countedDependents(mapping) : [];
  const counts = dependents.map(
    (one, place) =>
      `(SELECT count(*) FROM (SELECT * FROM walked WHERE mgc_free) x ${pathJoins(one)}) AS d${place}`,
  );
  const statement = `WITH walked AS MATERIALIZED (
      SELECT ${[`${eligible} AS mgc_free`, `m.${quoted(mapping.age.column)} AS mgc_age`, ...holds, ...columns].join(', ')}
      FROM ${quotedTable(mapping.table)} m WHERE ${range})
    SELECT ${[
      'count(*) AS rows',
      'count(*) FILTER (WHERE x.mgc_free) AS messages',
      `${ageText(mapping, 'min(x.mgc_age) FILTER (WHERE x.mgc_free)', parameters)} AS oldest`,
      `${ageText(mapping, 'max(x.mgc_age) FILTER (WHERE x.mgc_free)', parameters)} AS newest`,
      ...mapping.holds.map((_, place) => `count(*) FILTER (WHERE x.mgc_h${place}) AS h${place}`),
      `(SELECT json_agg(key) FROM (SELECT ${key} AS key FROM walked x WHERE x.mgc_free LIMIT ${sampleKeys}) keys) AS sample`,
      ...counts,
    ].join(', ')} FROM walked x`;
  const row = await within(client, options, statement, parameters.values);
  if (row === null) return null;
  const byTable: Record<string, number> = {};
  for (const [place, { dependent }] of dependents.entries()) {
    const name = nameOf(dependent.table);
    byTable[name] = (byTable[name] ?? 0) + Number(row[`d${place}`]);
  }
  return {
    rows: Number(row['rows']),
    messages: Number(row['messages']),
    held: Object.fromEntries(mapping.holds.map(({ name }, place) => [name, Number(row[`h${place}`])])),
    dependents: byTable,
    oldest: momentFrom(mapping, row['oldest']),
    newest: momentFrom(mapping, row['newest']),
    sample: (row['sample'] as readonly (readonly string[])[] | null) ?? [],
    exact: true,
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

async function within(
  client: PoolClient,
  { until, hasTimeLimits }: SliceOptions,
  statement: string,
  values: readonly unknown[],
): Promise<Record<string, unknown> | null> {
  if (hasTimeLimits) {
    await client.query('SAVEPOINT slice');
    const ms = Math.max(20, Math.floor(until - performance.now()));
    await client.query(`SET LOCAL statement_timeout = '${ms}ms'`);
  }
  try {
    const { rows } = await client.query<Record<string, unknown>>(statement, [...values]);
    return rows[0] ?? null;
  } catch (error) {
    if (kindOf(error).kind !== 'slow') throw error;
    await client.query('ROLLBACK TO SAVEPOINT slice');
    return null;
  }
}

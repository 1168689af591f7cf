import type { PoolClient } from 'pg';
import type { Mapping } from '../../core/mapping.js';
import type { Policy } from '../../core/policy.js';
import type { Chunk } from '../../core/ports.js';
import type { Plan } from '../../core/run.js';
import type { Bounds } from '../ledger/bounds.js';
import { kindOf } from './errors.js';
import { nothingMoved } from './moved-rows.js';
import { oldEnoughSql } from './eligible.js';
import { collectableSql, readHeld } from './held.js';
import { quotedTable } from './names.js';
import { type Bound, boundOf, isDense, orderColumns, Parameters, rangeSql, textOf } from './range.js';
import { asking, type Sessions } from './session.js';

/** An index probe for a pivot walks that many entries at most (about 20 ms); a chunk is then a little smaller. */
const farthestProbe = 50_000;

/** The walking order of a PostgreSQL table: all arithmetic and comparison of bounds happens in the database. */
export function boundsOf(sessions: Sessions): Bounds {
  const ask = <T>(doing: string, work: (client: PoolClient) => Promise<T>): Promise<T> =>
    asking(sessions, sessions.sweep, doing, work);
  return {
    pivot: ({ mapping }, plan, cursor, high, chunk) =>
      ask('choose where to split a span', (client) =>
        isDense(plan) && boundOf(cursor).length > 0
          ? addedPivot(client, cursor, high, chunk)
          : isDense(plan) && plan.walk === 'blocks'
            ? addedPivot(client, textOf(['0']), high, chunk)
            : probedPivot(client, mapping, plan, cursor, high, chunk.units),
      ),
    anythingLeft: (policy, plan, limitMs) =>
      ask('look for what is left', (client) => anythingLeft(sessions, client, policy, plan, limitMs)),
    leftIn: (policy, plan, cursor, high, units) =>
      ask('look for what is left in a slice', (client) => leftIn(client, policy, plan, cursor, high, units)),
  };
}

async function addedPivot(
  client: PoolClient,
  cursor: string,
  high: string,
  { units, share, least }: Chunk,
): Promise<string | null> {
  const { rows } = await client.query<{ pivot: string | null }>(
    `SELECT CASE WHEN at < high THEN at::text END AS pivot FROM (
       SELECT $2::numeric AS high, $1::numeric + least(
         $3::numeric, greatest($5::numeric, ceil(($2::numeric - $1::numeric) * $4::numeric))) AS at
     ) chunk`,
    [boundOf(cursor)[0], boundOf(high)[0], Math.max(1, Math.round(units)), share, Math.max(1, least)],
  );
  const pivot = rows[0]?.pivot ?? null;
  return pivot === null ? null : textOf([pivot]);
}

async function probedPivot(
  client: PoolClient,
  mapping: Mapping,
  plan: Plan,
  cursor: string,
  high: string,
  units: number,
): Promise<string | null> {
  const to = await keyAfter(
    client,
    mapping,
    plan,
    boundOf(cursor),
    boundOf(high),
    Math.min(units, farthestProbe),
  );
  return to === null || textOf(to) === high ? null : textOf(to);
}

/** The `count`-th key after `from` and not above `high`; null when there are fewer. */
export async function keyAfter(
  client: PoolClient,
  mapping: Mapping,
  plan: Plan,
  from: Bound,
  high: Bound,
  count: number,
): Promise<Bound | null> {
  const parameters = new Parameters();
  let range = rangeSql(mapping, plan, parameters, from, high);
  // In the order of the age only what is old enough is walked: neither rows without an age nor those to come.
  if (plan.walk === 'age') range += ` AND ${oldEnoughSql(mapping, plan.horizon, parameters)}`;
  const columns = orderColumns(mapping, plan);
  const { rows } = await client.query<{ key: string[] }>(
    `SELECT json_build_array(${columns.map((column) => `${column}::text`).join(', ')}) AS key
     FROM ${quotedTable(mapping.table)} m WHERE ${range}
     ORDER BY ${columns.join(', ')} LIMIT 1 OFFSET ${Math.max(0, Math.round(count) - 1)}`,
    parameters.values,
  );
  return rows[0]?.key ?? null;
}

async function anythingLeft(
  sessions: Sessions,
  client: PoolClient,
  policy: Policy,
  plan: Plan,
  limitMs: number,
): Promise<boolean | null> {
  if (await nothingMoved(client, plan)) return false;
  const parameters = new Parameters();
  const eligible = collectableSql(policy, plan, await readHeld(client), parameters);
  // Read-write on purpose, so that a read/write router sends it to the primary. No index: an index that was just
  // emptied holds millions of dead entries, and the heap is read in order (2 M rows: 0.2 s).
  await client.query('BEGIN');
  try {
    await client.query(
      `SET LOCAL enable_indexscan = off; SET LOCAL enable_bitmapscan = off; SET LOCAL enable_indexonlyscan = off${
        sessions.hasTimeLimits ? `; SET LOCAL statement_timeout = '${Math.round(limitMs)}ms'` : ''
      }`,
    );
    const { rowCount } = await client.query(
      `SELECT 1 FROM ${quotedTable(policy.mapping.table)} m WHERE ${eligible} LIMIT 1`,
      parameters.values,
    );
    return (rowCount ?? 0) > 0;
  } catch (error) {
    if (kindOf(error).kind === 'slow') return null;
    throw error;
  } finally {
    await client.query('ROLLBACK');
  }
}

/**
 * A slice of blocks. Its last one is open above: an UPDATE may have moved a row behind the frozen end. (Slices go by
 * blocks, as the walk did: in the order of a random key a slice would jump through the whole table.)
 */
async function leftIn(
  client: PoolClient,
  policy: Policy,
  plan: Plan,
  cursor: string,
  high: string,
  units: number,
) {
  const from = Number(boundOf(cursor)[0] ?? '0');
  const last = Number(boundOf(high)[0] ?? '0');
  const end = from + units >= last;
  const parameters = new Parameters();
  const { mapping } = policy;
  const range = rangeSql(mapping, plan, parameters, [String(from)], end ? [] : [String(from + units)]);
  const eligible = collectableSql(policy, plan, await readHeld(client), parameters);
  const oid = parameters.add((JSON.parse(plan.guards['oids'] ?? '[]') as string[])[0], 'oid');
  const { rows } = await client.query<{ first: number | null; last: number | null; file: string | null }>(
    `SELECT min(block) AS first, max(block) AS last, pg_relation_filenode(${oid})::text AS file FROM (
       SELECT split_part(ltrim(m.ctid::text, '('), ',', 1)::bigint AS block
       FROM ${quotedTable(mapping.table)} m WHERE ${range} AND ${eligible}) left_over`,
    parameters.values,
  );
  const found = rows[0];
  // Rewritten: a row may be in a slice that was already looked at. All of it is left, and the first batch of the
  // next round finds the other file and begins the walk anew.
  if (found?.file !== plan.guards['file']) return { to: high, end: true, left: { low: textOf(['0']), high } };
  return {
    to: end ? high : textOf([String(from + units)]),
    end,
    left:
      found?.first == null || found.last === null
        ? null
        : { low: textOf([String(found.first)]), high: textOf([String(found.last + 1)]) },
  };
}

import type { PoolClient } from 'pg';
import type { Mapping } from '../../core/mapping.js';
import type { Policy } from '../../core/policy.js';
import type { Planner } from '../../core/ports.js';
import type { Plan, Walk } from '../../core/run.js';
import { readTableFacts, type TableFacts } from './catalogue.js';
import { kindOf, translate } from './errors.js';
import { eligibleSql } from './eligible.js';
import { chooseForeignKeyMode, readShape } from './foreign-keys.js';
import { quoted, quotedTable } from './names.js';
import { readMoves } from './moved-rows.js';
import { keyColumns, Parameters, textOf } from './range.js';
import { type Sessions, withSession } from './session.js';

/** The probe answers from an index in well under a millisecond; without an index it must not read the table. */
const probeLimitMs = 250;

/** Below this the table's order is not the key's: a walk in key order then jumps between blocks (10 times slower). */
const orderedFrom = 0.9;

/** Of smallint, integer and bigint. */
const leastNumbers = new Set(['-32768', '-2147483648', '-9223372036854775808']);

/** Tables smaller than 8 MB fit any cache: their order does not matter, and a key walk needs no look. */
const smallBlocks = 1_024;

export function plannerOf(sessions: Sessions): Planner {
  return {
    plan: (policy) =>
      withSession(sessions, sessions.sweep, async (client) => {
        try {
          return await choose(sessions, client, policy);
        } catch (error) {
          throw translate(error, 'plan the run');
        }
      }),
  };
}

async function choose(sessions: Sessions, client: PoolClient, policy: Policy) {
  const { mapping, retentionSeconds } = policy;
  const horizon = await readHorizon(client, retentionSeconds);
  const facts = await readTableFacts(client, mapping);
  const foreignKeys = await chooseForeignKeyMode(client, mapping, facts.oids);
  const walk = chooseWalk(facts);
  const moves =
    walk.walk === 'blocks' && sessions.engine === 'postgresql' ? await readMoves(client, facts.oid) : null;
  const rows = facts.rows > 0 ? facts.rows : facts.blocks * 20;
  const plan: Plan = {
    horizon,
    walk: walk.walk,
    low: '[]',
    high: walk.walk === 'blocks' ? textOf([String(facts.blocks)]) : '[]',
    foreignKeys: foreignKeys.mode,
    sparseness: 1,
    units: walk.walk === 'blocks' ? facts.blocks : Math.max(1, Math.round(rows)),
    look: walk.walk === 'blocks',
    guards: {
      key_types: JSON.stringify(facts.keyTypes),
      column_types: JSON.stringify(facts.columnTypes),
      oids: JSON.stringify(facts.oids),
      file: facts.file,
      shape: await readShape(client, facts.oids),
      ...(moves === null ? {} : { moves }),
    },
    why: `${walk.why}; ${foreignKeys.why}`,
  };
  if ((await probe(sessions, client, policy, horizon)) === 'nothing')
    return { kind: 'nothing', plan } as const;
  const keys = await readKeyRange(sessions, client, mapping);
  if (keys === null) return { kind: 'nothing', plan } as const;
  return {
    kind: 'work',
    plan: {
      ...plan,
      ...(walk.walk === 'key' ? { low: textOf(keys.beforeFirst), high: textOf(keys.high) } : {}),
      sparseness: Math.max(1, keys.width / Math.max(1, rows)),
    },
  } as const;
}

/** Database time minus retention, with microseconds, as the text that every statement gets. */
export async function readHorizon(client: PoolClient, retentionSeconds: number): Promise<string> {
  const { rows } = await client.query<{ horizon: string }>(
    `SELECT to_char((clock_timestamp() - $1::float8 * interval '1 second') AT TIME ZONE 'UTC',
       'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') AS horizon`,
    [retentionSeconds],
  );
  return rows[0]?.horizon ?? '';
}

/**
 * The highest key bounds the walk; null: the table is empty. Width: how many integers lie between the ends, 1 when it
 * cannot be said (right after a run the lowest key hides behind dead index entries, so that question is bounded).
 */
async function readKeyRange(sessions: Sessions, client: PoolClient, mapping: Mapping) {
  const columns = keyColumns(mapping);
  const ask = (direction: 'ASC' | 'DESC'): string =>
    `SELECT json_build_array(${columns.map((column) => `${column}::text`).join(', ')}) AS key
     FROM ${quotedTable(mapping.table)} m ORDER BY ${columns.map((column) => `${column} ${direction}`).join(', ')} LIMIT 1`;
  const highest = await client.query<{ key: string[] }>(ask('DESC'));
  const high = highest.rows[0]?.key;
  if (high === undefined) return null;
  const lowest = await limited<{ key: string[] }>(sessions, client, ask('ASC'), []);
  const low = lowest?.[0]?.key ?? [];
  const isNumber = [high, low].every((key) => key.length === 1 && /^-?\d+$/.test(key[0] ?? ''));
  if (!isNumber) return { high, beforeFirst: [], width: 1 };
  // Nothing lies before the least number of a type: no bound, and no adding to it (the walk probes the index).
  if (leastNumbers.has(low[0] ?? '')) return { high, beforeFirst: [], width: Number.MAX_SAFE_INTEGER };
  return {
    high,
    beforeFirst: [String(BigInt(low[0] ?? '0') - 1n)],
    width: Number(high[0]) - Number(low[0]) + 1,
  };
}

/** Is anything eligible at all? `unknown` plans a normal run; it never means that there is nothing to do. */
async function probe(
  sessions: Sessions,
  client: PoolClient,
  policy: Policy,
  horizon: string,
): Promise<'something' | 'nothing' | 'unknown'> {
  const parameters = new Parameters();
  const statement = `SELECT 1 FROM ${quotedTable(policy.mapping.table)} m WHERE ${eligibleSql(policy, horizon, parameters)}
    ORDER BY m.${quoted(policy.mapping.age.column)} LIMIT 1`;
  const rows = await limited(sessions, client, statement, parameters.values);
  if (rows === null) return 'unknown';
  return rows.length === 0 ? 'nothing' : 'something';
}

/** A question that must not take long: null when time ran out. */
async function limited<T extends object>(
  sessions: Sessions,
  client: PoolClient,
  statement: string,
  values: readonly unknown[],
): Promise<readonly T[] | null> {
  await client.query('BEGIN READ ONLY');
  try {
    if (sessions.hasTimeLimits) await client.query(`SET LOCAL statement_timeout = '${probeLimitMs}ms'`);
    const { rows } = await client.query<T>(statement, [...values]);
    return rows;
  } catch (error) {
    if (kindOf(error).kind === 'slow') return null;
    throw error;
  } finally {
    await client.query('ROLLBACK');
  }
}

function chooseWalk(facts: TableFacts): { readonly walk: Walk; readonly why: string } {
  if (!facts.isPlainHeap)
    return { walk: 'key', why: 'key order: the table has partitions, parents or children' };
  if (facts.blocks < smallBlocks) return { walk: 'key', why: 'key order: the table is small' };
  const isNumber = facts.keyTypes.length === 1 && /^(smallint|integer|bigint)$/.test(facts.keyTypes[0] ?? '');
  if (facts.correlation === null) {
    return isNumber
      ? { walk: 'key', why: 'key order: an integer key, and no statistics yet' }
      : { walk: 'blocks', why: 'heap blocks: no statistics yet for a key that is no integer' };
  }
  const shown = facts.correlation.toFixed(2);
  return Math.abs(facts.correlation) >= orderedFrom
    ? { walk: 'key', why: `key order: the table follows it (correlation ${shown})` }
    : { walk: 'blocks', why: `heap blocks: the table does not follow the key (correlation ${shown})` };
}

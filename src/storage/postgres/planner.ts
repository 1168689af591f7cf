import type { PoolClient } from 'pg';
import type { Policy } from '../../core/policy.js';
import type { Planner } from '../../core/ports.js';
import type { Plan } from '../../core/run.js';
import { readBlocks, readTableFacts, type TableFacts } from './catalogue.js';
import { kindOf } from './errors.js';
import { oldEnoughSql } from './eligible.js';
import { refuseUnfitColumns } from './fitness.js';
import { chooseForeignKeyMode, hasRules, readShape, touchedTables } from './foreign-keys.js';
import { collectableSql, readHeld } from './held.js';
import { isOurs, levelsOf } from './levels.js';
import { quoted, quotedTable } from './names.js';
import { moveByThemselves, readMoves } from './moved-rows.js';
import { tableSql } from './plan-guards.js';
import { orderColumns, Parameters, textOf } from './range.js';
import { asking, type Sessions } from './session.js';
import { chooseWalk } from './walk-choice.js';

/** The probe answers from an index in well under a millisecond; without an index it must not read the table. */
const probeLimitMs = 250;

/** Of smallint, integer and bigint. */
const leastNumbers = new Set(['-32768', '-2147483648', '-9223372036854775808']);

export function plannerOf(sessions: Sessions): Planner {
  return {
    plan: (policy) =>
      asking(sessions, sessions.sweep, 'plan the run', (client) => choose(sessions, client, policy)),
  };
}

async function choose(sessions: Sessions, client: PoolClient, policy: Policy) {
  const { mapping, retentionSeconds } = policy;
  const horizon = await readHorizon(client, retentionSeconds);
  const facts = await readTableFacts(client, mapping);
  await refuseUnfitColumns(client, mapping, facts);
  const foreignKeys = await chooseForeignKeyMode(client, mapping, facts);
  const walk = await chooseWalk(client, policy, facts, horizon);
  const isBlocks = walk.walk === 'blocks';
  const rows = facts.rows > 0 ? facts.rows : facts.blocks * 20;
  const guards = await readGuards(sessions, client, policy, facts, isBlocks);
  // After the moves were read: what moves behind the end from here on is counted.
  const blocks = isBlocks ? await readBlocks(client, facts.oid) : facts.blocks;
  const plan: Plan = {
    horizon,
    walk: walk.walk,
    low: '[]',
    high: isBlocks ? textOf([String(blocks)]) : '[]',
    foreignKeys: foreignKeys.mode,
    sparseness: 1,
    units: isBlocks ? blocks : Math.max(1, Math.round(rows)),
    look: walk.walk === 'blocks',
    guards,
    why: `${walk.why}; ${foreignKeys.why}`,
  };
  if ((await probe(sessions, client, policy, plan)) === 'nothing') return { kind: 'nothing', plan } as const;
  if (isBlocks) return { kind: 'work', plan } as const;
  const keys = await readKeyRange(sessions, client, policy, plan);
  if (keys === null) return { kind: 'nothing', plan } as const;
  return {
    kind: 'work',
    plan: {
      ...plan,
      low: textOf(keys.beforeFirst),
      high: textOf(keys.high),
      sparseness: Math.max(1, keys.width / Math.max(1, rows)),
    },
  } as const;
}

/** What must not change under the run, and what every statement needs to know of the tables. */
async function readGuards(
  sessions: Sessions,
  client: PoolClient,
  { mapping }: Policy,
  facts: TableFacts,
  isBlocks: boolean,
): Promise<Plan['guards']> {
  const oids = touchedTables(mapping, facts);
  const name = quotedTable(mapping.table);
  const isCounted =
    isBlocks && sessions.engine === 'postgresql' && !(await moveByThemselves(client, mapping, facts, oids));
  const moves = isCounted ? await readMoves(client, facts.oid) : null;
  const table = await client.query<{ table: string }>(`SELECT ${tableSql(facts.oid, name)} AS table`);
  return {
    key_types: JSON.stringify(facts.keyTypes),
    column_types: JSON.stringify(
      Object.fromEntries([...facts.columns].map(([column, { type }]) => [column, type])),
    ),
    levels: JSON.stringify(facts.levels),
    level_names: JSON.stringify(
      Object.fromEntries(
        levelsOf(mapping)
          .filter(isOurs)
          .map(({ place, dependent }) => [quotedTable(dependent.table), facts.levels[place]?.oid ?? '0']),
      ),
    ),
    oids: JSON.stringify(oids),
    file: facts.file,
    shape: await readShape(client, oids),
    table: table.rows[0]?.table ?? '',
    table_name: name,
    rules: (await hasRules(client, oids)) ? 'yes' : 'no',
    ...(moves === null ? {} : { moves }),
  };
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
 * The highest key bounds the walk (by age: the highest that is old enough); null: there is none. Width: how many
 * integers lie between the ends, 1 when it cannot be said (right after a run the lowest key hides behind dead index
 * entries, so that question is bounded).
 */
async function readKeyRange(sessions: Sessions, client: PoolClient, policy: Policy, plan: Plan) {
  const { mapping } = policy;
  const columns = orderColumns(mapping, plan);
  const ask = (direction: 'ASC' | 'DESC', parameters: Parameters): string =>
    `SELECT json_build_array(${columns.map((column) => `${column}::text`).join(', ')}) AS key
     FROM ${quotedTable(mapping.table)} m
     ${plan.walk === 'age' ? `WHERE ${oldEnoughSql(mapping, plan.horizon, parameters)}` : ''}
     ORDER BY ${columns.map((column) => `${column} ${direction}`).join(', ')} LIMIT 1`;
  const upwards = new Parameters();
  const highest = await client.query<{ key: string[] }>(ask('DESC', upwards), upwards.values);
  const high = highest.rows[0]?.key;
  if (high === undefined) return null;
  // In the order of the age nothing before the first real age is ever looked at.
  if (plan.walk === 'age') return { high, beforeFirst: [], width: 1 };
  const lowest = await limited<{ key: string[] }>(sessions, client, ask('ASC', new Parameters()), []);
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
  plan: Plan,
): Promise<'something' | 'nothing' | 'unknown'> {
  const held = await readHeld(client);
  const parameters = new Parameters();
  const statement = `SELECT 1 FROM ${quotedTable(policy.mapping.table)} m WHERE ${collectableSql(policy, plan, held, parameters)}
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

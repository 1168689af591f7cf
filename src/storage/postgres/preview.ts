import type { PoolClient } from 'pg';
import { nameOf } from '../../core/mapping.js';
import type { Policy } from '../../core/policy.js';
import type { Preview } from '../../core/dry-run.js';
import type { Planner } from '../../core/ports.js';
import { countWithin, type Counting, dryRunFrom } from '../preview/count-within.js';
import { ageIndexSql } from './checks/age.js';
import { leadsAnIndex, readExaminedTables } from './checks/examined.js';
import { eligibleSql } from './eligible.js';
import { readHeld, withHoldList } from './held.js';
import { quoted, quotedTable } from './names.js';
import { readHorizon } from './planner.js';
import { ExactCount } from './preview/exact.js';
import { countedDependents } from '../preview/counted-dependents.js';
import { bytesOf, readSizes, type Sizes } from './preview/sizes.js';
import { countSlices } from './preview/slices.js';
import { Parameters } from './range.js';
import { asking, type Sessions } from './session.js';

/** What a run would do now. One READ ONLY transaction, one snapshot; no row is locked and nothing is written. */
export function previewOf(sessions: Sessions, planner: Planner): Preview {
  return {
    async preview(given, limitMs, rowsPerSecond) {
      // What is asked of the catalogue at the end must fit into the limit, too.
      const until = performance.now() + limitMs * 0.9;
      const { plan } = await planner.plan(given);
      return reading(sessions, 'make the dry run', async (client) => {
        const policy = withHoldList(given, plan, await readHeld(client));
        const sizes = await readSizes(client, policy.mapping);
        const counting = countingOf(sessions, client, policy, plan.horizon, sizes);
        const counted = await countWithin(counting, until);
        const bytes = bytesOf(sizes, policy.mapping, counted.messages, counted.dependents);
        const rest = { ...bytes, missingIndex: await missingIndex(client, policy) };
        return dryRunFrom(counted, plan, rest, rowsPerSecond);
      });
    },
    shareEligible: (policy, limitMs) =>
      reading(sessions, 'look how much would be deleted', async (client) => {
        const found = await countSlices(client, {
          policy,
          horizon: await readHorizon(client, policy.retentionSeconds),
          until: performance.now() + limitMs * 0.9,
          hasTimeLimits: sessions.hasTimeLimits,
          withDependents: false,
        });
        if (found === null) return null;
        return { share: found.rows === 0 ? 0 : found.messages / found.rows, rows: found.rows };
      }),
  };
}

async function reading<T>(
  sessions: Sessions,
  doing: string,
  work: (client: PoolClient) => Promise<T>,
): Promise<T> {
  return asking(sessions, sessions.control, doing, async (client) => {
    await client.query('BEGIN READ ONLY ISOLATION LEVEL REPEATABLE READ');
    try {
      return await work(client);
    } finally {
      await client.query('ROLLBACK');
    }
  });
}

function countingOf(
  { hasTimeLimits }: Sessions,
  client: PoolClient,
  policy: Policy,
  horizon: string,
  { tables }: Sizes,
): Counting {
  const exact = new ExactCount(client, policy, horizon);
  return {
    mapping: policy.mapping,
    tables,
    // Without time limits (PGlite) nothing may be asked that has no end of its own.
    messages: async (limitMs) => (hasTimeLimits ? exact.messages(limitMs) : null),
    dependents: (limitMs) => exact.dependents(limitMs),
    sample: (limitMs) => exact.sample(limitMs),
    slices: (until, withDependents) =>
      countSlices(client, { policy, horizon, hasTimeLimits, until, withDependents }),
    guess: () => guess(client, policy, horizon),
  };
}

async function guess(client: PoolClient, policy: Policy, horizon: string): Promise<number> {
  const parameters = new Parameters();
  const statement = `EXPLAIN (FORMAT JSON) SELECT 1 FROM ${quotedTable(policy.mapping.table)} m WHERE ${eligibleSql(policy, horizon, parameters)}`;
  const { rows } = await client.query<{ 'QUERY PLAN': readonly { Plan: { 'Plan Rows': number } }[] }>(
    statement,
    parameters.values,
  );
  return rows[0]?.['QUERY PLAN'][0]?.Plan['Plan Rows'] ?? 0;
}

/** The index that is missed most: each batch looks for dependents, each run once for the oldest message. */
async function missingIndex(client: PoolClient, { mapping }: Policy): Promise<string | null> {
  const tables = await readExaminedTables(client, mapping);
  for (const { dependent } of countedDependents(mapping)) {
    const examined = tables.find(({ table }) => nameOf(table) === nameOf(dependent.table));
    const columns = dependent.match.map(({ column }) => column);
    if (examined?.oid != null && !(await leadsAnIndex(client, examined.oid, columns)))
      return `CREATE INDEX CONCURRENTLY ON ${examined.sql} (${columns.map(quoted).join(', ')});`;
  }
  const messages = tables[0];
  if (messages?.oid == null || (await leadsAnIndex(client, messages.oid, [mapping.age.column]))) return null;
  return ageIndexSql(messages, mapping.age.column);
}

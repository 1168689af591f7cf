import type { PoolClient } from 'pg';
import { nameOf } from '../../core/mapping.js';
import type { Policy } from '../../core/policy.js';
import type { DryRun, Planner, Preview } from '../../core/ports.js';
import type { DependentCounts } from '../../core/run.js';
import type { Counted } from '../preview/counted.js';
import { ageIndexSql } from './checks/age.js';
import { leadsAnIndex, readExaminedTables } from './checks/examined.js';
import { eligibleSql } from './eligible.js';
import { translate } from './errors.js';
import { readHeld, withHoldList } from './held.js';
import { quoted, quotedTable } from './names.js';
import { readHorizon } from './planner.js';
import { ExactCount } from './preview/exact.js';
import { countedDependents } from './preview/parts.js';
import { bytesOf, readSizes, type Sizes } from './preview/sizes.js';
import { countSlices } from './preview/slices.js';
import { Parameters } from './range.js';
import { type Sessions, withSession } from './session.js';

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
        const counted = await count(sessions, client, policy, plan.horizon, sizes, until);
        const { bytes, logBytes } = bytesOf(sizes, policy.mapping, counted.messages, counted.dependents);
        const dryRun: DryRun = {
          ...counted,
          bytes,
          logBytes,
          seconds: Math.ceil(counted.messages / Math.max(1, rowsPerSecond)),
          walk: plan.walk,
          foreignKeys: plan.foreignKeys,
          why: plan.why,
          missingIndex: await missingIndex(client, policy),
          horizon: plan.horizon,
        };
        return dryRun;
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
  return withSession(sessions, sessions.control, async (client) => {
    try {
      await client.query('BEGIN READ ONLY ISOLATION LEVEL REPEATABLE READ');
      try {
        return await work(client);
      } finally {
        await client.query('ROLLBACK');
      }
    } catch (error) {
      throw translate(error, doing);
    }
  });
}

/** Exact where there is time for it: three fifths of it for the messages, half of the rest for what goes with them. */
async function count(
  sessions: Sessions,
  client: PoolClient,
  policy: Policy,
  horizon: string,
  sizes: Sizes,
  until: number,
): Promise<Counted> {
  const left = (): number => until - performance.now();
  const exact = new ExactCount(client, policy, horizon);
  const messages = sessions.hasTimeLimits ? await exact.messages(left() * 0.6) : null;
  if (messages !== null) {
    const dependents = await exact.dependents(left() * 0.5);
    const sample = (await exact.sample(left() * 0.3)) ?? [];
    if (dependents !== null) return { ...messages, sample, dependents, exact: true };
    const found = await slices(sessions, client, policy, horizon, until);
    const ratio = found === null || found.messages === 0 ? null : messages.messages / found.messages;
    return {
      ...messages,
      sample: sample.length > 0 ? sample : (found?.sample ?? []),
      dependents:
        found === null || ratio === null
          ? byStatistics(policy, sizes, messages.messages)
          : multiplied(found.dependents, ratio),
      exact: false,
    };
  }
  const found = await slices(sessions, client, policy, horizon, until);
  return found ?? guessed(client, policy, horizon, sizes);
}

async function slices(
  sessions: Sessions,
  client: PoolClient,
  policy: Policy,
  horizon: string,
  until: number,
): Promise<Counted | null> {
  const options = { policy, horizon, hasTimeLimits: sessions.hasTimeLimits };
  const whole = countedDependents(policy.mapping).length > 0;
  // Dependents that have no index make a slice too slow; the messages alone can still be counted.
  const half = whole ? performance.now() + (until - performance.now()) * 0.6 : until;
  const found = await countSlices(client, { ...options, until: half, withDependents: whole });
  if (found !== null || !whole) return found;
  const bare = await countSlices(client, { ...options, until, withDependents: false });
  if (bare === null) return null;
  const sizes = await readSizes(client, policy.mapping);
  return { ...bare, dependents: byStatistics(policy, sizes, bare.messages), exact: false };
}

/** As many for each message as the tables have on average. */
function byStatistics({ mapping }: Policy, { tables }: Sizes, messages: number): DependentCounts {
  const all = Math.max(1, tables.get(nameOf(mapping.table))?.rows ?? 1);
  return Object.fromEntries(
    countedDependents(mapping).map(({ dependent }) => {
      const rows = tables.get(nameOf(dependent.table))?.rows ?? 0;
      return [nameOf(dependent.table), Math.round((rows / all) * messages)];
    }),
  );
}

function multiplied(counts: DependentCounts, factor: number): DependentCounts {
  return Object.fromEntries(Object.entries(counts).map(([name, n]) => [name, Math.round(n * factor)]));
}

/** Nothing could be counted in time: what the server's planner guesses. */
async function guessed(client: PoolClient, policy: Policy, horizon: string, sizes: Sizes): Promise<Counted> {
  const parameters = new Parameters();
  const statement = `EXPLAIN (FORMAT JSON) SELECT 1 FROM ${quotedTable(policy.mapping.table)} m WHERE ${eligibleSql(policy, horizon, parameters)}`;
  const { rows } = await client.query<{ 'QUERY PLAN': readonly { Plan: { 'Plan Rows': number } }[] }>(
    statement,
    parameters.values,
  );
  const messages = rows[0]?.['QUERY PLAN'][0]?.Plan['Plan Rows'] ?? 0;
  return {
    messages,
    held: Object.fromEntries(policy.mapping.holds.map(({ name }) => [name, 0])),
    dependents: byStatistics(policy, sizes, messages),
    oldest: null,
    newest: null,
    sample: [],
    exact: false,
  };
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

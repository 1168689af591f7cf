import type { PoolClient } from 'pg';
import type { BatchRequest } from '../../core/ports.js';
import type { Deleted } from '../sweep/deleted.js';
import type { WalkRange } from './batch-range.js';
import { deleteLocked } from './delete-plain.js';
import { deleteDependents, Keys, keysOf, lockedKeysSql } from './dependents.js';
import type { LockBudget } from './lock-budget.js';
import { eligibleSql } from './eligible.js';
import { comment, quotedTable } from './names.js';
import { verifyGuards } from './plan-guards.js';
import { columnTypes, Parameters, rangeSql } from './range.js';

/**
 * The same range when another session holds a row of it: nothing waits. Rows that are locked, or whose dependents
 * are, are left where they are and counted as skipped; the caller parks them.
 */
export async function deleteSkippingLocked(
  client: PoolClient,
  budget: LockBudget,
  request: BatchRequest,
  range: WalkRange,
): Promise<Deleted> {
  const { policy, plan, run, span } = request;
  const { mapping } = policy;
  const parameters = new Parameters();
  const where = `${rangeSql(mapping, plan, parameters, range.from, range.to)} AND ${eligibleSql(policy, plan.horizon, parameters)}`;
  const { rows } = await client.query<Record<string, string | number | null>>(
    `${comment(run.id, span.no)} ${lockedKeysSql(mapping, where, 'FOR UPDATE SKIP LOCKED')}`,
    parameters.values,
  );
  const locked = keysOf(rows[0]);
  const keys = locked.count === 0 ? locked : await withoutBusyDependents(client, budget, request, locked);
  let deleted = 0;
  let dependents = {};
  if (keys.count > 0) {
    if (plan.foreignKeys === 'checked') dependents = await deleteDependents(client, budget, request, keys);
    deleted = await deleteLocked(client, budget, request, keys);
    if (plan.foreignKeys === 'messages_first')
      dependents = await deleteDependents(client, budget, request, keys);
  }
  await verifyGuards(client, budget, request);
  return { deleted, dependents, skipped: await countLeft(client, budget, request, where, parameters) };
}

/**
 * Of the messages that we hold, those whose dependents we can hold as well. A dependent that another session has
 * locked would make our DELETE of it wait; its message is left for later. All are locked now, so nothing changes
 * between here and the DELETE.
 */
async function withoutBusyDependents(
  client: PoolClient,
  budget: LockBudget,
  { policy: { mapping }, plan }: BatchRequest,
  locked: Keys,
): Promise<Keys> {
  let keys = locked;
  for (const dependent of mapping.dependents) {
    await budget.limit();
    const parameters = new Parameters();
    const where = locked.dependentSql(dependent, plan, parameters);
    const table = quotedTable(dependent.table);
    const columns = dependent.match.map((pair) => `d."${pair.column.replaceAll('"', '""')}"`);
    const { rows } = await client.query<{ refs: string[][] | null }>(
      `WITH free AS MATERIALIZED (SELECT d.ctid FROM ${table} d WHERE ${where} FOR UPDATE SKIP LOCKED)
       SELECT json_agg(DISTINCT jsonb_build_array(${columns.map((column) => `${column}::text`).join(', ')})) AS refs
       FROM ${table} d WHERE ${where} AND d.ctid NOT IN (SELECT ctid FROM free)`,
      parameters.values,
    );
    const busy = rows[0]?.refs ?? [];
    if (busy.length > 0) {
      keys = await subtract(
        client,
        mapping,
        plan,
        keys,
        dependent.match.map((pair) => pair.message),
        busy,
      );
    }
  }
  return keys;
}

/** The keys whose `columns` are not among `busy`; taken apart by the database, which knows their types. */
async function subtract(
  client: PoolClient,
  mapping: BatchRequest['policy']['mapping'],
  plan: BatchRequest['plan'],
  keys: Keys,
  columns: readonly string[],
  busy: readonly (readonly string[])[],
): Promise<Keys> {
  const types = columnTypes(plan);
  const needed = [
    ...new Set([
      ...mapping.key,
      ...mapping.dependents.flatMap((one) => one.match.map((pair) => pair.message)),
    ]),
  ];
  const parameters = new Parameters();
  const arrays = needed.map((column) => parameters.add(keys.array(column), `${types[column] ?? 'text'}[]`));
  const names = needed.map((_, index) => `c${index}`);
  const refs = columns.map((column) => `c${needed.indexOf(column)}::text`);
  const out = parameters.add(JSON.stringify(busy), 'jsonb');
  const { rows } = await client.query<Record<string, string | number | null>>(
    `SELECT count(*)::int AS n, ${needed.map((column, index) => `array_agg(c${index})::text AS "a_${column.replaceAll('"', '""')}"`).join(', ')}
     FROM unnest(${arrays.join(', ')}) AS k(${names.join(', ')})
     WHERE NOT ${out} @> jsonb_build_array(jsonb_build_array(${refs.join(', ')}))`,
    parameters.values,
  );
  return keysOf(rows[0]);
}

/** Eligible rows of the range that are still there: those that others held. Plain read, waits for nobody. */
async function countLeft(
  client: PoolClient,
  budget: LockBudget,
  { policy: { mapping } }: BatchRequest,
  where: string,
  parameters: Parameters,
): Promise<number> {
  await budget.limit();
  const { rows } = await client.query<{ n: number }>(
    `SELECT count(*)::int AS n FROM ${quotedTable(mapping.table)} m WHERE ${where}`,
    parameters.values,
  );
  return rows[0]?.n ?? 0;
}

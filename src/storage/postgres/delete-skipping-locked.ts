import type { PoolClient } from 'pg';
import type { BatchRequest } from '../../core/ports.js';
import type { Deleted } from '../sweep/deleted.js';
import type { WalkRange } from './batch-range.js';
import { deleteLocked, rangeTargetSql } from './delete-locked.js';
import { deleteDependents, lockedKeysSql, lockLevels, messageKeys } from './dependents.js';
import type { LockBudget } from './lock-budget.js';
import { answerSql, type AnswerRow, type Keys } from './keys.js';
import type { Held } from './held.js';
import { type Level, levelFacts, levelsOf } from './levels.js';
import { comment, quoted, quotedTable } from './names.js';
import { Parameters } from './range.js';

/**
 * The same range when another session holds a row of it: nothing waits. Rows that are locked, or whose dependents
 * are, are left where they are and counted as skipped; the caller parks them.
 */
export async function deleteSkippingLocked(
  client: PoolClient,
  budget: LockBudget,
  request: BatchRequest,
  range: WalkRange,
  held: Held,
): Promise<Deleted> {
  const { policy, plan, run, span } = request;
  const { mapping } = policy;
  const parameters = new Parameters();
  const where = rangeTargetSql(request, range, held, parameters);
  const { rows } = await client.query<AnswerRow>(
    `${comment(run.id, span.no)} ${lockedKeysSql(mapping, where, 'FOR UPDATE SKIP LOCKED')}`,
    parameters.values,
  );
  const locked = messageKeys(plan, rows[0]);
  const keys = locked.count === 0 ? locked : await withoutBusyDependents(client, budget, request, locked);
  let deleted = 0;
  let dependents = {};
  if (keys.count > 0) {
    const levels =
      plan.foreignKeys === 'checked'
        ? await lockLevels(client, budget, request, keys)
        : new Map([[null, keys]]);
    ({ deleted, dependents } = await deleteLocked(client, budget, request, levels, held));
    if (plan.foreignKeys === 'messages_first')
      dependents = await deleteDependents(client, budget, request, keys);
  }
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
  request: BatchRequest,
  locked: Keys,
): Promise<Keys> {
  const { mapping } = request.policy;
  let keys = locked;
  for (const level of levelsOf(mapping)) {
    if (level.dependent.action === 'keep') continue;
    await budget.limit();
    const parameters = new Parameters();
    const { first, top, from, where } = chainSql(request, level, locked, parameters);
    const refs = first.dependent.match.map(({ column }) => `${top}.${quoted(column)}::text`);
    const { rows } = await client.query<{ refs: string[][] | null }>(
      `WITH free AS MATERIALIZED (SELECT d.tableoid AS t, d.ctid AS c FROM ${from} WHERE ${where} FOR UPDATE OF d SKIP LOCKED)
       SELECT json_agg(DISTINCT jsonb_build_array(${refs.join(', ')})) AS refs
       FROM ${from} WHERE ${where} AND (d.tableoid, d.ctid) NOT IN (SELECT t, c FROM free)`,
      parameters.values,
    );
    const busy = rows[0]?.refs ?? [];
    if (busy.length > 0) {
      const referred = first.dependent.match.map(({ message }) => message);
      keys = await subtract(client, request, keys, referred, busy);
    }
  }
  return keys;
}

/** The rows of a level as `d`, joined upwards to those that refer to the messages, called `top`. */
function chainSql(
  { policy: { mapping }, plan }: BatchRequest,
  level: Level,
  locked: Keys,
  parameters: Parameters,
): { readonly first: Level; readonly top: string; readonly from: string; readonly where: string } {
  const chain = [level];
  for (let above = level.above; above !== null; ) {
    const next = levelsOf(mapping).find(({ place }) => place === above);
    if (next === undefined) break;
    chain.push(next);
    above = next.above;
  }
  const first = chain.at(-1) ?? level;
  const names = chain.map((_, index) => (index === 0 ? 'd' : `p${index}`));
  const tables = chain.map(({ dependent }, index) => `${quotedTable(dependent.table)} ${names[index]}`);
  const joins = chain
    .slice(0, -1)
    .flatMap(({ dependent }, index) =>
      dependent.match.map(
        ({ column, message }) => `${names[index]}.${quoted(column)} = ${names[index + 1]}.${quoted(message)}`,
      ),
    );
  const top = names.at(-1) ?? 'd';
  const match = locked.referringSql(top, first.dependent.match, levelFacts(plan, first).types, parameters);
  return {
    first,
    top,
    from: tables.join(', '),
    where: [match, ...joins].join(' AND '),
  };
}

/** The keys whose `columns` are not among `busy`; taken apart by the database, which knows their types. */
async function subtract(
  client: PoolClient,
  { plan }: BatchRequest,
  keys: Keys,
  columns: readonly string[],
  busy: readonly (readonly string[])[],
): Promise<Keys> {
  const parameters = new Parameters();
  const arrays = keys.columns.map((column) => keys.array(column, parameters));
  const refs = columns.map((column) => `k.${quoted(column)}::text`);
  const out = parameters.add(JSON.stringify(busy), 'jsonb');
  const { rows } = await client.query<AnswerRow>(
    `SELECT ${answerSql(keys.columns)}
     FROM unnest(${arrays.join(', ')}) AS k(${keys.columns.map(quoted).join(', ')})
     WHERE NOT ${out} @> jsonb_build_array(jsonb_build_array(${refs.join(', ')}))`,
    parameters.values,
  );
  return messageKeys(plan, rows[0]);
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

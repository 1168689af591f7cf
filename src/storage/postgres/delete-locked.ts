import type { PoolClient } from 'pg';
import { StoreError } from '../../core/errors.js';
import { looksElsewhere } from '../../core/looks-elsewhere.js';
import type { Mapping } from '../../core/mapping.js';
import type { BatchRequest } from '../../core/ports.js';
import type { Deleted } from '../sweep/deleted.js';
import { PlanChanged } from '../sweep/plan-changed.js';
import { countParts, levelParts } from './dependents.js';
import { collectableInRangeSql, type Held } from './held.js';
import type { AnswerRow, Keys } from './keys.js';
import type { LockBudget } from './lock-budget.js';
import { comment, quotedTable } from './names.js';
import type { WalkRange } from './batch-range.js';
import { Parameters, rangeSql } from './range.js';

type Gone = Pick<Deleted, 'deleted' | 'dependents'>;

/**
 * Deletes the rows that this transaction has locked, with the predicate repeated; another count is no plan of ours.
 * With the checks on, their dependents go with them.
 *
 * @param locked the messages (under null), and the rows of dependents that have dependents of their own
 */
export async function deleteLocked(
  client: PoolClient,
  budget: LockBudget,
  request: BatchRequest,
  locked: ReadonlyMap<string | null, Keys>,
  held: Held,
): Promise<Gone> {
  const keys = locked.get(null);
  if (keys === undefined || keys.count === 0) return { deleted: 0, dependents: {} };
  const { plan } = request;
  await budget.limit();
  const gone =
    plan.foreignKeys === 'checked' && plan.guards['rules'] !== 'yes'
      ? await together(client, request, locked, keys, held)
      : await oneByOne(client, budget, request, locked, keys, held);
  if (gone.deleted !== keys.count && asksOthers(request.policy.mapping, held)) {
    // Dependents of a message that stays may be gone in this transaction: all of it is done again.
    throw new StoreError(
      'conflict',
      '',
      'delete a range of messages',
      `${keys.count} messages were locked, but ${gone.deleted} could be deleted: what the conditions ask of other tables has changed meanwhile, or a trigger or rule stands in the way`,
      undefined,
    );
  }
  if (gone.deleted !== keys.count) {
    throw new PlanChanged(
      `${keys.count} messages were locked, but ${gone.deleted} could be deleted: a trigger or rule stands in the way`,
    );
  }
  return gone;
}

/** Whether what may go hangs on other tables than the messages: those that the conditions name, or the hold list. */
export function asksOthers(mapping: Mapping, held: Held): boolean {
  return held.key || held.contact || looksElsewhere(mapping, 'postgresql');
}

/**
 * One statement. Its parts share one snapshot, so that a predicate which looks at the dependents (the evidence that a
 * message was delivered) still finds them, and the foreign keys are checked after all of its parts. It is safe only
 * because the rows were locked by a statement before: every dependent that there can be has committed by then.
 */
async function together(
  client: PoolClient,
  request: BatchRequest,
  locked: ReadonlyMap<string | null, Keys>,
  keys: Keys,
  held: Held,
): Promise<Gone> {
  const { run, span } = request;
  const parameters = new Parameters();
  const parts = levelParts(request, locked, parameters);
  const named = [
    ...parts.map(({ sql }, index) => `d${index} AS (${sql} RETURNING 1)`),
    `gone AS (${targetSql(request, keys, held, parameters)} RETURNING 1)`,
  ];
  const counts = parts.map((_, index) => `(SELECT count(*)::int FROM d${index}) AS n${index}`);
  const { rows } = await client.query<AnswerRow>(
    `${comment(run.id, span.no)} WITH ${named.join(', ')}
     SELECT ${[...counts, '(SELECT count(*)::int FROM gone) AS n'].join(', ')}`,
    parameters.values,
  );
  return { deleted: Number(rows[0]?.['n'] ?? 0), dependents: countParts(parts, rows[0]) };
}

/** Where a table has rules, which cannot act on a part of a statement; and where the dependents go afterwards. */
async function oneByOne(
  client: PoolClient,
  budget: LockBudget,
  request: BatchRequest,
  locked: ReadonlyMap<string | null, Keys>,
  keys: Keys,
  held: Held,
): Promise<Gone> {
  const { plan, run, span } = request;
  const mark = comment(run.id, span.no);
  const places = plan.foreignKeys === 'checked' ? levelParts(request, locked, new Parameters()) : [];
  const counts: Record<string, number> = {};
  for (const index of places.keys()) {
    const parameters = new Parameters();
    const sql = levelParts(request, locked, parameters, index)[0]?.sql ?? '';
    counts[`n${index}`] = (await client.query(`${mark} ${sql}`, parameters.values)).rowCount ?? 0;
    await budget.limit();
  }
  const parameters = new Parameters();
  const target = targetSql(request, keys, held, parameters);
  const done = await client.query(`${mark} ${target}`, parameters.values);
  return { deleted: done.rowCount ?? 0, dependents: countParts(places, counts) };
}

/** Which messages of a range may go. */
export function rangeTargetSql(
  { policy, plan }: BatchRequest,
  range: WalkRange,
  held: Held,
  parameters: Parameters,
): string {
  return `${rangeSql(policy.mapping, plan, parameters, range.from, range.to)} AND ${collectableInRangeSql(policy, plan, held, parameters)}`;
}

export function targetSql(
  { policy, plan }: BatchRequest,
  keys: Keys,
  held: Held,
  parameters: Parameters,
): string {
  const { mapping } = policy;
  const match = keys.matchSql('m', mapping.key, parameters);
  return `DELETE FROM ${quotedTable(mapping.table)} AS m WHERE ${match} AND ${collectableInRangeSql(policy, plan, held, parameters)}`;
}

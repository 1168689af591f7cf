import type { Policy } from '../../core/policy.js';
import type { Plan } from '../../core/run.js';
import { type Db, type Dialect, control, Lost, mustBeOne } from './dialect.js';

/** Forgives a lost decision: the answer is "no", and the caller reads again. */
export async function decided(work: Promise<unknown>): Promise<boolean> {
  try {
    await work;
    return true;
  } catch (error) {
    if (error instanceof Lost) return false;
    throw error;
  }
}

/** T4: freezes policy and plan into the run and makes its first spans. A planner that dies half-way wrote nothing. */
export async function planRun(dialect: Dialect, runId: string, policy: Policy, plan: Plan): Promise<boolean> {
  return decided(
    control(dialect, 'write the plan', async (trx) => {
      const planned = await trx
        .updateTable('run')
        .set((eb) => ({
          state: 'running' as const,
          policy: JSON.stringify(policy),
          ...planColumns(plan),
          spans: plan.look ? 2 : 1,
          planned_at: dialect.now(),
          version: eb('version', '+', 1),
        }))
        .where('id', '=', runId)
        .where('state', '=', 'requested')
        .executeTakeFirstOrThrow();
      mustBeOne(planned, 'the run was planned or ended by another');
      await insertRound(dialect, trx, runId, plan, { round: 0, firstNo: 1 });
    }),
  );
}

/** A guard of the plan did not hold. Run row first (who makes a span writes it first), then the spans. */
export async function replanRun(
  dialect: Dialect,
  runId: string,
  plan: Plan,
  restartWalk: boolean,
): Promise<boolean> {
  return decided(
    control(dialect, 'write the changed plan', async (trx) => {
      const raised = await trx
        .updateTable('run')
        .set((eb) => ({
          ...planColumns(plan),
          version: eb('version', '+', 1),
          ...(restartWalk ? { spans: eb('spans', '+', plan.look ? 2 : 1), round: eb('round', '+', 1) } : {}),
        }))
        .where('id', '=', runId)
        .where('state', '=', 'running')
        .executeTakeFirstOrThrow();
      mustBeOne(raised, 'the run has ended');
      if (!restartWalk) return;
      await closeSpans(trx, runId);
      const run = await trx
        .selectFrom('run')
        .select(['spans', 'round'])
        .where('id', '=', runId)
        .executeTakeFirstOrThrow();
      await insertRound(dialect, trx, runId, plan, {
        round: run.round,
        firstNo: run.spans - (plan.look ? 1 : 0),
      });
    }),
  );
}

/** Ends all open work by fence: a batch in hand commits before, or finds its span closed and rolls back. */
export async function closeSpans(trx: Db, runId: string): Promise<void> {
  await trx
    .updateTable('span')
    .set((eb) => ({ state: 'closed' as const, fence: eb('fence', '+', 1) }))
    .where('run', '=', runId)
    .where('state', 'in', ['open', 'leased'])
    .execute();
}

export function planColumns(plan: Plan): object {
  return {
    horizon: plan.horizon,
    walk: plan.walk,
    low_key: plan.low,
    high_key: plan.high,
    plan: JSON.stringify(plan),
  };
}

async function insertRound(
  dialect: Dialect,
  trx: Db,
  runId: string,
  plan: Plan,
  { round, firstNo }: { readonly round: number; readonly firstNo: number },
): Promise<void> {
  const kinds = plan.look ? (['walk', 'look'] as const) : (['walk'] as const);
  await trx
    .insertInto('span')
    .values(
      kinds.map((kind, index) => ({
        run: runId,
        no: firstNo + index,
        round,
        kind,
        low_key: plan.low,
        high_key: plan.high,
        cursor_key: plan.low,
        state: 'open' as const,
        due_at: dialect.now(),
      })),
    )
    .execute();
}

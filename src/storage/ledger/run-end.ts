import { callbackId } from '../../core/node-name.js';
import type { Ending } from '../../core/ports.js';
import type { DependentCounts } from '../../core/run.js';
import { type Db, type Dialect, control, Lost } from './dialect.js';
import { closeSpans, decided, planColumns } from './run-plan.js';

/**
 * T10: the whole ending is one transaction. The run row first, then every span closed or found done, then the
 * tallies summed by a statement of its own (after the spans, so that a batch which committed while we waited is
 * seen), then the callbacks. So the sum is final, and it is written once.
 */
export async function endRun(dialect: Dialect, runId: string, ending: Ending): Promise<boolean> {
  return decided(
    control(dialect, 'end the run', async (trx) => {
      const ended = await trx
        .updateTable('run')
        .set((eb) => ({
          state: 'ended' as const,
          active: null,
          outcome: ending.outcome,
          error: ending.error,
          ended_at: dialect.now(),
          version: eb('version', '+', 1),
          ...(ending.plan === undefined ? {} : planColumns(ending.plan)),
        }))
        .where('id', '=', runId)
        .where('state', '<>', 'ended')
        .executeTakeFirstOrThrow();
      if (ended.numUpdatedRows !== 1n) throw new Lost('the run was ended by another');
      if (ending.outcome === 'complete') await nothingOpen(trx, runId);
      else await closeSpans(trx, runId);
      await tellAndTotal(dialect, trx, runId, ending);
    }),
  );
}

/** Whose callback tells of the whole run, beside those of the nodes; no node can have this name. */
const summaryNode = '*';

async function nothingOpen(trx: Db, runId: string): Promise<void> {
  const open = await trx
    .selectFrom('span')
    .select('no')
    .where('run', '=', runId)
    .where('state', 'in', ['open', 'leased'])
    .limit(1)
    .executeTakeFirst();
  if (open !== undefined) throw new Lost(`span ${open.no} is still open`);
}

async function tellAndTotal(dialect: Dialect, trx: Db, runId: string, ending: Ending): Promise<void> {
  const run = await trx.selectFrom('run').select('form').where('id', '=', runId).executeTakeFirstOrThrow();
  const tallies = await trx
    .selectFrom('tally')
    .select(['node', 'deleted', 'dependents'])
    .where('run', '=', runId)
    .execute();
  const byNode = new Map<string, number>();
  let total = 0;
  for (const { node, deleted } of tallies) {
    byNode.set(node, (byNode.get(node) ?? 0) + deleted);
    total += deleted;
  }
  const told: (readonly [node: string, messagesDeleted: number])[] =
    run.form === 'multi' ? [...byNode] : [['', total]];
  if (run.form === 'multi' && ending.summary === true) told.push([summaryNode, total]);
  if (ending.tell && told.length > 0) {
    await trx
      .insertInto('outbox')
      .values(
        told.map(([node, messagesDeleted]) => ({
          id: callbackId(runId, node),
          run: runId,
          node,
          body: ending.renderCallback({
            node: node === '' || node === summaryNode ? null : node,
            messagesDeleted,
            outcome: ending.outcome,
            error: ending.error,
          }),
          state: 'waiting' as const,
          due_at: dialect.now(),
        })),
      )
      .execute();
  }
  await trx
    .updateTable('run')
    .set({
      deleted: total,
      dependents: JSON.stringify(sumDependents(tallies.map((tally) => tally.dependents))),
    })
    .where('id', '=', runId)
    .execute();
}

/** Adds up the JSON objects of the tallies, table by table. */
export function sumDependents(tallies: readonly string[]): DependentCounts {
  const sums: Record<string, number> = {};
  for (const text of tallies) {
    for (const [table, count] of Object.entries(JSON.parse(text) as DependentCounts)) {
      sums[table] = (sums[table] ?? 0) + count;
    }
  }
  return sums;
}

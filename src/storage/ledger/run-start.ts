import { callbackId } from '../../core/node-name.js';
import type { StartAnswer, StartRequest } from '../../core/ports.js';
import { StoreError } from '../../core/errors.js';
import { control, type Db, type Dialect, Lost } from './dialect.js';

/** How often a start begins again because a run ended or began meanwhile; each time the world has moved on. */
const restarts = 20;

/** T3: starts a run or joins the active one; idempotent in the request id. */
export async function startRun(dialect: Dialect, request: StartRequest): Promise<StartAnswer> {
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await control(dialect, 'start the run', (trx) => startOnce(dialect, trx, request));
    } catch (error) {
      const again = error instanceof Lost || (error instanceof StoreError && error.kind === 'duplicate');
      if (!again || attempt === restarts) throw error;
    }
  }
}

/**
 * The write of the run row makes "takes part" and "ends" collide: without it a node that had said `processing` could
 * miss the ending.
 */
async function startOnce(
  dialect: Dialect,
  trx: Db,
  { requestId, form, by, node, policyHash, server, renderCallback }: StartRequest,
): Promise<StartAnswer> {
  const known = await trx.selectFrom('request').select('run').where('id', '=', requestId).executeTakeFirst();
  const running =
    known === undefined
      ? await trx.selectFrom('run').select('id').where('active', '=', 1).executeTakeFirst()
      : { id: known.run };
  const runId = running?.id ?? requestId;
  if (running === undefined) {
    await trx
      .insertInto('run')
      .values({
        id: runId,
        active: 1,
        state: 'requested',
        form,
        policy_hash: policyHash,
        server,
        requested_by: by,
        made_at: dialect.now(),
      })
      .execute();
  }
  const raised = await trx
    .updateTable('run')
    .set((eb) => ({
      version: eb('version', '+', 1),
      ...(form === 'multi' ? { form: 'multi' as const } : {}),
    }))
    .where('id', '=', runId)
    .where('state', '<>', 'ended')
    .executeTakeFirstOrThrow();
  const hasEnded = raised.numUpdatedRows === 0n;
  if (hasEnded && known === undefined) throw new Lost('the run ended while it was joined');
  if (known === undefined) {
    await trx
      .insertInto('request')
      .values({ id: requestId, run: runId, made_by: by, made_at: dialect.now() })
      .execute();
  }
  await dialect.insertUnlessThere(trx, 'tally', { run: runId, span: 0, node: node.name });
  if (hasEnded && form === 'multi') {
    const run = await trx
      .selectFrom('run')
      .select(['outcome', 'error'])
      .where('id', '=', runId)
      .executeTakeFirstOrThrow();
    await dialect.insertUnlessThere(trx, 'outbox', {
      id: callbackId(runId, node.name),
      run: runId,
      node: node.name,
      body: renderCallback({
        node: node.name,
        messagesDeleted: 0,
        outcome: run.outcome ?? 'failed',
        error: run.error,
      }),
      state: 'waiting',
      due_at: dialect.now(),
    });
  }
  return { runId, joined: runId !== requestId };
}

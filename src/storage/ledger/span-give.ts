import type { Chunk } from '../../core/ports.js';
import type { Run, Span } from '../../core/run.js';
import type { Bounds } from './bounds.js';
import { control, type Dialect, Lost, mustBeOne, reading } from './dialect.js';
import { decided } from './run-plan.js';
import { nextSpanNo } from './span-take.js';

/**
 * T7: a span held longer than its chunk's time gives its rest away, so that a heavy range is shared. By the owner
 * alone, who cannot race with himself. Run row first, then the span.
 */
export async function putBackRest(
  dialect: Dialect,
  bounds: Bounds,
  run: Run,
  span: Span,
  chunk: Chunk,
): Promise<boolean> {
  const { plan, policy } = run;
  if (plan === null || policy === null) return false;
  const seen = await reading(dialect, 'read the span', (db) =>
    db
      .selectFrom('span')
      .select(['cursor_key', 'high_key'])
      .where('run', '=', span.run)
      .where('no', '=', span.no)
      .executeTakeFirst(),
  );
  if (seen === undefined) return false;
  const pivot = await bounds.pivot(policy, plan, seen.cursor_key, seen.high_key, chunk);
  if (pivot === null) return false;
  return decided(
    control(dialect, 'put the rest of a span back', async (trx) => {
      const no = await nextSpanNo(trx, run.id);
      const cut = await trx
        .updateTable('span')
        .set((eb) => ({ high_key: pivot, batches: eb('batches', '+', 1) }))
        .where('run', '=', span.run)
        .where('no', '=', span.no)
        .where('fence', '=', span.fence)
        .where('state', '=', 'leased')
        .where('cursor_key', '=', seen.cursor_key)
        .where('high_key', '=', seen.high_key)
        .executeTakeFirstOrThrow();
      mustBeOne(cut, 'the span moved meanwhile');
      await trx
        .insertInto('span')
        .values({
          run: run.id,
          no,
          round: span.round,
          kind: span.kind,
          low_key: pivot,
          cursor_key: pivot,
          high_key: seen.high_key,
          state: 'open',
          due_at: dialect.now(),
        })
        .execute();
    }),
  );
}

/** T8. Not ours any more: fine, then there is nothing to give back. */
export async function releaseSpan(
  dialect: Dialect,
  span: Span,
  waitMs: number,
  failed: boolean,
): Promise<void> {
  try {
    await control(
      dialect,
      'release a span',
      (trx) =>
        trx
          .updateTable('span')
          .set((eb) => ({
            state: 'open' as const,
            owner: null,
            boot: null,
            lease_until: null,
            due_at: dialect.nowPlus(waitMs),
            ...(failed ? { attempts: eb('attempts', '+', 1) } : {}),
          }))
          .where('run', '=', span.run)
          .where('no', '=', span.no)
          .where('fence', '=', span.fence)
          .where('state', '=', 'leased')
          .execute(),
      'replayable',
    );
  } catch (error) {
    if (!(error instanceof Lost)) throw error;
  }
}

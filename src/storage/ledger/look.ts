import type { LookAnswer } from '../../core/ports.js';
import type { Policy } from '../../core/policy.js';
import type { Run, Span } from '../../core/run.js';
import type { Bounds } from './bounds.js';
import { control, type Dialect, Lost, mustBeOne, reading } from './dialect.js';
import type { SpanRow } from './tables.js';
import { nextSpanNo } from './span-take.js';

/** Waits before a round's spans are due, by rounds without one deleted row: 0, then 5, 10, 20, 40, 60 s. */
const idleWaitsMs = [0, 5_000, 10_000, 20_000, 40_000, 60_000] as const;

/**
 * T9: what is left after a walk? First one bounded statement over the whole table; if it finds something or takes
 * too long, slice by slice, and only slices with leftovers are walked again, in a next round. Read-only but for
 * the ledger.
 */
export async function lookOnce(
  dialect: Dialect,
  bounds: Bounds,
  run: Run,
  policy: Policy,
  span: Span,
  units: number,
  leaseMs: number,
): Promise<LookAnswer> {
  const seen = await readSpan(dialect, span);
  if (seen === undefined || run.plan === null) return { kind: 'lost' };
  const { plan } = run;
  try {
    if (seen.batches === 0) {
      const left = await bounds.anythingLeft(policy, plan, leaseMs / 3);
      if (left === false) return await finish(dialect, run, span);
    }
    const slice = await bounds.leftIn(policy, plan, seen.cursor_key, seen.high_key, units);
    await control(dialect, 'record a slice of the look', async (trx) => {
      const no = slice.left === null ? null : await nextSpanNo(trx, run.id);
      const moved = await trx
        .updateTable('span')
        .set((eb) => ({
          cursor_key: slice.to,
          batches: eb('batches', '+', 1),
          lease_until: dialect.nowPlus(leaseMs),
        }))
        .where('run', '=', span.run)
        .where('no', '=', span.no)
        .where('fence', '=', span.fence)
        .where('state', '=', 'leased')
        .where('cursor_key', '=', seen.cursor_key)
        .executeTakeFirstOrThrow();
      mustBeOne(moved, 'the look is not ours any more');
      if (no === null || slice.left === null) return;
      const { idle_rounds } = await trx
        .selectFrom('run')
        .select('idle_rounds')
        .where('id', '=', run.id)
        .executeTakeFirstOrThrow();
      await trx
        .insertInto('span')
        .values({
          run: run.id,
          no,
          round: span.round + 1,
          kind: 'walk',
          low_key: slice.left.low,
          cursor_key: slice.left.low,
          high_key: slice.left.high,
          state: 'open',
          due_at: dialect.nowPlus(idleWaitsMs[Math.min(idle_rounds, idleWaitsMs.length - 1)] ?? 60_000),
        })
        .execute();
    });
    return slice.end ? await finish(dialect, run, span) : { kind: 'going_on' };
  } catch (error) {
    if (error instanceof Lost) return { kind: 'lost' };
    throw error;
  }
}

/** The look is over: no span of the next round means clean, else the next round begins with a look of its own. */
async function finish(dialect: Dialect, run: Run, span: Span): Promise<LookAnswer> {
  return control(dialect, 'finish the look', async (trx) => {
    const next = await trx
      .selectFrom('span')
      .select('no')
      .where('run', '=', run.id)
      .where('round', '=', span.round + 1)
      .where('kind', '=', 'walk')
      .limit(1)
      .executeTakeFirst();
    const no = next === undefined ? null : await nextSpanNo(trx, run.id);
    const done = await trx
      .updateTable('span')
      .set((eb) => ({ state: 'done' as const, batches: eb('batches', '+', 1) }))
      .where('run', '=', span.run)
      .where('no', '=', span.no)
      .where('fence', '=', span.fence)
      .where('state', '=', 'leased')
      .executeTakeFirstOrThrow();
    mustBeOne(done, 'the look is not ours any more');
    if (no === null) return { kind: 'clean' };
    const { deleted } = await trx
      .selectFrom('tally')
      .select((eb) => eb.fn.coalesce(eb.fn.sum<number>('deleted'), eb.lit(0)).as('deleted'))
      .where('run', '=', run.id)
      .executeTakeFirstOrThrow();
    const before = await trx
      .selectFrom('run')
      .select(['round_base', 'idle_rounds', 'low_key', 'high_key'])
      .where('id', '=', run.id)
      .executeTakeFirstOrThrow();
    const idleRounds = Number(deleted) > before.round_base ? 0 : before.idle_rounds + 1;
    const advanced = await trx
      .updateTable('run')
      .set((eb) => ({
        round: eb('round', '+', 1),
        idle_rounds: idleRounds,
        round_base: Number(deleted),
        version: eb('version', '+', 1),
      }))
      .where('id', '=', run.id)
      .where('state', '=', 'running')
      .where('round', '=', span.round)
      .executeTakeFirstOrThrow();
    mustBeOne(advanced, 'the round was ended by another');
    await trx
      .insertInto('span')
      .values({
        run: run.id,
        no,
        round: span.round + 1,
        kind: 'look',
        low_key: before.low_key ?? '[]',
        cursor_key: before.low_key ?? '[]',
        high_key: before.high_key ?? '[]',
        state: 'open',
        due_at: dialect.now(),
      })
      .execute();
    return { kind: 'next_round', idleRounds };
  });
}

async function readSpan(dialect: Dialect, span: Span): Promise<SpanRow | undefined> {
  return reading(dialect, 'read the look', (db) =>
    db
      .selectFrom('span')
      .selectAll()
      .where('run', '=', span.run)
      .where('no', '=', span.no)
      .where('fence', '=', span.fence)
      .where('state', '=', 'leased')
      .executeTakeFirst(),
  );
}

import type { ExpressionBuilder } from 'kysely';
import { StoreError } from '../../core/errors.js';
import type { Chunk, NodeIdentity, TakeAnswer } from '../../core/ports.js';
import type { Run, Span } from '../../core/run.js';
import type { Bounds } from './bounds.js';
import { control, type Dialect, Lost, mustBeOne, reading } from './dialect.js';
import type { SpanRow, Tables } from './tables.js';
import type { Takes } from './takes.js';

/** Idle nodes ask again once a second (0.3 ms a question), so a take-over starts within lease + 1 s. */
const pollMs = 1_000;

/** T5: leases a span. Candidates and pivot are plain reads; the guarded write decides. */
export async function takeSpan(
  dialect: Dialect,
  bounds: Bounds,
  takes: Takes,
  run: Run,
  node: NodeIdentity,
  chunk: Chunk,
  leaseMs: number,
): Promise<TakeAnswer> {
  const ours = await takes.settleOne(dialect, run.id, node);
  if (ours !== null) return { kind: 'span', span: ours };
  const candidates = await findCandidates(dialect, run.id, leaseMs);
  // One of the first three at random, so that workers who ask together seldom want the same one.
  const shuffled = [...candidates.slice(0, 3).sort(() => Math.random() - 0.5), ...candidates.slice(3)];
  for (const candidate of shuffled) {
    try {
      const span = await takeOne(dialect, bounds, takes, run, node, candidate, chunk, leaseMs);
      if (span !== null) return { kind: 'span', span };
    } catch (error) {
      if (!(error instanceof Lost)) throw error;
    }
  }
  return candidates.length > 0 ? { kind: 'wait', ms: 5, onlyParked: false } : nothingToTake(dialect, run.id);
}

function canBeTaken(dialect: Dialect, leaseMs: number) {
  return (eb: ExpressionBuilder<Tables, 'span'>) =>
    eb.or([
      eb('state', '=', 'open').and('due_at', '<=', dialect.now()),
      eb('state', '=', 'leased').and(
        // A lease that ends more than two leases ahead is one from before the clock was set back.
        eb.or([eb('lease_until', '<', dialect.now()), eb('lease_until', '>', dialect.nowPlus(2 * leaseMs))]),
      ),
    ]);
}

async function findCandidates(dialect: Dialect, runId: string, leaseMs: number): Promise<SpanRow[]> {
  const rows = await reading(dialect, 'look for a span', (db) =>
    db
      .selectFrom('span')
      .selectAll()
      .where('run', '=', runId)
      .where(canBeTaken(dialect, leaseMs))
      .where((eb) =>
        eb.or([
          eb('kind', '<>', 'look'),
          // A look is given out only when no walk is open or leased: it would miss what they leave.
          eb.not(
            eb.exists(
              eb
                .selectFrom('span as walk')
                .select('walk.no')
                .where('walk.run', '=', runId)
                .where('walk.kind', '<>', 'look')
                .where('walk.state', 'in', ['open', 'leased']),
            ),
          ),
        ]),
      )
      .orderBy('state')
      .orderBy('no')
      .limit(6)
      .execute(),
  );
  return rows;
}

/** The span; null when the answer to its COMMIT was lost and it is not ours. */
async function takeOne(
  dialect: Dialect,
  bounds: Bounds,
  takes: Takes,
  run: Run,
  node: NodeIdentity,
  seen: SpanRow,
  chunk: Chunk,
  leaseMs: number,
): Promise<Span | null> {
  if (run.plan === null || run.policy === null) throw new Lost('the run is not planned yet');
  const pivot =
    seen.kind !== 'walk'
      ? null
      : await bounds.pivot(run.policy, run.plan, seen.cursor_key, seen.high_key, chunk);
  const fence = seen.fence + 1;
  const attempts = seen.attempts + (seen.state === 'leased' ? 1 : 0);
  const span: Span = { run: run.id, no: seen.no, kind: seen.kind, round: seen.round, fence, attempts };
  const take = async (trx: Dialect['db']): Promise<void> => {
    // Who makes a span writes the run row first: the ending then either sees the new span or refuses it.
    const no = pivot === null ? null : await nextSpanNo(trx, run.id);
    const taken = await trx
      .updateTable('span')
      .set({
        state: 'leased',
        owner: node.name,
        boot: node.boot,
        fence,
        attempts,
        lease_until: dialect.nowPlus(leaseMs),
        ...(pivot === null ? {} : { high_key: pivot }),
      })
      .where('run', '=', run.id)
      .where('no', '=', seen.no)
      .where('fence', '=', seen.fence)
      .where('cursor_key', '=', seen.cursor_key)
      // Its owner may have put its rest back meanwhile; the pivot and our own rest are cut from the end we saw.
      .where('high_key', '=', seen.high_key)
      .where(canBeTaken(dialect, leaseMs))
      .executeTakeFirstOrThrow();
    mustBeOne(taken, 'the span was taken by another');
    if (pivot !== null && no !== null) {
      await trx
        .insertInto('span')
        .values({
          run: run.id,
          no,
          round: seen.round,
          kind: seen.kind,
          low_key: pivot,
          cursor_key: pivot,
          high_key: seen.high_key,
          state: 'open',
          due_at: dialect.now(),
        })
        .execute();
    }
    await dialect.insertUnlessThere(trx, 'tally', { run: run.id, span: seen.no, node: node.name });
  };
  try {
    await control(dialect, 'take a span', take, 'replayable');
    takes.give(span);
    return span;
  } catch (error) {
    if (!(error instanceof StoreError && error.kind === 'unreachable')) throw error;
    // Its COMMIT may have happened all the same: the row says so.
    takes.doubt(span);
    return takes.settleOne(dialect, run.id, node);
  }
}

/** Writes the run row as running and gives the next span number. 0 rows: the run has ended. */
export async function nextSpanNo(trx: Dialect['db'], runId: string): Promise<number> {
  const raised = await trx
    .updateTable('run')
    .set((eb) => ({ spans: eb('spans', '+', 1), version: eb('version', '+', 1) }))
    .where('id', '=', runId)
    .where('state', '=', 'running')
    .executeTakeFirstOrThrow();
  mustBeOne(raised, 'the run has ended');
  const { spans } = await trx
    .selectFrom('run')
    .select('spans')
    .where('id', '=', runId)
    .executeTakeFirstOrThrow();
  return spans;
}

async function nothingToTake(dialect: Dialect, runId: string): Promise<TakeAnswer> {
  return reading(dialect, 'see what is left', async (db) => {
    const run = await db.selectFrom('run').select('state').where('id', '=', runId).executeTakeFirst();
    if (run?.state !== 'running') return { kind: 'gone' };
    const open = await db
      .selectFrom('span')
      .select(['kind', 'state', 'due_at'])
      .where('run', '=', runId)
      .where('state', 'in', ['open', 'leased'])
      .execute();
    if (open.length === 0) return { kind: 'nothing_left' };
    const walks = open.filter((span) => span.kind !== 'look');
    const onlyParked =
      walks.length > 0 && walks.every((span) => span.kind === 'parked' && span.state === 'open');
    const { at } = await db.selectNoFrom(dialect.now().as('at')).executeTakeFirstOrThrow();
    const due = Math.min(
      ...walks.filter((span) => span.state === 'open').map((span) => span.due_at.getTime()),
    );
    const untilDue = Number.isFinite(due) ? due - new Date(at).getTime() : pollMs;
    return { kind: 'wait', ms: Math.min(pollMs, Math.max(5, untilDue)), onlyParked };
  });
}

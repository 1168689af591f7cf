import type { BatchAnswer, BatchRequest, Sweep } from '../../core/ports.js';
import type { Deleted } from '../sweep/deleted.js';
import { PlanChanged } from '../sweep/plan-changed.js';
import { nextRange } from './batch-range.js';
import { deletePlain } from './delete-plain.js';
import { deleteSkippingLocked } from './delete-skipping-locked.js';
import { isInterrupted, isLockInTheWay, translate } from './errors.js';
import { type Sessions, withSession } from './pool.js';
import { textOf } from './range.js';
import type { Session } from './session.js';
import type { BatchWatch, Waiters } from './signals/waiters.js';
import { enterSpan, parkSpan, writeSpan } from './span-row.js';

/*
 * The one transaction that touches messages (T6):
 *
 *   BEGIN  ─ span row FOR UPDATE, run row read ─ range ─ DELETE … dependents … ─ span, tally ─ COMMIT
 *            fence and state are ours?                    └── message rows are locked ──┘
 *
 * The range starts at the cursor that was read under the span's lock, never at a remembered one: after a lost COMMIT
 * this read waits for the lost transaction and shows its outcome (a plain read was wrong 19 times of 100). Rows,
 * tally, cursor and lease renewal are one transaction, so a count that is seen is a count that happened.
 *
 * READ COMMITTED is the session's. Each statement has its round trip: see `writeSpan`.
 */
export function sweepOf(sessions: Sessions, waiters: Waiters): Sweep {
  return {
    batch: (request) =>
      withSession(sessions.sweep, async (session) => {
        const watch = waiters.watch(session, request.yields);
        try {
          return await attempt(session, request, watch);
        } catch (error) {
          await watch.over();
          // 1205 undoes its statement only: after any error the next statement is ROLLBACK. A session that cannot do
          // it must not be used again.
          await session.write('ROLLBACK').catch(() => {
            session.isBroken = true;
          });
          if (error instanceof PlanChanged) return { kind: 'plan_changed', words: error.message };
          const known = translate(error, 'delete a range of messages');
          if (isInterrupted(known) && watch.waited !== null) {
            return { kind: 'waited_for', sessions: watch.waited };
          }
          if (isLockInTheWay(known) && !request.skipLocked) return { kind: 'locked' };
          throw known;
        } finally {
          await watch.over();
        }
      }),
  };
}

const nothingDeleted: Deleted = { deleted: 0, dependents: {}, skipped: 0 };

async function attempt(session: Session, request: BatchRequest, watch: BatchWatch): Promise<BatchAnswer> {
  const { skipLocked, tell } = request;
  const seen = await enterSpan(session, request);
  if (seen === null) return rollback(session, { kind: 'lost' });
  watch.holdsRows(seen.connection);
  if (seen.paused) return rollback(session, { kind: 'paused' });
  const range = await nextRange(session, request, seen.cursor, seen.high);
  let result = nothingDeleted;
  const lockedFrom = performance.now();
  const askedBefore = session.roundTrips;
  if (!range.isEmpty) {
    tell?.('deleting');
    const work = { ...request, isHeld: seen.isHeld };
    result = skipLocked
      ? await deleteSkippingLocked(session, work, range)
      : await deletePlain(session, work, range);
    tell?.('deleted');
  }
  // The way to a distant server is no work: counted as such it would make its batches small, and the way longer still.
  const onTheWayMs = (session.roundTrips - askedBefore) * seen.roundTripMs;
  const workMs = range.isEmpty ? 0 : Math.max(0, performance.now() - lockedFrom - onTheWayMs);
  const isDone = textOf(range.to) === seen.high;
  const stays =
    result.skipped > 0 && request.span.kind === 'parked' && isDone && textOf(range.from) === seen.low;
  if (result.skipped > 0 && !stays) await parkSpan(session, request, range, seen.parkedNo, result.skipped);
  const isOurs = await writeSpan(session, request, {
    cursor: stays ? seen.cursor : textOf(range.to),
    result,
    skipped: stays ? result.skipped : 0,
    state: stays ? 'open' : isDone ? 'done' : 'leased',
    busyMs: range.isEmpty ? 0 : performance.now() - lockedFrom,
    before: seen.dependents,
    isHeld: seen.isHeld,
  });
  if (!isOurs) return rollback(session, { kind: 'lost' });
  tell?.('committing');
  // Whoever waits has the rows sooner by the COMMIT than by the end of it.
  await watch.over();
  await session.write('COMMIT');
  const lockedMs = range.isEmpty ? 0 : performance.now() - lockedFrom;
  tell?.('committed');
  return {
    kind: 'swept',
    deleted: result.deleted,
    dependents: result.dependents,
    skipped: result.skipped,
    walked: range.walked,
    spanDone: isDone,
    before: { deleted: seen.deleted, batches: seen.batches },
    lockedMs,
    workMs,
    maxRate: seen.maxRate,
  };
}

async function rollback(session: Session, answer: BatchAnswer): Promise<BatchAnswer> {
  await session.write('ROLLBACK');
  return answer;
}

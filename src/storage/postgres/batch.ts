import type { PoolClient } from 'pg';
import type { BatchAnswer, BatchRequest, Sweep } from '../../core/ports.js';
import { nextRange } from './batch-range.js';
import { deletePlain } from './delete-plain.js';
import type { Deleted } from '../sweep/deleted.js';
import { deleteSkippingLocked } from './delete-skipping-locked.js';
import { PlanChanged } from '../sweep/plan-changed.js';
import { kindOf, translate } from './errors.js';
import { LockBudget } from './lock-budget.js';
import { type LogWaker, logWaker } from './log-waker.js';
import { textOf } from './range.js';
import { type Sessions, withSession } from './session.js';
import { enterSpan, leaveSpan, parkSpan, type Seen } from './span-row.js';
import { lookForWaiters } from './waiters.js';

/*
 * The one transaction that touches messages (T6):
 *
 *   BEGIN  ─ span row FOR UPDATE, run row read ─ range ─ DELETE … dependents … ─ span, tally ─ COMMIT
 *            fence and state are ours?                    └── message rows are locked ──┘
 *
 * The range starts at the cursor that was read under the span's lock, never at a remembered one: after a lost COMMIT
 * this read waits for the lost transaction and shows its outcome (a plain read was wrong 98 times of 100). Rows,
 * tally, cursor and lease renewal are one transaction, so a count that is seen is a count that happened.
 *
 * Statements are sent unnamed, so that each is planned for its own range: a generic plan falls to a sequential scan.
 * plan_cache_mode stays as it is: forced custom plans make the server's foreign-key triggers plan their query for
 * every row (34 k instead of 86 k rows/s).
 *
 * Three round trips where no dependents are: entering, deleting, leaving. What was a statement for each of the
 * settings, the tally and the COMMIT cost a fifth of a run on a machine where system calls are dear.
 */
export function sweepOf(sessions: Sessions, deadlockTimeoutMs: () => number): Sweep {
  const waker = logWaker(sessions);
  return {
    batch: (request) =>
      withSession(sessions, sessions.sweep, async (client) => {
        const budget = new LockBudget(client, sessions.hasTimeLimits, deadlockTimeoutMs());
        try {
          return await attempt(client, budget, sessions, waker, request);
        } catch (error) {
          // After any error the next statement is ROLLBACK; a connection that cannot do it is destroyed by its owner.
          await client.query('ROLLBACK').catch(() => undefined);
          if (error instanceof PlanChanged) return { kind: 'plan_changed', words: error.message };
          const known = translate(error, 'delete a range of messages');
          const isLock = known.kind === 'conflict' && known.nativeCode === '55P03';
          if (isLock && !request.skipLocked) return { kind: 'locked' };
          throw known;
        }
      }),
  };
}

async function attempt(
  client: PoolClient,
  budget: LockBudget,
  sessions: Sessions,
  waker: LogWaker,
  request: BatchRequest,
): Promise<BatchAnswer> {
  const { skipLocked, tell } = request;
  const begunAt = performance.now();
  const seen = await enterSpan(client, budget, sessions, request);
  const roundTripMs = performance.now() - begunAt;
  if (seen === null) return rollback(client, { kind: 'lost' });
  if (seen.paused) return rollback(client, { kind: 'paused' });
  const range = await nextRange(client, request, seen.cursor, seen.high);
  let result: Deleted = nothingDeleted;
  let workMs = 0;
  if (!range.isEmpty) {
    tell?.('deleting');
    budget.start();
    const remove = skipLocked ? deleteSkippingLocked : deletePlain;
    const removing = (): Promise<Deleted> => remove(client, budget, request, range, seen.held);
    const removed = await unlessWaitedFor(sessions, seen, request, () =>
      request.alone === true ? waker.during(removing) : removing(),
    );
    if ('kind' in removed) return rollback(client, removed);
    result = removed;
    workMs = Math.max(0, budget.heldMs() - budget.roundTrips * roundTripMs);
    tell?.('deleted');
  }
  const isDone = textOf(range.to) === seen.high;
  const stays =
    result.skipped > 0 && request.span.kind === 'parked' && isDone && textOf(range.from) === seen.low;
  if (result.skipped > 0 && !stays) await parkSpan(client, request, range, seen.parkedNo, result);
  tell?.('committing');
  const left = await leaveSpan(client, budget, request, {
    cursor: stays ? seen.cursor : textOf(range.to),
    result,
    skipped: stays ? result.skipped : 0,
    state: stays ? 'open' : isDone ? 'done' : 'leased',
    before: seen.dependents,
  });
  if (left === 'lost') return rollback(client, { kind: 'lost' });
  const lockedMs = budget.heldMs();
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
    nappedMs: Math.min(workMs, result.nappedMs ?? 0),
    maxRate: seen.maxRate,
  };
}

/**
 * The deletion, given up when others wait for it. Until it is settled whether they do, no other statement is sent: a
 * COMMIT that is cancelled would have an outcome that nobody knows.
 */
async function unlessWaitedFor(
  sessions: Sessions,
  { holder }: Seen,
  { yields }: BatchRequest,
  remove: () => Promise<Deleted>,
): Promise<Deleted | Extract<BatchAnswer, { readonly kind: 'waited_for' }>> {
  if (!yields || !sessions.hasTimeLimits) return remove();
  const look = lookForWaiters(sessions, holder);
  let removed: Deleted;
  try {
    removed = await remove();
  } catch (error) {
    const waiting = await look.end();
    // 57014, or what is left of the time limit: the same statement, cancelled a moment earlier or later.
    if (waiting > 0 && kindOf(error).kind === 'slow') return { kind: 'waited_for', sessions: waiting };
    throw error;
  }
  const waiting = await look.end();
  return waiting > 0 ? { kind: 'waited_for', sessions: waiting } : removed;
}

const nothingDeleted: Deleted = { deleted: 0, dependents: {}, skipped: 0 };

async function rollback(client: PoolClient, answer: BatchAnswer): Promise<BatchAnswer> {
  await client.query('ROLLBACK');
  return answer;
}

import { StoreError } from '../core/errors.js';
import { restMs } from '../core/pace.js';
import type { BatchAnswer } from '../core/ports.js';
import type { Plan, Run, Span } from '../core/run.js';
import { jittered } from '../kit/backoff.js';
import { sleep } from '../kit/sleep.js';
import type { CoreappDeps } from './deps.js';
import { failRun, failureWords } from './finish-run.js';
import { whyHeldBack } from './held-back.js';
import { replanRun } from './plan-run.js';
import type { RunInHand } from './run-in-hand.js';

export type SpanWork = {
  readonly deps: CoreappDeps;
  readonly run: Run;
  readonly plan: Plan;
  readonly span: Span;
  readonly hand: RunInHand;
  readonly worker: number;
  readonly leaseMs: number;
  /** A span held longer than this gives its rest away; Infinity where nobody else wants it. */
  readonly chunkMs: number;
  /** How many more messages may go (`--max-rows`); Infinity without a limit. */
  readonly rowsLeft: () => number;
  readonly signal: AbortSignal;
};

/** After so many failures in a row the span is given back; another node may have more luck, or it waits. */
const mostFailures = 6;

/** [ pace → batch → progress ]* until the span is done, lost, given back, or the process stops. */
export async function sweepSpan(work: SpanWork): Promise<void> {
  const { deps, run, plan, span, hand, worker, leaseMs, signal } = work;
  const { ledger, sweep } = deps.store;
  const size = hand.sizeOf(worker, plan.walk);
  const began = deps.clock.monotonicMs();
  const known = { batches: -1, deleted: 0 };
  let skipGap = false;
  let skipLocked = false;
  let failures = 0;
  for (;;) {
    // Over: whoever waits here for tokens must not keep the next run waiting.
    if (signal.aborted || hand.isOver || work.rowsLeft() <= 0) return ledger.release(span, 0, false);
    const wanted = Math.min(size.current, unitsWithin(work));
    // Given back, so that a lease is not held by somebody who does nothing.
    if ((await standStill(work)) === 'held back') return ledger.release(span, 0, false);
    if (!(await mayBegin(work, wanted))) continue;
    const startedAt = deps.clock.monotonicMs();
    const tokens = wanted;
    const { naps } = hand;
    let answer: BatchAnswer;
    try {
      answer = await sweep.batch({
        run,
        policy: run.policy ?? deps.policy,
        plan,
        span,
        node: deps.node,
        size: wanted,
        skipGap,
        skipLocked,
        yields: !size.floor && deps.choices.waiters?.off !== true,
        leaseMs,
        alone: hand.pace.duty >= 1,
        ...(naps === undefined ? {} : { naps }),
        tell: (step) => deps.log.trace({ run: run.id, span: span.no, step }, 'batch'),
      });
    } catch (error) {
      if (!(error instanceof StoreError)) throw error;
      hand.rate.settle(tokens, 0);
      failures += 1;
      const isGivenUp = await afterFailure(work, error, failures);
      if (isGivenUp) return;
      size.failed();
      // A batch that usually takes a tenth of its limit and meets it waits for locks that are released one by one.
      if (error.kind === 'slow') skipLocked = true;
      // The server worked for it as for any other: without a rest a slow one would work all the time. The reason stays. One
      // that cannot be reached did not work.
      if (error.kind !== 'unreachable')
        await sleep(restMs(deps.clock.monotonicMs() - startedAt, hand.allowedDuty), signal);
      continue;
    }
    const ms = deps.clock.monotonicMs() - startedAt;
    // Before anything changes the size. Units walked are no messages: a block holds many, a stretch of keys may hold none.
    hand.rate.settle(tokens, answer.kind === 'swept' ? answer.deleted : 0);
    switch (answer.kind) {
      case 'swept':
        break;
      case 'locked':
        deps.watch.gaveUp('locked');
        skipLocked = true;
        continue;
      case 'waited_for':
        deps.watch.gaveUp('waited_for');
        hand.because('waited_for', 'waiters', answer.sessions, 1);
        size.failed();
        // Whoever waited takes what it waited for before we come again.
        await sleep(jittered(20), signal);
        continue;
      case 'paused':
        deps.watch.gaveUp('paused');
        hand.because('paused');
        return ledger.release(span, 0, false);
      case 'lost':
        deps.watch.gaveUp('lost');
        return;
      case 'plan_changed':
        deps.watch.gaveUp('plan_changed');
        // A plan that never holds (a trigger that keeps a message) must end the run like any other failure.
        hand.budget.failed('other');
        if (hand.budget.words !== null) {
          await failRun(deps, run, `${hand.budget.words}; the last: ${answer.words}`);
          return;
        }
        await ledger.release(span, 0, false);
        return replanRun(deps, run, answer.words);
    }
    confirm(work, known, answer);
    failures = 0;
    hand.budget.succeeded();
    hand.limitRate(answer.maxRate);
    // A far or busy server makes every batch slow; smaller ones would only be more of them, down to one row each.
    const { nappedMs = 0 } = answer;
    const workMs = answer.workMs - nappedMs;
    // Work that naps have cut into pieces may be longer together: fewer batches, of which each costs its way and its ledger.
    size.succeeded(answer.walked, nappedMs > 0 ? workMs * nappedWeight : workMs, ms - answer.workMs);
    deps.watch.swept({ ms, lockedMs: answer.lockedMs });
    deps.log.debug(
      {
        run: run.id,
        span: span.no,
        deleted: answer.deleted,
        skipped: answer.skipped,
        ms: Math.round(ms),
        size: size.current,
      },
      'batch',
    );
    // On a slow server a span is one or two batches: the last one is rested for as well.
    if (answer.spanDone) {
      await rest(work, ms, nappedMs);
      hand.walked(answer.walked, deps.clock.monotonicMs() - startedAt);
      return;
    }
    skipGap = answer.deleted === 0;
    skipLocked = false;
    if (deps.clock.monotonicMs() - began > work.chunkMs && span.kind === 'walk') {
      await ledger.putBack(run, span, { units: size.current * 4, share: 0.5, least: size.current });
    }
    await rest(work, ms, nappedMs);
    hand.walked(answer.walked, deps.clock.monotonicMs() - startedAt);
  }
}

/** How much the work of a batch with naps counts against its target time: 13 ms of it, and as much of naps, at `gentle`. */
const nappedWeight = 0.3;

/** A block of 8 KB holds no more rows of 40 bytes than this; real messages are larger. */
const mostRowsInBlock = 200;

/**
 * Units that this worker may walk now without `--max-rows` being passed by all workers together, and without one batch
 * being more than a second's worth of the rate: over stretches that are empty a batch grows to many times that.
 */
function unitsWithin({ hand, plan, rowsLeft }: SpanWork): number {
  const rows = Math.min(rowsLeft() / hand.pace.workers, hand.rate.limit ?? Number.POSITIVE_INFINITY);
  return Math.max(1, Math.floor(plan.walk === 'blocks' ? rows / mostRowsInBlock : rows));
}

/** A signal that recovers within this finds the span still in hand. Well within a lease. */
const longestStandMs = 2_000;

/** As long as a signal or a gate asks for it; `held back`: it still does. */
async function standStill({ deps, hand, signal }: SpanWork): Promise<'go on' | 'held back'> {
  const until = deps.clock.monotonicMs() + longestStandMs;
  for (;;) {
    const closed = whyHeldBack(deps, hand);
    if (closed === null || signal.aborted) return 'go on';
    hand.heldBack(closed);
    if (deps.clock.monotonicMs() >= until) return 'held back';
    await sleep(jittered(200), signal);
  }
}

/** Tokens are taken before BEGIN: a wait inside a transaction would hold its locks. */
async function mayBegin({ hand, signal }: SpanWork, size: number): Promise<boolean> {
  const waitMs = hand.rate.waitMs(size);
  if (waitMs <= 0) return true;
  const { limit } = hand.rate;
  hand.because(
    'rate_limited',
    'max_rows_per_second',
    Math.round(hand.progress.rowsPerSecond),
    limit === null ? null : Number(limit.toPrecision(4)),
  );
  await sleep(Math.min(waitMs, 1_000), signal);
  return false;
}

/**
 * Counts what the span row says, not what this process believes: when the COMMIT of the batch before was lost on the
 * wire but happened, its rows are found here, in the row that the same transaction wrote.
 */
function confirm(
  { deps, hand }: SpanWork,
  known: { batches: number; deleted: number },
  answer: Extract<BatchAnswer, { kind: 'swept' }>,
): void {
  if (known.batches >= 0 && answer.before.batches > known.batches) {
    const late = answer.before.deleted - known.deleted;
    deps.watch.deleted(late, {});
    hand.removed(late);
  }
  known.batches = answer.before.batches + 1;
  known.deleted = answer.before.deleted + answer.deleted;
  deps.watch.deleted(answer.deleted, answer.dependents);
  hand.removed(answer.deleted);
}

/** After a batch, less what it has napped already: as long as the duty asks for, and told with the worst signal's reason where one is to blame. */
async function rest({ hand, signal }: SpanWork, batchMs: number, nappedMs: number): Promise<void> {
  const { because } = hand.pressure.now;
  const duty = hand.allowedDuty;
  // A stand-still is no rest: it is looked after before the next batch, and the end of a span need not wait for it.
  const ms = duty > 0 ? Math.max(0, restMs(batchMs - nappedMs, duty) - nappedMs) : 0;
  if (because !== null) {
    const { code, signal: name, value, limit } = because;
    hand.because(code, name, value, limit);
  } else if (ms > 0) hand.because('resting', 'duty', duty, null);
  else hand.because('working');
  if (ms > 0) await sleep(ms, signal);
}

/** Rolled back, or the connection is gone. True: the span is not in hand any more. */
async function afterFailure(work: SpanWork, error: StoreError, failures: number): Promise<boolean> {
  const { deps, run, span, hand, signal } = work;
  hand.budget.failed(error.kind);
  deps.log.warn(
    { run: run.id, span: span.no, kind: error.kind, code: error.nativeCode, failures },
    `a batch was rolled back: ${error.message}`,
  );
  switch (error.kind) {
    case 'unreachable':
      // The lease may still be ours when the database is back: the next batch asks the span row.
      deps.watch.gaveUp('unreachable');
      hand.because('database_unreachable', error.nativeCode);
      await sleep(jittered(Math.min(5_000, 100 * 2 ** Math.min(failures, 6))), signal);
      return signal.aborted;
    case 'denied':
    case 'missing':
    case 'full':
    case 'credentials':
    case 'untrusted':
    case 'unfit':
      deps.watch.gaveUp('failed');
      hand.because('retrying', error.kind, failures);
      await failRun(deps, run, failureWords(error));
      return true;
    case 'conflict':
    case 'slow':
    case 'reference':
    case 'duplicate':
    case 'other':
      deps.watch.gaveUp(error.kind === 'slow' ? 'slow' : error.kind === 'conflict' ? 'conflict' : 'failed');
      if (hand.budget.words !== null) {
        await failRun(deps, run, `${hand.budget.words}; the last: ${error.message}`);
        return true;
      }
      hand.because('retrying', error.kind, failures);
      await sleep(jittered(Math.min(1_000, 10 * 2 ** failures)), signal);
      if (failures < mostFailures) return false;
      await deps.store.ledger.release(span, Math.min(60_000, (span.attempts + 1) ** 2 * 5_000), true);
      return true;
  }
}

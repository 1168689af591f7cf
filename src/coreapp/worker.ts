import { StoreError } from '../core/errors.js';
import { chunkOf } from '../core/chunk.js';
import type { Run } from '../core/run.js';
import { jittered } from '../kit/backoff.js';
import { sleep } from '../kit/sleep.js';
import type { CoreappDeps } from './deps.js';
import { completeRun, failRun } from './finish-run.js';
import { whyHeldBack } from './held-back.js';
import { look } from './look.js';
import { planRun, standingOf } from './plan-run.js';
import type { RunInHand } from './run-in-hand.js';
import { sweepSpan } from './sweep-span.js';
import { afterTrouble } from './trouble.js';

/** How long a run waits when nothing but rows that other sessions keep locked is left, without one of them going. */
const lockPatienceMs = 600_000;

/** What a worker shares with the service that owns it. */
export type Workplace = {
  readonly deps: CoreappDeps;
  readonly signal: AbortSignal;
  readonly leaseMs: () => number;
  /** Workers of all live nodes, supposing that the others have as many as this one. */
  readonly workersTogether: (hand: RunInHand) => number;
  /** The run in hand, made at its first sight. */
  readonly handOf: (run: Run) => RunInHand;
  /** Before the first batch: the database's health is watched from here on. */
  readonly beginWatch: (hand: RunInHand) => Promise<void>;
  /** Only one worker of a node plans; the others wait for it. */
  readonly planning: { current: Promise<void> | null };
  readonly watching: { current: Promise<void> | null };
  readonly rowsLeft: () => number;
};

/** One step of a worker: `idle` when no run is active. Errors of the database are handled by what they mean. */
export async function workOnce(place: Workplace, worker: number): Promise<'idle' | 'worked'> {
  const { deps } = place;
  const run = await deps.store.ledger.active();
  if (run === null) return 'idle';
  const hand = place.handOf(run);
  hand.obey(run);
  // More workers than the profile has: they wait for another one.
  if (worker > 0 && worker >= hand.pace.workers) return 'idle';
  try {
    await workOn(place, run, hand, worker);
  } catch (error) {
    if (!(error instanceof StoreError)) throw error;
    await afterTrouble({ deps, run, hand, signal: place.signal }, error);
  }
  return 'worked';
}

async function workOn(place: Workplace, run: Run, hand: RunInHand, worker: number): Promise<void> {
  const { deps, signal } = place;
  if ((await standingOf(deps, run, place.leaseMs())) !== 'ours') {
    hand.because('other_policy');
    await sleep(1_000, signal);
    return;
  }
  if (run.state === 'requested') {
    place.planning.current ??= planRun(deps, run).finally(() => {
      place.planning.current = null;
    });
    return place.planning.current;
  }
  if (run.paused || place.rowsLeft() <= 0) {
    hand.heldBack({ code: 'paused', signal: null, value: null, limit: null });
    await sleep(500, signal);
    return;
  }
  const plan = run.plan;
  if (plan === null) return;
  await watchBegun(place, hand);
  const closed = whyHeldBack(deps, hand);
  if (closed !== null) {
    hand.heldBack(closed);
    await sleep(500, signal);
    return;
  }
  const size = hand.sizeOf(worker, plan.walk);
  const workers = place.workersTogether(hand);
  const ageMs = deps.clock.now().getTime() - run.madeAt.getTime();
  const chunk = chunkOf({
    batchUnits: size.current,
    unitsPerSecond: hand.unitsPerSecond,
    runAgeMs: ageMs,
    // Half of an equal part: the last chunks shrink, and the workers finish together.
    workers: workers === 1 ? 1 : workers * 2,
  });
  const taken = await deps.store.ledger.take(run, deps.node, chunk, place.leaseMs());
  switch (taken.kind) {
    case 'gone':
      return;
    case 'wait':
      if (taken.onlyParked) await waitForLockers(place, run, hand);
      // Others have all of it in hand; what held this node back until now does so no longer.
      else if (hand.isHeldBack) hand.because('working');
      await sleep(jittered(taken.ms), signal);
      return;
    case 'nothing_left':
      await completeRun(deps, run);
      return;
    case 'span':
      if (taken.span.kind === 'look')
        return look({ deps, run, hand, span: taken.span, leaseMs: place.leaseMs(), signal });
      hand.because('working');
      return sweepSpan({
        deps,
        run,
        plan,
        span: taken.span,
        hand,
        worker,
        leaseMs: place.leaseMs(),
        chunkMs: workers === 1 ? Number.POSITIVE_INFINITY : 2 * Math.max(1_000, 0.02 * ageMs),
        rowsLeft: place.rowsLeft,
        signal,
      });
  }
}

/**
 * The signals are there before the first batch. At full speed nothing steers by a figure from before it, so the run
 * does not wait for them; should they not be found, the next look at the run tries again.
 */
async function watchBegun(place: Workplace, hand: RunInHand): Promise<void> {
  place.watching.current ??= place.beginWatch(hand).finally(() => {
    place.watching.current = null;
  });
  // Who shares a rate limit is learnt there, too.
  if (hand.pace.duty < 1 || hand.rate.limit !== null) return place.watching.current;
  place.watching.current.catch(() => undefined);
}

/** Only parked spans are left: say who holds the rows, and give up when none of them has gone for long. */
async function waitForLockers({ deps }: Workplace, run: Run, hand: RunInHand): Promise<void> {
  const { ledger } = deps.store;
  const holders = await ledger.lockHolders(run, run.policy ?? deps.policy);
  hand.because('rows_locked', 'session', holders, null);
  const atMs = deps.clock.monotonicMs();
  hand.lockedOut ??= { atMs, deleted: (await ledger.run(run.id))?.messagesDeleted ?? 0 };
  if (atMs - hand.lockedOut.atMs < lockPatienceMs) return;
  const view = await ledger.run(run.id);
  // Another node had more luck.
  if ((view?.messagesDeleted ?? 0) > hand.lockedOut.deleted) {
    hand.lockedOut = null;
    return;
  }
  await failRun(
    deps,
    run,
    `${view?.parked ?? 'Some'} messages are locked by other sessions (${holders ?? 'which could not be told'})`,
  );
}

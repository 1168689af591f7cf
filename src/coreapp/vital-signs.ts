import { wordsOf } from '../core/errors.js';
import type { NodeIdentity, Store } from '../core/ports.js';
import type { SignalChoices, SignalName, SignalWatch } from '../core/signals.js';
import type { Policy } from '../core/policy.js';
import type { Log } from '../kit/log.js';
import { sleep } from '../kit/sleep.js';
import type { Watch } from './deps.js';
import { ReasonLog } from './reason-log.js';
import type { Steering } from '../core/run-view.js';
import type { RunInHand } from './run-in-hand.js';

/** Once a second: fast enough to hold a run back within two, and a handful of small reads. */
const everyMs = 1_000;
/** Within that second, so that the looks of one second are over before those of the next. */
const spreadMs = 800;
const patienceMs = 50;
/** However long the looks take, the server is not asked without a stop. */
const leastGapMs = 50;

export type VitalSignsDeps = {
  readonly store: Pick<Store, 'ledger' | 'signals'>;
  readonly node: NodeIdentity;
  readonly policy: Policy;
  readonly choices: SignalChoices;
  readonly log: Log;
  readonly watch: Pick<Watch, 'paced'>;
  /** How many nodes live. `forSure`: also where this one is meant to be the only one. */
  readonly countNodes: (forSure: boolean) => Promise<number>;
  /** The pace is another one: workers that were not needed may be. */
  readonly onPaceChanged: () => void;
};

/**
 * Beside the workers, while a run is in hand: samples the database's health into the run's pressure, reads what
 * operators have set, and tells how far the run is. Its own trouble is the pressure's business: a signal that stays
 * silent holds the run back.
 */
export class VitalSigns {
  readonly #deps: VitalSignsDeps;
  readonly #skipped: ReadonlySet<SignalName>;
  readonly #reasons: ReasonLog;
  #steering: { readonly run: string; readonly words: string } | null = null;
  /** How often a watch was ended, so that one which begins meanwhile knows that it comes too late. */
  #ends = 0;
  #watch: { readonly hand: RunInHand; readonly signals: SignalWatch } | null = null;

  constructor(deps: VitalSignsDeps) {
    this.#deps = deps;
    this.#reasons = new ReasonLog(deps.log);
    this.#skipped = new Set(
      Object.entries(deps.choices)
        .filter(([, choice]) => choice.off === true)
        .map(([signal]) => signal as SignalName),
    );
  }

  /** Before the first batch of a run in this process: probes, takes the canary's own figure, and looks for once. */
  async begin(hand: RunInHand): Promise<void> {
    if (this.#watch?.hand === hand) return;
    await this.end();
    const { store, policy, log } = this.#deps;
    // Before the first batch: a node that takes itself for the only one begins with the whole second's worth.
    await this.#shareRate(hand);
    const begunAt = this.#ends;
    const signals = await store.signals.watch(policy, this.#skipped);
    // At full speed nobody waits for this: the run, or the process, may be over by now, and nobody would close it.
    if (begunAt !== this.#ends) return signals.close();
    this.#watch = { hand, signals };
    hand.pressure.begin(signals.probes);
    // The first batch is held back as every other: a short run would be over before the first second is.
    await this.#sample(hand, 0);
    const absent = signals.probes.filter((probe) => probe.state === 'absent');
    log.info(
      {
        run: hand.id,
        watched: signals.probes.filter(({ state }) => state === 'used').map(({ signal }) => signal),
      },
      `the database's health is watched; ${absent.length} signals cannot be`,
    );
    for (const { signal, why } of absent) log.debug({ run: hand.id, signal }, `not watched: ${why}`);
  }

  /** Until the process stops. `inHand` is asked each time: runs come and go. */
  async keepWatch(
    inHand: () => RunInHand | null,
    dropped: (hand: RunInHand) => void,
    signal: AbortSignal,
  ): Promise<void> {
    const { store, node } = this.#deps;
    // Closes the watch, which ends a sample that is on.
    const ending = new Promise<void>((resolve) => {
      const end = (): void => void this.end().finally(resolve);
      if (signal.aborted) end();
      else signal.addEventListener('abort', end, { once: true });
    });
    let begunAt = performance.now();
    while (!signal.aborted) {
      await sleep(Math.max(leastGapMs, begunAt + everyMs - performance.now()), signal);
      begunAt = performance.now();
      const hand = inHand();
      if (signal.aborted) continue;
      if (hand === null) {
        await this.end();
        continue;
      }
      this.#tell(hand);
      // Not beside the signals: two sessions at work are both cores of a small machine. A ledger that hangs does not blind it.
      const looking = this.#look(hand, dropped);
      await Promise.race([looking, sleep(patienceMs, signal)]);
      const [goesOn] = await Promise.all([looking, this.#sample(hand, spreadMs)]);
      if (goesOn) await store.ledger.tell(node, hand.id, hand.told).catch(() => undefined);
    }
    await ending;
  }

  async end(): Promise<void> {
    this.#ends += 1;
    this.#deps.watch.paced(null);
    const watch = this.#watch;
    this.#watch = null;
    await watch?.signals.close();
  }

  async #sample(hand: RunInHand, overMs: number): Promise<void> {
    if (this.#watch?.hand !== hand) return;
    try {
      await this.#watch.signals.sample(overMs, (reading) => hand.pressure.absorb([reading]));
    } catch (error) {
      this.#deps.log.warn({ run: hand.id }, `the signals could not be read: ${wordsOf(error)}`);
    }
  }

  /** What it knows by itself, so that it is told also while the database is away. */
  #tell(hand: RunInHand): void {
    const { reason, signals } = hand.told;
    this.#reasons.look(hand.id, reason);
    this.#deps.watch.paced({ reason, signals, duty: hand.duty });
  }

  /** What operators have set, who shares the rate, and how far the run is. True: it goes on. Nothing waits for it. */
  async #look(hand: RunInHand, dropped: (hand: RunInHand) => void): Promise<boolean> {
    const { store, onPaceChanged } = this.#deps;
    const view = await store.ledger.run(hand.id).catch(() => null);
    if (view === null) return false;
    if (view.endedAt !== null) {
      dropped(hand);
      await this.end();
      return false;
    }
    hand.progress.reached(view.share);
    this.#tellSteering(hand, view.steering);
    if (hand.obey(view.steering)) onPaceChanged();
    await this.#shareRate(hand);
    return true;
  }

  /** Whoever steers in a shell has no log of a service: what changed stands in those of the nodes. */
  #tellSteering({ id: run }: RunInHand, steering: Steering): void {
    const words = JSON.stringify(steering);
    const before = this.#steering;
    if (before?.run === run && before.words === words) return;
    this.#steering = { run, words };
    const { pausedBy, maxRate, profile } = steering;
    // A run begins without any; one that was found with some may have been steered while this node was down.
    if (before?.run !== run && pausedBy === null && maxRate === null && profile === null) return;
    const facts = { run, paused_by: pausedBy, max_rows_per_second: maxRate, profile };
    this.#deps.log.info(facts, 'operators steer the run');
  }

  async #shareRate(hand: RunInHand): Promise<void> {
    const nodes = await this.#deps.countNodes(hand.rate.limit !== null).catch(() => null);
    if (nodes !== null) hand.shareRate(nodes);
  }
}

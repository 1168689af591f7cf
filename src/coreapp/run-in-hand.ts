import { batchLimits, createBatchSize, type BatchSize } from '../core/batch-size.js';
import { createErrorBudget, type ErrorBudget } from '../core/error-budget.js';
import type { Closed } from '../core/gate.js';
import { dutyOn, type Pace, paceUnder } from '../core/pace.js';
import { napsFor } from '../core/naps.js';
import type { EngineFacts, Naps } from '../core/ports.js';
import { createPressure, type Pressure } from '../core/pressure.js';
import { createProgress, type Progress } from '../core/progress.js';
import { createRateLimit, type RateLimit } from '../core/rate-limit.js';
import type { Run, Walk } from '../core/run.js';
import { type Reason, reasonKind } from '../core/reason.js';
import type { LiveProgress, NodeLive } from '../core/run-view.js';
import type { SignalChoices } from '../core/signals.js';
import type { Clock } from '../kit/clock.js';

export type HandDeps = {
  readonly clock: Clock;
  /** This node's own; an operator may set another for the run. */
  readonly pace: Pace;
  readonly choices: SignalChoices;
  readonly batchTargetMs: EngineFacts['batchTargetMs'];
  readonly gentleDuty: EngineFacts['gentleDuty'];
  readonly napMs: EngineFacts['napMs'];
};

/** A rate limit is asked for again after a second at most; a look at locked rows comes back within two. */
const backWithinMs = 3_000;

const keyOf = (code: Reason['code'], signal: string | null): string => `${code} ${signal ?? ''}`;

/** What this process remembers of the run it works on. All of it may be lost: the ledger has the truth. */
export class RunInHand {
  readonly id: string;
  readonly budget: ErrorBudget = createErrorBudget();
  readonly progress: Progress;
  readonly rate: RateLimit;
  readonly pressure: Pressure;
  readonly #deps: HandDeps;
  readonly #sizes = new Map<string, BatchSize>();
  #pace: Pace;
  #reason: Reason;
  /** Reasons that were there before, and until when. */
  readonly #left = new Map<string, { readonly since: string; readonly at: number }>();
  /** Since when nothing but locked rows is left, and how many messages had gone by then; null: there is more to do. */
  lockedOut: { readonly atMs: number; readonly deleted: number } | null = null;
  /** Nothing more is to be done for it: it has ended, or this process has let it go. */
  isOver = false;
  #maxRate: number | null = null;
  #nodes = 1;
  #units = 0;
  #busyMs = 0;

  constructor(run: Run, deps: HandDeps) {
    const { clock, choices } = deps;
    this.id = run.id;
    this.#deps = deps;
    this.#pace = paceUnder(run.profile, deps.pace);
    this.progress = createProgress(clock);
    this.rate = createRateLimit(clock, run.maxRate);
    this.#maxRate = run.maxRate;
    this.pressure = createPressure(clock, this.#pace.name, choices);
    this.#reason = this.#make('starting', null, null, null);
  }

  /** The profile that counts now; the signals lower it, see `duty`. */
  get pace(): Pace {
    return this.#pace;
  }

  /** What the run row says now. True: the pace is another one from here on. */
  obey(run: Pick<Run, 'profile' | 'maxRate'>): boolean {
    this.limitRate(run.maxRate);
    const pace = paceUnder(run.profile, this.#deps.pace);
    if (pace.name === this.#pace.name) return false;
    this.#pace = pace;
    this.pressure.setProfile(pace.name);
    // Batches have another target time.
    this.#sizes.clear();
    this.progress.paceChanged();
    return true;
  }

  /** Somebody has just paused or resumed the run in this process: its workers see it some moments later. */
  steered(isPaused: boolean): void {
    if (isPaused) this.heldBack({ code: 'paused', signal: null, value: null, limit: null });
    else if (this.#reason.code === 'paused') this.because('working');
  }

  /** The run's limit, of which this node takes an equal part. */
  limitRate(maxRate: number | null): void {
    if (maxRate !== this.#maxRate) this.progress.paceChanged();
    this.#maxRate = maxRate;
    this.rate.setLimit(maxRate === null ? null : maxRate / this.#nodes);
  }

  /** So many nodes share the run's rate. One that is idle leaves its part unused: more than the limit is never taken. */
  shareRate(nodes: number): void {
    this.#nodes = Math.max(1, nodes);
    this.limitRate(this.#maxRate);
  }

  /** Each worker has its own size: they walk different parts. */
  sizeOf(worker: number, walk: Walk): BatchSize {
    const key = `${worker} ${walk}`;
    const known = this.#sizes.get(key);
    if (known !== undefined) return known;
    const { gentle, alone } = this.#deps.batchTargetMs;
    const targetMs = this.#pace.duty >= 1 ? alone : gentle;
    const made = createBatchSize({ targetMs, ...batchLimits[walk] });
    this.#sizes.set(key, made);
    return made;
  }

  /** Of the next batch. */
  get naps(): Naps | undefined {
    return napsFor(this.#deps.napMs, dutyOn(this.#pace, this.#deps));
  }

  walked(units: number, ms: number): void {
    this.#units += units;
    this.#busyMs += ms;
  }

  /** Units a second of one worker of this node, rests included; null before anything was measured. */
  get unitsPerSecond(): number | null {
    return this.#busyMs > 0 ? (this.#units * 1_000) / this.#busyMs : null;
  }

  /** A committed batch removed something: the patience with locked rows begins anew. */
  removed(messages: number): void {
    if (messages === 0) return;
    this.progress.deleted(messages);
    this.lockedOut = null;
  }

  /** Nothing was tried, so nothing is known of locked rows: the time does not count against them. */
  heldBack(closed: Closed): void {
    this.lockedOut = null;
    // The speed of a stand-still is not the one that the run goes on with.
    this.progress.paceChanged();
    this.because(closed.code, closed.signal, closed.value, closed.limit);
  }

  /**
   * Why the run is where it is. `since` is when this code and signal began; one that comes back within moments has been
   * there all the time: a run that is held at its rate rests and works in between.
   */
  because(
    code: Reason['code'],
    signal: string | null = null,
    value: Reason['value'] = null,
    limit: Reason['limit'] = null,
  ): void {
    // Nothing was tried meanwhile, or something else was to do.
    if (code === 'database_unreachable' || code === 'looking') this.lockedOut = null;
    const now = this.#deps.clock.monotonicMs();
    const { code: before, signal: signalBefore, since } = this.#reason;
    this.#left.set(keyOf(before, signalBefore), { since, at: now });
    const left = this.#left.get(keyOf(code, signal));
    const isBack = left !== undefined && now - left.at <= backWithinMs;
    this.#reason = this.#make(code, signal, value, limit, isBack ? left.since : undefined);
  }

  get live(): LiveProgress {
    return {
      rowsPerSecond: this.progress.rowsPerSecond,
      // While it stands still nobody can say when it goes on.
      etaSeconds: this.isHeldBack ? null : this.progress.etaSeconds,
      reason: this.#reason,
    };
  }

  /** The share of its time that a worker spends in batches: the profile's, and of that what the signals leave. */
  get duty(): number {
    return this.isHeldBack ? 0 : this.allowedDuty;
  }

  /** The same, whatever was last told: after a stand-still the reason is still that one until a batch has ended. */
  get allowedDuty(): number {
    return dutyOn(this.#pace, this.#deps) * this.pressure.now.duty;
  }

  /** By what was last told: nothing moves until something else happens. */
  get isHeldBack(): boolean {
    return reasonKind(this.#reason.code) === 'held_back';
  }

  get told(): NodeLive {
    return { ...this.live, signals: this.pressure.signals };
  }

  #make(
    code: Reason['code'],
    signal: string | null,
    value: Reason['value'],
    limit: Reason['limit'],
    since = this.#deps.clock.now().toISOString(),
  ): Reason {
    return { code, signal, value, limit, since };
  }
}

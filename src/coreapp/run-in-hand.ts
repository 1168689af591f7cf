import { batchLimits, createBatchSize, type BatchSize } from '../core/batch-size.js';
import { createErrorBudget, type ErrorBudget } from '../core/error-budget.js';
import { createProgress, type Progress } from '../core/progress.js';
import { createRateLimit, type RateLimit } from '../core/rate-limit.js';
import type { Walk } from '../core/run.js';
import type { LiveProgress, Reason } from '../core/run-view.js';
import type { Clock } from '../kit/clock.js';

/** What this process remembers of the run it works on. All of it may be lost: the ledger has the truth. */
export class RunInHand {
  readonly id: string;
  readonly budget: ErrorBudget = createErrorBudget();
  readonly progress: Progress;
  readonly rate: RateLimit;
  readonly #clock: Clock;
  readonly #targetMs: number;
  readonly #sizes = new Map<string, BatchSize>();
  #reason: Reason;
  #lastProgressMs: number;
  #units = 0;
  #busyMs = 0;

  /** @param targetMs how long a batch should take */
  constructor(id: string, clock: Clock, maxRate: number | null, targetMs: number) {
    this.id = id;
    this.#clock = clock;
    this.#targetMs = targetMs;
    this.progress = createProgress(clock);
    this.rate = createRateLimit(clock, maxRate);
    this.#lastProgressMs = clock.monotonicMs();
    this.#reason = this.#make('starting', null, null, null);
  }

  /** Each worker has its own size: they walk different parts. */
  sizeOf(worker: number, walk: Walk): BatchSize {
    const key = `${worker} ${walk}`;
    const known = this.#sizes.get(key);
    if (known !== undefined) return known;
    const made = createBatchSize({ targetMs: this.#targetMs, ...batchLimits[walk] });
    this.#sizes.set(key, made);
    return made;
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
    this.#lastProgressMs = this.#clock.monotonicMs();
  }

  get idleMs(): number {
    return this.#clock.monotonicMs() - this.#lastProgressMs;
  }

  /** Why the run is where it is; `since` changes only when the code does. */
  because(
    code: Reason['code'],
    signal: string | null = null,
    value: Reason['value'] = null,
    limit: Reason['limit'] = null,
  ): void {
    const since = this.#reason.code === code ? this.#reason.since : undefined;
    this.#reason = this.#make(code, signal, value, limit, since);
  }

  get live(): LiveProgress {
    return {
      rowsPerSecond: this.progress.rowsPerSecond,
      etaSeconds: this.progress.etaSeconds,
      reason: this.#reason,
    };
  }

  #make(
    code: Reason['code'],
    signal: string | null,
    value: Reason['value'],
    limit: Reason['limit'],
    since = this.#clock.now().toISOString(),
  ): Reason {
    return { code, signal, value, limit, since };
  }
}

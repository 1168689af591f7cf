import type { Walk } from './run.js';

/**
 * How many units (keys or blocks) the next batch may walk, so that its work takes about the target time.
 *
 *   rate  = Σ units·0.75^k / Σ ms·0.75^k                     the newest batch is k = 0
 *   aim   = target, or what a batch costs besides its work where that is more (up to 20 ms): half of the time is work
 *   next  = rate · aim, at most ×1.5 and at least ×0.5 of the last size
 *   panic : a batch over five targets, and over 50 ms → a tenth at once, history forgotten
 *   failed: half, down to a single unit; the range is tried again. From below `min` it grows back whatever the time
 *
 * The time of a batch is its `workMs`. It includes dependents, so that messages with many receipts make batches
 * smaller by themselves. It promises a size between `min` and `max`, whatever it is told, and
 * below `min` only after failures.
 */
export type BatchSizeOptions = {
  readonly targetMs: number;
  readonly min: number;
  readonly max: number;
  readonly first: number;
};

export interface BatchSize {
  /** A whole number of units, `min` to `max`. */
  readonly current: number;
  /** A single unit: it cannot be made smaller. */
  readonly floor: boolean;
  /**
   * A committed batch: units walked (not rows deleted: a batch without victims costs time too), the time of its work,
   * and what it took besides (the way to the server, the ledger, COMMIT), which no size changes.
   */
  succeeded(units: number, ms: number, besidesMs?: number): void;
  /** A batch that was rolled back. */
  failed(): void;
}

/** The first size is small enough for the slowest disk and reaches the target within about ten batches. */
export const batchLimits: Readonly<Record<Walk, Omit<BatchSizeOptions, 'targetMs'>>> = {
  key: { min: 10, max: 50_000, first: 1_000 },
  age: { min: 10, max: 50_000, first: 1_000 },
  // A block of 8 KiB holds about 25 messages of 300 bytes: the same number of rows in both walks.
  blocks: { min: 1, max: 2_000, first: 40 },
};

/** How much an older batch weighs: the fifth before the newest counts a quarter. */
const decay = 0.75;
const mostGrowth = 1.5;
const mostShrink = 0.5;
const panicTargets = 5;
/** Nobody feels less than this, and a target of 2 ms is passed five times over by any hiccup of a disk. */
const leastPanicMs = 50;
const panicFactor = 0.1;
const mostBesidesMs = 20;
/** A clock that did not move must not make the rate infinite. */
const leastMs = 0.01;

export function createBatchSize({ targetMs, min, max, first }: BatchSizeOptions): BatchSize {
  const clamped = (wanted: number): number => Math.min(max, Math.max(min, wanted));
  // Kept with its fraction: from 1, growth by the half would be lost to rounding for ever.
  let size = clamped(first);
  let units = 0;
  let ms = 0;
  let besides = 0;
  let batches = 0;
  const forget = (): void => {
    units = 0;
    ms = 0;
    besides = 0;
    batches = 0;
  };
  return {
    get current() {
      return Math.floor(size);
    },
    get floor() {
      return Math.floor(size) <= 1;
    },
    succeeded(walked, took, besidesMs = 0) {
      // Nothing walked (the end of a span) tells nothing of the speed.
      if (!(walked > 0) || !(took >= 0)) return;
      if (took > Math.max(leastPanicMs, panicTargets * targetMs)) {
        size = Math.min(size, clamped(size * panicFactor));
        forget();
        return;
      }
      units = units * decay + walked;
      ms = ms * decay + Math.max(leastMs, took);
      batches = batches * decay + 1;
      besides = besides * decay + Math.max(0, besidesMs);
      const aim = Math.max(targetMs, Math.min(mostBesidesMs, besides / batches));
      const factor = ((units / ms) * aim) / size;
      size =
        size < min
          ? Math.min(min, size * mostGrowth)
          : clamped(size * Math.min(mostGrowth, Math.max(mostShrink, factor)));
    },
    failed() {
      size = Math.max(1, size * mostShrink);
    },
  };
}

import type { Naps } from './ports.js';

/**
 * How often a batch naps: after each piece of work as long as the profile's duty asks for beside one nap, and never less
 * than a millisecond.
 *
 *   speed = Σ rows·0.75^k / Σ work·0.75^k    rows a millisecond of work, naps taken off; the newest batch is k = 0
 *   every = speed · max(1 ms, nap · duty / (1 - duty)), at least 50 rows
 *
 * Naps that take longer than they should (a busy server) look like slower work, and make themselves more frequent: on
 * such a server that is what is wanted, and the least number of rows ends it.
 */
export interface NapPlan {
  /** Undefined: the engine naps not, the profile knows no rests, or nothing was deleted yet. */
  next(duty: number): Naps | undefined;
  /** A committed batch; `workMs` without its naps. */
  worked(rows: number, workMs: number): void;
}

const decay = 0.75;
/** A clock that did not move must not make the speed infinite. */
const leastMs = 0.01;
const leastPieceMs = 1;
/** Longer than any batch. */
const mostPieceMs = 1_000;
const leastRows = 50;

/** @param ms how long a nap takes; null: the engine has none */
export function createNapPlan(ms: number | null): NapPlan {
  let rows = 0;
  let workMs = 0;
  return {
    next(duty) {
      if (ms === null || duty >= 1 || rows === 0) return undefined;
      const pieceMs = Math.min(mostPieceMs, Math.max(leastPieceMs, (ms * duty) / (1 - duty)));
      return { ms, everyRows: Math.max(leastRows, Math.round((rows / workMs) * pieceMs)) };
    },
    worked(gone, took) {
      if (gone === 0) return;
      rows = rows * decay + gone;
      workMs = workMs * decay + Math.max(leastMs, took);
    },
  };
}

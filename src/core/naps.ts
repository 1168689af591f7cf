import type { Naps } from './ports.js';

/** Shorter pieces were not felt less, and everything that a batch does besides would weigh more (decision 0049). */
const leastPieceMs = 1;
/** Longer than any batch. */
const mostPieceMs = 1_000;

/**
 * How a batch is cut: pieces of work as long as the duty asks for beside one nap, ms · duty / (1 - duty), and never
 * less than a millisecond; a lower duty rests the more after the batch.
 *
 * @param ms how long a nap takes; null: the engine has none
 * @returns undefined: no naps, as the engine has none or the profile knows no rests
 */
export function napsFor(ms: number | null, duty: number): Naps | undefined {
  if (ms === null || duty >= 1) return undefined;
  return { ms, pieceMs: Math.min(mostPieceMs, Math.max(leastPieceMs, (ms * duty) / (1 - duty))) };
}

import type { Chunk } from './ports.js';

/**
 * How much of a span a node keeps when it takes one; the rest goes back for others. About a second of work at first,
 * then 2 % of the run's age: a late joiner soon finds work, and the number of spans grows with the logarithm of the
 * run's length, not with the table. (Eight workers on chunks of milliseconds lost four takes in ten to each other;
 * with a second that is noise.)
 */
export type ChunkFacts = {
  /** Units that one batch may walk now. */
  readonly batchUnits: number;
  /** Units a second of this node, rests included; null before anything was measured. */
  readonly unitsPerSecond: number | null;
  /** Milliseconds since the run was made. */
  readonly runAgeMs: number;
  /** Workers of this node. */
  readonly workers: number;
};

const leastMs = 1_000;
const shareOfAge = 0.02;
/** Before the speed is known: as many batches as take about a second at a target of 50 ms. */
const firstBatches = 20;
/** A take costs about as much as a small batch: with four batches after it, it is lost in them. */
const leastBatches = 4;

/** A whole number of units, never less than one batch. */
export function chunkUnits({ batchUnits, unitsPerSecond, runAgeMs }: Omit<ChunkFacts, 'workers'>): number {
  const least = Math.max(1, Math.ceil(batchUnits));
  if (unitsPerSecond === null || !(unitsPerSecond > 0)) return least * firstBatches;
  const ms = Math.max(leastMs, shareOfAge * runAgeMs);
  // Bounded so that cursor + chunk stays a safe integer whatever was measured.
  return Math.min(2 ** 40, Math.max(least, Math.ceil((unitsPerSecond * ms) / 1_000)));
}

/**
 * What to ask of `Ledger.take`. A lone worker keeps whatever it can do; several keep at most an equal part of what is
 * left, so that the last chunks shrink and nobody idles while another walks a long rest.
 */
export function chunkOf(facts: ChunkFacts): Chunk {
  return {
    units: chunkUnits(facts),
    share: 1 / Math.max(1, facts.workers),
    least: Math.ceil(facts.batchUnits) * leastBatches,
  };
}

import type { DependentCounts } from '../../core/run.js';

/** What a batch reads of its span, run and tally under the span's lock; the range starts at this cursor. */
export type SeenSpan = {
  readonly cursor: string;
  readonly low: string;
  readonly high: string;
  readonly deleted: number;
  readonly batches: number;
  readonly paused: boolean;
  readonly maxRate: number | null;
  readonly dependents: DependentCounts;
  /** The number for a parked span, taken before anything is locked; null unless locked rows are skipped. */
  readonly parkedNo: number | null;
};

/** What the tally says of dependents after a batch. */
export function added(before: DependentCounts, more: DependentCounts): DependentCounts {
  const sum: Record<string, number> = { ...before };
  for (const [table, count] of Object.entries(more)) sum[table] = (sum[table] ?? 0) + count;
  return sum;
}

import type { DependentCounts } from '../../core/run.js';

/** What the statements of one batch did; `skipped` messages are held by other sessions and are still there. */
export type Deleted = {
  readonly deleted: number;
  readonly dependents: DependentCounts;
  readonly skipped: number;
  /** About how many milliseconds of it the server napped. Absent: none. */
  readonly nappedMs?: number;
};

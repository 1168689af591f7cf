import type { Policy } from './policy.js';
import type { DependentCounts, ForeignKeyMode, Walk } from './run.js';

/** What a run would do now. Writes nothing. */
export interface Preview {
  /**
   * Keeps `limitMs`: what could not be counted by then is estimated, and `exact` says so.
   * @param rowsPerSecond the speed at which `seconds` reckons
   */
  preview(policy: Policy, limitMs: number, rowsPerSecond: number): Promise<DryRun>;
  /**
   * Share of the table's rows that would go, 0 to 1, from a sample (`exact`: from all of a small table); null: cannot
   * be said. For the brake of a first run.
   */
  shareEligible(
    policy: Policy,
    limitMs: number,
  ): Promise<{ readonly share: number; readonly rows: number } | null>;
}

export type DryRun = {
  /** Messages that would go. */
  readonly messages: number;
  /** Whether the numbers of messages, dependents and held were counted, not estimated. */
  readonly exact: boolean;
  /** Rows that would go along, by table. */
  readonly dependents: DependentCounts;
  /** Messages that are old enough and processed, but kept, by the name of the hold (`hold_list`: the product's list). */
  readonly held: Readonly<Record<string, number>>;
  /** Ages of the oldest and newest message that would go, UTC; null when none was seen. */
  readonly oldest: string | null;
  readonly newest: string | null;
  /** Bytes of the messages and dependents that would go, as the statistics say. */
  readonly bytes: number;
  /** Bytes of log (WAL, binlog) that deleting them would write, estimated. */
  readonly logBytes: number;
  /** Seconds that a run would take at the given speed (messages a second), estimated. */
  readonly seconds: number;
  readonly walk: Walk;
  readonly foreignKeys: ForeignKeyMode;
  readonly why: string;
  /** The statement that makes the index which the run misses most; null: none is missing. */
  readonly missingIndex: string | null;
  /** A few keys of messages that would go, as text. */
  readonly sample: readonly (readonly string[])[];
  readonly horizon: string;
};

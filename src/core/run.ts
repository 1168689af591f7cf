import type { PaceName } from './pace.js';
import type { Policy } from './policy.js';

/**
 * A run and its spans, as the ledger keeps them.
 *
 *   run   (none) ─start─▶ requested ─plan─▶ running ─next round─▶ running
 *                             └───────── end ────────┴──▶ ended (complete | failed)      terminal
 *   span  ─▶ open ─take, fence+1─▶ leased ─last batch─▶ done                             terminal
 *             ▲                     │ └ take-over when the lease ran out: fence+1, other owner
 *             └── release, give back┘        open | leased ─ end ─▶ closed, fence+1      terminal
 *
 * `paused` is a flag of an unfinished run, not a state; cancelling is ending with outcome failed.
 */

export const runStates = ['requested', 'running', 'ended'] as const;
export type RunState = (typeof runStates)[number];
export type Outcome = 'complete' | 'failed';
/** `single`: one callback with the sum; `multi`: one per node. */
export type RunForm = 'single' | 'multi';
/** The order in which rows are visited: a unique key, the age and then the key, or ranges of PostgreSQL heap blocks. */
export type Walk = 'key' | 'age' | 'blocks';
export type ForeignKeyMode = 'none' | 'messages_first' | 'checked';
/** Rows removed from each dependent table, by table name. */
export type DependentCounts = Readonly<Record<string, number>>;

/** What the planner chose and froze, beside the policy. */
export type Plan = {
  /** Database time, UTC, microseconds: `2026-11-22T10:00:00.000000Z`. Compared with `<=`. */
  readonly horizon: string;
  readonly walk: Walk;
  /** Bounds are canonical JSON arrays of text; `[]` = before all. Low is exclusive, high inclusive. */
  readonly low: string;
  readonly high: string;
  readonly foreignKeys: ForeignKeyMode;
  /** Keys per row of the range, at least 1; above 4 the walk probes the index instead of adding to the key. */
  readonly sparseness: number;
  /** Rows (key walk) or blocks (block walk) between low and high, as the statistics say. */
  readonly units: number;
  /** Whether something can be left after the walk (rows move between blocks), so that a look must follow. */
  readonly look: boolean;
  /** Storage's own facts that must not change under the run (table file, foreign keys and triggers). */
  readonly guards: Readonly<Record<string, string>>;
  /** One sentence: why this walk and this treatment of foreign keys. */
  readonly why: string;
};

export type Run = {
  readonly id: string;
  readonly state: RunState;
  readonly form: RunForm;
  readonly policyHash: string;
  /** The frozen rule, which every node obeys; null until planned. */
  readonly policy: Policy | null;
  /** Identity of the server and database where the run began; a run never goes on elsewhere. */
  readonly server: string;
  readonly plan: Plan | null;
  readonly round: number;
  readonly paused: boolean;
  /** Messages a second for the whole run; null: no limit. */
  readonly maxRate: number | null;
  /** Set by an operator while it runs, in place of the nodes' own; null: theirs. */
  readonly profile: PaceName | null;
  readonly madeAt: Date;
};

/**
 * `walk`: a part of the range; `parked`: a place where other sessions held rows locked, to be tried again;
 * `look`: the search for what is left after a walk.
 */
export type SpanKind = 'walk' | 'parked' | 'look';

/** A leased span in the hands of this node. Cursor and bounds are read again in every batch, under the row's lock. */
export type Span = {
  readonly run: string;
  readonly no: number;
  readonly kind: SpanKind;
  readonly round: number;
  readonly fence: number;
  readonly attempts: number;
};

/** Which transitions are allowed; anything else is a defect and is refused by the guarded write as well. */
export function canBecome(from: RunState, to: RunState): boolean {
  return (from === 'requested' && to !== 'requested') || (from === 'running' && to === 'ended');
}

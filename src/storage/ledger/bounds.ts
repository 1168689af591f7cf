import type { Chunk } from '../../core/ports.js';
import type { Policy } from '../../core/policy.js';
import type { Plan } from '../../core/run.js';

/** What the ledger asks of an engine about the messages table's own order; bounds are compared by the database alone. */
export interface Bounds {
  /** The bound after `cursor` at which about one chunk of work ends; null when the span is no more than that. */
  pivot(policy: Policy, plan: Plan, cursor: string, high: string, chunk: Chunk): Promise<string | null>;
  /** One bounded statement over the whole table: is anything eligible left? Null when time ran out. */
  anythingLeft(policy: Policy, plan: Plan, limitMs: number): Promise<boolean | null>;
  /**
   * The first and last place in `(cursor, cursor + units]` where something eligible is left, as bounds that enclose
   * them; null when nothing is. `to` is where the slice ends; `end` says that it was the last.
   */
  leftIn(policy: Policy, plan: Plan, cursor: string, high: string, units: number): Promise<Slice>;
}

export type Slice = {
  readonly to: string;
  readonly end: boolean;
  readonly left: { readonly low: string; readonly high: string } | null;
};

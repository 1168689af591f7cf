import type { Reason } from './reason.js';
import type { PaceName } from './pace.js';
import type { SignalView } from './pressure.js';
import type { DependentCounts, ForeignKeyMode, Walk } from './run.js';

export type RunError = { readonly code: number; readonly details: string };

/** A run as an operator sees it; the wire shape is made from it in `wire/run-reply.ts`. */
export type RunView = {
  readonly id: string;
  readonly state: 'requested' | 'running' | 'waiting' | 'paused' | 'complete' | 'failed';
  readonly requestedBy: string;
  readonly joinedBy: readonly string[];
  readonly horizon: string | null;
  readonly startedAt: string;
  readonly endedAt: string | null;
  readonly messagesDeleted: number;
  readonly dependentsDeleted: DependentCounts;
  /** Messages that were skipped because other sessions hold them locked, still to be done. */
  readonly parked: number;
  readonly batches: number;
  /** Walked share of the range, 0 to 1; null while nothing is planned. */
  readonly share: number | null;
  readonly plan: {
    readonly walk: Walk;
    readonly foreignKeys: ForeignKeyMode;
    readonly why: string;
  } | null;
  readonly nodes: Readonly<Record<string, NodeView>>;
  readonly steering: Steering;
  readonly errors: readonly RunError[];
};

/** What operators have set for this run. */
export type Steering = {
  /** Who paused it; null: it is not paused. */
  readonly pausedBy: string | null;
  /** Messages a second for all nodes together; null: no limit. */
  readonly maxRate: number | null;
  /** In place of the nodes' own profile; null: theirs. */
  readonly profile: PaceName | null;
};

export type NodeView = {
  readonly messagesDeleted: number;
  readonly state: 'working' | 'idle';
  /** What the node said of itself in the last seconds; null: nothing, or the run is over. */
  readonly live: NodeLive | null;
};

/** What only the working process knows of a run: its speed and why it waits. */
export type LiveProgress = {
  readonly rowsPerSecond: number;
  readonly etaSeconds: number | null;
  readonly reason: Reason;
};

/** What a node tells once a second while it works on a run, so that whoever looks need not ask it. */
export type NodeLive = LiveProgress & { readonly signals: readonly SignalView[] };

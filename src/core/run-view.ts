import type { DependentCounts, ForeignKeyMode, Walk } from './run.js';

/** Why the run does not go at full speed right now. `value` against `limit` in the unit of `signal`. */
export const reasonCodes = [
  'working',
  'starting',
  'resting',
  'rate_limited',
  'flow_control',
  'rows_locked',
  'database_unreachable',
  'retrying',
  'paused',
  'other_policy',
  'looking',
] as const;
export type ReasonCode = (typeof reasonCodes)[number];
export type Reason = {
  readonly code: ReasonCode;
  readonly signal: string | null;
  readonly value: number | string | null;
  readonly limit: number | string | null;
  /** ISO 8601. */
  readonly since: string;
};

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
  readonly nodes: Readonly<
    Record<string, { readonly messagesDeleted: number; readonly state: 'working' | 'idle' }>
  >;
  readonly errors: readonly RunError[];
};

/** What only the working process knows of a run: its speed and why it waits. */
export type LiveProgress = {
  readonly rowsPerSecond: number;
  readonly etaSeconds: number | null;
  readonly reason: Reason;
};

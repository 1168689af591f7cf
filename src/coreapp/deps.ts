import type { Gate } from '../core/gate.js';
import type { Pace } from '../core/pace.js';
import type { Policy } from '../core/policy.js';
import type { BatchAnswer, EngineFacts, NodeIdentity, RenderCallback, Store } from '../core/ports.js';
import type { DependentCounts, Outcome, RunForm } from '../core/run.js';
import type { NodeLive } from '../core/run-view.js';
import type { SignalChoices } from '../core/signals.js';
import type { Clock } from '../kit/clock.js';
import type { Log } from '../kit/log.js';

/** What the workshop needs from the rest of the house; `app/` hands it over. */
export type CoreappDeps = {
  readonly store: Pick<Store, 'ledger' | 'sweep' | 'planner' | 'tidyUp' | 'doctor' | 'preview' | 'signals'>;
  /** Identity of the server and database, how many sessions it can give, and how long a batch should take. */
  readonly engine: Pick<EngineFacts, 'server' | 'sessions' | 'batchTargetMs' | 'gentleDuty' | 'napMs'>;
  readonly node: NodeIdentity;
  readonly form: RunForm;
  readonly policy: Policy;
  /** An operator may set another for a run. */
  readonly pace: Pace;
  /** What the operator of this node said of single signals. */
  readonly choices: SignalChoices;
  /** What forbids this process to begin a batch for now: the stop file, a window. */
  readonly gates: readonly Gate[];
  /** Read at every heartbeat: they are application settings. */
  readonly intervals: () => Promise<{ readonly heartbeatMs: number; readonly leaseMs: number }>;
  readonly renderCallback: RenderCallback;
  /** One callback more for the whole run of several nodes. */
  readonly summary: boolean;
  readonly clock: Clock;
  readonly log: Log;
  readonly watch: Watch;
  /** Another process has taken this node's name: all work stops. */
  readonly onDisplaced: () => void;
  /** Stop taking more once so many messages are gone (`gc --max-rows`); null: no limit. */
  readonly maxRows: number | null;
};

/** What happens, for meters and for whoever waits. Called after the fact, never before a commit. */
export interface Watch {
  swept(batch: { readonly ms: number; readonly lockedMs: number }): void;
  /** Rows that committed transactions removed, also those whose COMMIT was only confirmed later. */
  deleted(messages: number, dependents: DependentCounts): void;
  gaveUp(
    result: Exclude<BatchAnswer['kind'], 'swept'> | 'conflict' | 'slow' | 'unreachable' | 'failed',
  ): void;
  ended(runId: string, outcome: Outcome): void;
  /** Once a second while a run is in hand: what this node says of it. Null: none is any more. */
  paced(now: NodePace | null): void;
}

/** `duty`: the share of its time that a worker spends in batches now, 0 to 1. */
export type NodePace = Pick<NodeLive, 'reason' | 'signals'> & { readonly duty: number };

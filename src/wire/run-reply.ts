/**
 * Runs as the API shows them: `GET` and `DELETE /v1/services/message/gc`. One run and many have the same shape, a
 * list `runs`, so that a client needs one reader. Times are ISO 8601 in UTC.
 */
import type { CallbackState } from '../core/ports.js';
import type { SignalView } from '../core/pressure.js';
import { type Reason, reasonKind } from '../core/reason.js';
import type { LiveProgress, NodeView, RunError, RunView } from '../core/run-view.js';
import { wholeRun } from '../core/whole-run.js';
import { unknownForecast } from '../core/forecast.js';
import type { KeepUp } from '../core/keep-up.js';
import type { Ahead } from '../core/outlook.js';
import { type Meta, meta } from './meta.js';
import {
  type ForecastShape,
  type KeepUpShape,
  forecastShape,
  keepUpShape,
  runForecast,
} from './outlook-reply.js';

export type RunsReply = {
  readonly services: {
    readonly message: { readonly gc: { readonly runs: readonly RunShape[]; readonly keep_up?: KeepUpShape } };
  };
  readonly meta: Meta;
};

export type RunShape = {
  readonly id: string;
  readonly state: 'running' | 'waiting' | 'paused' | 'complete' | 'failed';
  readonly requested_by: string;
  readonly joined_by: readonly string[];
  readonly horizon: string | null;
  readonly started_at: string;
  readonly ended_at: string | null;
  readonly messages_deleted: number;
  readonly dependents_deleted: Readonly<Record<string, number>>;
  readonly parked: number;
  readonly batches: number;
  /**
   * Speed of the last ten seconds of all nodes together, of the whole run once it has ended; speed and estimate are
   * null while no node says anything.
   */
  readonly progress: {
    readonly share: number | null;
    readonly rows_per_second: number | null;
    readonly eta_seconds: number | null;
    /** Whether it will fit into the window; null when the run is over, or where nobody has reckoned. */
    readonly forecast: ForecastShape | null;
  };
  readonly reason: Reason | null;
  readonly plan: { readonly walk: string; readonly foreign_keys: string; readonly why: string } | null;
  readonly nodes: Readonly<Record<string, NodeShape>>;
  /** What operators have set for this run; null where nothing is. */
  readonly steering: {
    readonly paused_by: string | null;
    readonly max_rows_per_second: number | null;
    readonly profile: string | null;
  };
  readonly errors: readonly RunError[];
  /** Only where one run is asked for: a list of runs would need a query for each. */
  readonly callbacks?: readonly CallbackShape[];
};

/** Speed, reason and signals are null when the node has said nothing in the last ten seconds, or the run is over. */
export type NodeShape = {
  readonly messages_deleted: number;
  readonly state: 'working' | 'idle';
  readonly rows_per_second: number | null;
  readonly reason: Reason | null;
  readonly signals: Readonly<Record<string, SignalShape>> | null;
};

export type SignalShape = {
  readonly state: SignalView['state'];
  readonly value: number | null;
  readonly limit: number | null;
  readonly unit: string;
  readonly detail: string | null;
};

export type CallbackShape = {
  readonly id: string;
  readonly state: 'waiting' | 'delivered' | 'dropped';
  readonly attempts: number;
  readonly last_status: number | null;
  readonly last_error: string | null;
};

/** Whether runs keep up stands beside the list of all of them. */
export function runsReply(runs: readonly RunShape[], keepUp?: KeepUp): RunsReply {
  const keeping = keepUp === undefined ? {} : { keep_up: keepUpShape(keepUp) };
  return { services: { message: { gc: { runs, ...keeping } } }, meta };
}

/**
 * `told` is what the process that answers says of its own work, fresher than what stands in the ledger; null when it
 * does not work on the run. What was last said of a run that has ended is over.
 */
export function runShape(
  view: RunView,
  told: LiveProgress | null,
  callbacks?: readonly CallbackState[],
  ahead: Ahead | null = null,
): RunShape {
  const isOn = view.endedAt === null;
  const live = isOn ? liveOf(view, told) : null;
  return {
    id: view.id,
    state: stateOf(view, live),
    requested_by: view.requestedBy,
    joined_by: view.joinedBy,
    horizon: view.horizon,
    started_at: view.startedAt,
    ended_at: view.endedAt,
    messages_deleted: view.messagesDeleted,
    dependents_deleted: view.dependentsDeleted,
    parked: view.parked,
    batches: view.batches,
    progress: {
      share: view.share,
      rows_per_second: live === null ? averageSpeed(view) : Math.round(live.rowsPerSecond),
      eta_seconds: live?.etaSeconds == null ? null : Math.ceil(live.etaSeconds),
      forecast: isOn && ahead !== null ? forecastOf(view, live, ahead) : null,
    },
    reason: live === null ? null : live.reason,
    plan:
      view.plan === null
        ? null
        : { walk: view.plan.walk, foreign_keys: view.plan.foreignKeys, why: view.plan.why },
    nodes: Object.fromEntries(
      Object.entries(view.nodes).map(([name, node]) => [name, nodeShape(node, isOn)]),
    ),
    steering: {
      paused_by: view.steering.pausedBy,
      max_rows_per_second: view.steering.maxRate,
      profile: view.steering.profile,
    },
    errors: view.errors,
    ...(callbacks === undefined ? {} : { callbacks: callbacks.map(callbackShape) }),
  };
}

/** Of a run that stands still for nobody knows how long nothing can be said; a window's begin is known. */
function forecastOf(view: RunView, live: LiveProgress | null, ahead: Ahead): ForecastShape {
  const code = live?.reason.code ?? null;
  const isHeld = code !== null && code !== 'outside_window' && reasonKind(code) === 'held_back';
  if (view.state === 'paused' || isHeld) return forecastShape(unknownForecast);
  return runForecast({ ...view, etaSeconds: live?.etaSeconds ?? null }, ahead);
}

/** One node: its own words are the freshest. Several: what all of them said. */
function liveOf(view: RunView, told: LiveProgress | null): LiveProgress | null {
  const nodes = Object.values(view.nodes);
  if (told !== null && nodes.length <= 1) return told;
  return wholeRun(nodes) ?? told;
}

function nodeShape({ messagesDeleted, state, live }: NodeView, isOn: boolean): NodeShape {
  const known = isOn ? live : null;
  return {
    messages_deleted: messagesDeleted,
    state,
    rows_per_second: known === null ? null : Math.round(known.rowsPerSecond),
    reason: known?.reason ?? null,
    signals:
      known === null
        ? null
        : Object.fromEntries(known.signals.map(({ signal, ...shape }) => [signal, shape])),
  };
}

/** Messages a second from the start to the end; null while the run is on. */
function averageSpeed({ startedAt, endedAt, messagesDeleted }: RunView): number | null {
  if (endedAt === null) return null;
  const ms = Math.max(1, Date.parse(endedAt) - Date.parse(startedAt));
  return Math.round((messagesDeleted * 1_000) / ms);
}

function stateOf(view: RunView, live: LiveProgress | null): RunShape['state'] {
  if (view.state !== 'requested' && view.state !== 'running') return view.state;
  // A run that is not planned yet runs for its clients: reason `starting` tells the difference.
  if (live === null || live.reason.code === 'paused') return 'running';
  return reasonKind(live.reason.code) === 'held_back' ? 'waiting' : 'running';
}

function callbackShape(callback: CallbackState): CallbackShape {
  return {
    id: callback.id,
    state: callback.state,
    attempts: callback.attempts,
    last_status: callback.lastStatus,
    last_error: callback.lastError,
  };
}

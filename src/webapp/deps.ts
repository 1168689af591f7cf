/**
 * What the front door needs from the rest of the house. `app/` hands it over; nothing in this room knows a database
 * or a worker.
 */
import type { ForetoldRun } from '../core/dry-run.js';
import type { Home, Ledger, Outbox, StartAnswer, SteerChange } from '../core/ports.js';
import type { Outlook } from '../core/outlook.js';
import type { LiveProgress, RunView } from '../core/run-view.js';
import type { ApplicationSettings } from '../core/settings.js';
import type { Clock } from '../kit/clock.js';
import type { Log } from '../kit/log.js';
import type { Meters } from '../metrics/meters.js';
import type { GatewayStatus, NodeHealth } from '../wire/health-reply.js';
import type { FanOut } from './nodes/fan-out.js';

export type WebappDeps = {
  readonly settings: WebappSettings;
  readonly clock: Clock;
  readonly log: Log;
  readonly home: Home;
  readonly ledger: Pick<Ledger, 'runs' | 'run'>;
  readonly outbox: Pick<Outbox, 'waiting' | 'forRun'>;
  readonly desk: RunDesk;
  /** Schedule, windows and how past runs went. Throws StoreError when the database is not reachable. */
  readonly outlook: () => Promise<Outlook>;
  readonly metrics: Meters;
  /** Called after each change has been saved: callbacks that waited for a URL must leave at once. */
  readonly settingsChanged: (settings: ApplicationSettings) => void;
};

export type WebappSettings = {
  /** Any valid token may start, see and cancel a run; otherwise an admin's. */
  readonly allowUsers: boolean;
  /** Whether the built-in password opens anything: on loopback alone. */
  readonly builtInMayLogIn: boolean;
  /** Webhook URLs must be `https:`. */
  readonly requireHttps: boolean;
  /** Host in "Please check if wacore is running". */
  readonly coreHost: string;
  /** null: made once and kept in the home database. */
  readonly jwtKey: string | null;
};

export type StartAsked = {
  readonly requestId: string;
  readonly by: string;
  readonly confirmed: boolean;
  /** Whoever asks gives up after this. */
  readonly withinMs: number;
};
/** `braked`: the first run of a mapping would delete nearly everything, and nobody has confirmed it; nothing began. */
export type DeskAnswer =
  | ({ readonly kind: 'started' } & StartAnswer)
  /** Multiconnect: every Coreapp was asked. */
  | ({ readonly kind: 'asked' } & FanOut)
  | { readonly kind: 'braked'; readonly words: string };

/** Where runs are asked for. Implemented by the process that wires Webapp and Coreapp together. */
export interface RunDesk {
  /** A PUT is answered within this, whatever the database and the nodes do; clients of the original give it 8 s. */
  readonly startWithinMs: number;
  /** Starts a run or joins the active one. Throws StoreError when the database is not reachable. */
  start(request: StartAsked): Promise<DeskAnswer>;
  /** What a run would do now; 5 s at most. Throws StoreError when the database is not reachable. */
  dryRun(): Promise<ForetoldRun>;
  /** Speed and reason of a run on which this process works; null otherwise. Asks nobody. */
  progress(runId: string): LiveProgress | null;
  /** Ends the active run as failed, "Cancelled by …"; null when none is active. */
  cancel(by: string): Promise<RunView | null>;
  /** Pause, rate limit, profile of the active run; null when none is active. */
  steer(change: SteerChange, by: string): Promise<RunView | null>;
  /** The Coreapps of a cluster; null for a single instance. Throws StoreError when the database is not reachable. */
  nodes(): Promise<readonly NodeHealth[]> | null;
  /** The Coreapps as they were last seen, all of them disconnected; for when the database is away. Null as above. */
  nodesLastSeen(): readonly NodeHealth[] | null;
  /** What this process knows right now; asks nobody, so that probes cost nothing. */
  health(): DeskHealth;
}

export type DeskHealth = {
  readonly gateway: GatewayStatus;
  /** A sentence each, for a person. */
  readonly warnings: readonly string[];
  /** The database is prepared and usable. */
  readonly ready: boolean;
};

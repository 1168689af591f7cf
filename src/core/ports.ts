/**
 * The doors between the rules and the world. `storage/` implements them, `app/` hands them over; nothing above
 * storage knows which engine answers. Every method may throw a StoreError; expected outcomes are values.
 */
import type { Preview } from './dry-run.js';
import type { PastRun } from './keep-up.js';
import type { Mapping } from './mapping.js';
import type { PaceName } from './pace.js';
import type { Policy } from './policy.js';
import type { DependentCounts, Outcome, Plan, Run, RunForm, Span } from './run.js';
import type { NodeLive, RunView } from './run-view.js';
import type { SlotMarks } from './schedule.js';
import type { ApplicationSettings } from './settings.js';
import type { Signals } from './signals.js';

/** `address`: where Webapps reach its control port, `host:port`; '' when it opens none (a single instance, `gc`). */
export type NodeIdentity = { readonly name: string; readonly boot: string; readonly address: string };
/** A node as its row tells; `silentMs`: since its last heartbeat. */
export type KnownNode = NodeIdentity & { readonly policyHash: string; readonly silentMs: number };

/** Runs and spans: one SQL transaction per method (docs/exactness.md names them). */
export interface Ledger {
  /** T1: takes the node's row, and gives back what an earlier life of this node held. */
  register(node: NodeIdentity, policyHash: string): Promise<void>;
  /** T2: false when another process has taken the name; the caller stops all work. */
  beat(node: NodeIdentity): Promise<boolean>;
  leave(node: NodeIdentity): Promise<void>;
  /**
   * T3 where nothing new must outlive a crash: the active run of that policy and form, in which the node takes part
   * already, has the request noted. Null: there is none, or the request is known; `start` says what it means.
   */
  join(request: StartRequest): Promise<string | null>;
  /** T3: starts a run or joins the active one. Idempotent in `requestId`. */
  start(request: StartRequest): Promise<StartAnswer>;
  active(): Promise<Run | null>;
  /** T4: false when another planned or ended it first. */
  plan(runId: string, policy: Policy, plan: Plan): Promise<boolean>;
  /** T5: leases a span and puts back what exceeds the chunk. */
  take(run: Run, node: NodeIdentity, chunk: Chunk, leaseMs: number): Promise<TakeAnswer>;
  /**
   * A guard of the plan did not hold: writes the new plan. With `restartWalk` every span is closed and the walk
   * begins anew (the table was rewritten), else the spans stay and only the treatment of rows changes.
   */
  replan(runId: string, plan: Plan, restartWalk: boolean): Promise<boolean>;
  /** T7: puts back what lies beyond `chunk` units from the cursor; false when nothing was split off. */
  putBack(run: Run, span: Span, chunk: Chunk): Promise<boolean>;
  /** T8: gives the span back, due again after `waitMs`. `failed` counts an attempt. */
  release(span: Span, waitMs: number, failed: boolean): Promise<void>;
  /** T9: one slice of the look for what is left; read-only but for the ledger. */
  look(run: Run, policy: Policy, span: Span, units: number, leaseMs: number): Promise<LookAnswer>;
  /** T10: ends the run; false when another ended it, or (complete) when work is still open. */
  end(runId: string, ending: Ending): Promise<boolean>;
  /** T11: null when no run is active. */
  steer(change: SteerChange & { readonly by: string }): Promise<string | null>;
  /** Keeps what the node says of its part in a run, for `run` and `runs`, as long as it is fresh. */
  tell(node: NodeIdentity, runId: string, live: NodeLive): Promise<void>;
  /** Whether a run under this mapping, whatever its retention, has ever ended with something deleted. */
  hasCollected(mapping: Mapping): Promise<boolean>;
  /** Newest first. */
  runs(limit: number): Promise<readonly RunView[]>;
  run(id: string): Promise<RunView | null>;
  /** Runs that have ended, newest first, by one query over their rows alone. */
  pastRuns(limit: number): Promise<readonly PastRun[]>;
  /** Nodes that have not left and whose last heartbeat is younger than `withinMs`, by name. */
  nodes(withinMs: number): Promise<readonly KnownNode[]>;
  /** Who holds the rows that a run skipped, in words ("session 4711 (app@10.0.0.5, idle in transaction)"); null when unknown. */
  lockHolders(run: Run, policy: Policy): Promise<string | null>;
  /**
   * Before a node of a cluster does anything: whether the store is its cluster's. It becomes that if it was nobody's, or
   * another's with which nothing is going on. Nodes whose last heartbeat is younger than `liveMs` are alive.
   */
  joinCluster(fingerprintOf: FingerprintOf, liveMs: number): Promise<ClusterAnswer>;
  /** T13: removes old runs and delivered callbacks, at most `limit` rows a call; returns how many. */
  forget(olderThanDays: number, limit: number): Promise<number>;
}

/** What is absent stays as it is; null lifts the limit, or gives each node its own profile back. */
export type SteerChange = {
  readonly paused?: boolean;
  /** Messages a second for all nodes together, a whole number from 1 to `highestRate`. */
  readonly maxRate?: number | null;
  readonly profile?: PaceName | null;
};
/** What the ledger's column takes. */
export const highestRate = 2_147_483_647;

/** 16 hex that are the same for every node of a cluster (core/cluster.ts); `storeId`: 32 hex, made with the ledger. */
export type FingerprintOf = (storeId: string) => string;

export type ClusterAnswer =
  | { readonly kind: 'joined' }
  /** It was another cluster's, `before`, and idle. */
  | { readonly kind: 'adopted'; readonly before: string }
  /** It is another cluster's, and in use. Nothing was written. */
  | ({ readonly kind: 'foreign' } & ClusterObstacles);
/** What is going on in a store: nodes that live, the unfinished run, callbacks that wait. */
export type ClusterObstacles = {
  readonly nodes: readonly string[];
  readonly run: string | null;
  readonly callbacks: number;
};

/**
 * How much of a span a worker keeps: at most `units`, and at most `share` (0 to 1) of what is left of it, so that
 * the last chunks of a run are small and the workers finish together. A share smaller than `least` units is not cut
 * off: the ledger's transactions would cost more than the work.
 */
export type Chunk = { readonly units: number; readonly share: number; readonly least: number };

export type StartRequest = {
  readonly requestId: string;
  readonly form: RunForm;
  readonly by: string;
  readonly node: NodeIdentity;
  readonly policyHash: string;
  readonly server: string;
  /** Body of a late callback: the run ended before this node was asked (form multi only). */
  readonly renderCallback: RenderCallback;
};
/** `runId` is the winning run's id. `joined` is false for the request that made the run. */
export type StartAnswer = { readonly runId: string; readonly joined: boolean };

export type TakeAnswer =
  | { readonly kind: 'span'; readonly span: Span }
  /** Somebody else works, or parked spans wait for their time. */
  | { readonly kind: 'wait'; readonly ms: number; readonly onlyParked: boolean }
  /** No span is open or leased: the run can be ended. */
  | { readonly kind: 'nothing_left' }
  | { readonly kind: 'gone' };

export type LookAnswer =
  | { readonly kind: 'going_on' }
  /** Nothing is left: the look is done, the run can be ended complete. */
  | { readonly kind: 'clean' }
  | { readonly kind: 'next_round'; readonly idleRounds: number }
  | { readonly kind: 'lost' };

export type Ending = {
  readonly outcome: Outcome;
  /** For a failed run: the words of `errors[].details`. */
  readonly error: string | null;
  readonly renderCallback: RenderCallback;
  /** For a run that ends without having been planned into spans: what was seen (nothing was eligible). */
  readonly plan?: Plan;
  /** False: the run ends on another server than it began on (a restored backup); nobody is told. */
  readonly tell: boolean;
  /** Form multi: one callback more, with the total and without a node. */
  readonly summary?: boolean;
};
/** The callback's exact body; `node` is null for a single instance. */
export type RenderCallback = (told: {
  readonly node: string | null;
  readonly messagesDeleted: number;
  readonly outcome: Outcome;
  readonly error: string | null;
}) => string;

/** The only writer of messages. One call is one transaction: fence, rows, dependents, tally, cursor. */
export interface Sweep {
  batch(request: BatchRequest): Promise<BatchAnswer>;
}

/** Pieces of `pieceMs` milliseconds of work, and a nap of `ms` after each. */
export type Naps = { readonly pieceMs: number; readonly ms: number };

export type BatchRequest = {
  readonly run: Run;
  readonly policy: Policy;
  readonly plan: Plan;
  readonly span: Span;
  readonly node: NodeIdentity;
  /** Most units (keys or blocks) that this batch may walk. */
  readonly size: number;
  /** Whether to look up the next existing key first, because the last batch found nothing. */
  readonly skipGap: boolean;
  /** True: rows that others hold locked are skipped and parked; false: meeting one answers `locked`. */
  readonly skipLocked: boolean;
  /** Whether it ends (`waited_for`) when a session waits for it; false when it cannot be made smaller. */
  readonly yields: boolean;
  readonly leaseMs: number;
  /** The pace knows no rests: nobody else is said to work, so the server may be kept busier for us. Absent: false. */
  readonly alone?: boolean;
  /** Rests in the middle of its work. Absent: none; an engine may leave them out. */
  readonly naps?: Naps;
  readonly tell?: (step: BatchStep) => void;
};
/** Where a batch stands, for trace lines: a process killed after one of these is at a known point. */
export type BatchStep = 'deleting' | 'deleted' | 'committing' | 'committed';

export type BatchAnswer =
  | {
      readonly kind: 'swept';
      readonly deleted: number;
      readonly dependents: DependentCounts;
      /** Messages skipped because another session holds them; a parked span was written for them. */
      readonly skipped: number;
      /** Units walked; for pacing and progress, not a promise. */
      readonly walked: number;
      readonly spanDone: boolean;
      /** What the span row said of itself before this batch, committed: the truth after a lost COMMIT. */
      readonly before: { readonly deleted: number; readonly batches: number };
      /** Milliseconds during which message rows were locked. */
      readonly lockedMs: number;
      /**
       * Milliseconds that a smaller range would save: its DELETEs without the round trips, which every batch costs
       * whatever its size.
       */
      readonly workMs: number;
      /** About how many of these were naps. Absent: none. */
      readonly nappedMs?: number;
      readonly maxRate: number | null;
    }
  /** The span is not ours any more, or the run has ended. */
  | { readonly kind: 'lost' }
  | { readonly kind: 'paused' }
  /** Rolled back: another session holds a row of the range. Call again with `skipLocked`. */
  | { readonly kind: 'locked' }
  /** Rolled back: sessions of others waited for its locks. Call again with a smaller range. */
  | { readonly kind: 'waited_for'; readonly sessions: number }
  /** Rolled back: the plan's guards no longer hold (a foreign key or trigger was added, the table rewritten). */
  | { readonly kind: 'plan_changed'; readonly words: string };

export interface Planner {
  /** Database time, bounds, statistics, the first probe. Bounded in time; writes nothing. */
  plan(
    policy: Policy,
  ): Promise<
    { readonly kind: 'nothing'; readonly plan: Plan } | { readonly kind: 'work'; readonly plan: Plan }
  >;
}

/** Callbacks that wait until the receiver answers 200. */
export interface Outbox {
  /**
   * T12: claims up to `limit` due callbacks for `claimMs`; nobody else sends them meanwhile. None of `inHand`, which the
   * caller still sends, though their claims may have run out.
   */
  claimDue(limit: number, claimMs: number, inHand?: readonly string[]): Promise<readonly Callback[]>;
  /** The claim lasts `claimMs` from now. Nothing happens when the attempt is over, or was taken over by another sender. */
  renew(callback: Callback, claimMs: number): Promise<void>;
  delivered(id: string, status: number): Promise<void>;
  /** Due again after `delayMs`. Only the holder of this attempt may say so. */
  refused(callback: Callback, delayMs: number, status: number | null, words: string): Promise<void>;
  /** Milliseconds until the next callback is due; null when none waits. */
  nextDueMs(): Promise<number | null>;
  waiting(): Promise<number>;
  forRun(runId: string): Promise<readonly CallbackState[]>;
}
export type Callback = {
  readonly id: string;
  readonly run: string;
  readonly body: string;
  /** This attempt's number, from 1. */
  readonly attempts: number;
  readonly joinedRequests: readonly string[];
};
export type CallbackState = {
  readonly id: string;
  readonly state: 'waiting' | 'delivered' | 'dropped';
  readonly attempts: number;
  readonly lastStatus: number | null;
  readonly lastError: string | null;
};

/** What the Webapps keep: settings, users, revoked tokens. */
export interface Home {
  settings(): Promise<ApplicationSettings>;
  /** Under a lock; `change` gives what they become, or null, and may be called again. Slots that are others begin anew. */
  changeSettings(change: (before: ApplicationSettings) => ApplicationSettings | null): Promise<void>;
  /** The named secret; `make` gives it a value if it has none, and the first writer wins. */
  secret(name: 'jwt_key', make: () => string): Promise<string>;
  user(name: string): Promise<User | null>;
  /** Creates or changes. Names are compared without case. */
  saveUser(user: User): Promise<void>;
  isRevoked(tokenId: string): Promise<boolean>;
  revoke(tokenId: string, expires: Date): Promise<void>;
}
export type User = {
  readonly name: string;
  readonly role: 'ROLE_ADMIN' | 'ROLE_USER';
  /** scrypt, with its parameters: `scrypt$N$r$p$salt$hash`. */
  readonly passwordHash: string;
};

/** What the ledger remembers of the schedule. */
export interface SlotBook {
  read(): Promise<SlotRecord>;
  /**
   * A slot was acted on. Only ever raised: nothing happens when a later one is there. `warning` is what a person should
   * know of it, until the next slot or another schedule.
   */
  acted(slot: Date, warning: string | null): Promise<void>;
}
/** `storeId`: 32 hex, made with the ledger. */
export type SlotRecord = SlotMarks & { readonly storeId: string; readonly warning: string | null };

export type EngineFacts = {
  readonly engine: 'postgresql' | 'pglite' | 'mysql' | 'mariadb' | 'memory';
  readonly version: string;
  /** Sessions that may be open at once; 1 means that everything goes one after another. */
  readonly sessions: number;
  /** Identity of the server and database, frozen into each run. */
  readonly server: string;
  /**
   * Milliseconds that a batch should take: what an application can wait for us grows with it. `alone` is for a pace
   * without rests, when nobody else is said to work.
   */
  readonly batchTargetMs: { readonly gentle: number; readonly alone: number };
  /** The most of its time that a worker spends in batches at `gentle`, above 0 to 1 (decision 0056). */
  readonly gentleDuty: number;
  /** Milliseconds that a nap in the middle of a batch takes. Null: there are none. */
  readonly napMs: number | null;
};

/** A database with our ledger beside its messages. Nothing connects before `prepare`. */
export interface Store {
  readonly ledger: Ledger;
  readonly sweep: Sweep;
  readonly planner: Planner;
  readonly outbox: Outbox;
  readonly home: Home;
  readonly slots: SlotBook;
  readonly ownTables: OwnTables;
  readonly holds: HoldBook;
  readonly doctor: Doctor;
  readonly preview: Preview;
  readonly signals: Signals;
  /**
   * Connects, refuses a table that is not ours and an unknown schema version (Refusal), migrates.
   * Throws StoreError `unreachable` when there is no server; may be called again.
   */
  prepare(options: {
    readonly migrate: boolean;
    /** False: the messages are in a table of somebody else's; ours are neither made nor asked for. */
    readonly ownTables?: boolean;
    /** False: only the messages are looked at; a ledger that is not there yet is no obstacle. */
    readonly needsLedger?: boolean;
  }): Promise<EngineFacts>;
  /** After a run that deleted something: what the engine does not do by itself (PGlite has no autovacuum). */
  tidyUp(policy: Policy): Promise<void>;
  /** Tells who meets the embedded database's lock where this process can be reached. */
  note(words: string): void;
  /** A round trip, for health; resolves to milliseconds. */
  ping(): Promise<number>;
  close(): Promise<void>;
}

/** Examines a database and a mapping before anything is deleted; changes nothing. */
export interface Doctor {
  /** Everything that can be known, for the command. Errors of single checks become findings. */
  findings(policy: Policy): Promise<readonly Finding[]>;
  /**
   * The part of it that every run asks first: milliseconds, the catalogue and a bounded sample. An error among them stops the run with
   * its words.
   */
  obstacles(policy: Policy): Promise<readonly Finding[]>;
}

/**
 * What must not be deleted whatever its age, kept by the product. Every batch reads it; `add` answers when every batch
 * that began before has ended, so that what it names is safe from then on.
 */
export interface HoldBook {
  add(entry: HoldEntry, by: string): Promise<void>;
  /** The key of a message as the database writes it, which is how batches compare it: `12` for `012`. */
  keyOf(mapping: Mapping, values: readonly string[]): Promise<HoldKey>;
  /** False: it was not there. */
  remove(entry: HoldEntry): Promise<boolean>;
  list(): Promise<readonly (HoldEntry & { readonly by: string; readonly at: Date })[]>;
}
/** `unfit`: these texts can be no key of the table, for this reason. `isThere`: a message has the key now. */
export type HoldKey =
  | { readonly kind: 'unfit'; readonly words: string }
  | { readonly kind: 'key'; readonly value: string; readonly isThere: boolean };
/** `key`: the key's columns as text, several joined by U+001F; `contact`: the value of the mapping's contact column. */
export type HoldEntry = { readonly kind: 'key' | 'contact'; readonly value: string };

/** The tables that we make: for `seed` and `demo`. */
export interface OwnTables {
  /** Adds `rows` messages of a believable mix with receipts; only to a table that we made. Returns what was added. */
  seed(options: SeedOptions): Promise<SeedAnswer>;
  counts(): Promise<{ readonly messages: number; readonly processed: number; readonly receipts: number }>;
}
export type SeedOptions = {
  readonly rows: number;
  /** Share of messages that are processed, 0 to 1. */
  readonly processed: number;
  readonly onProgress: (rows: number) => void;
};
export type SeedAnswer = { readonly messages: number; readonly processed: number; readonly receipts: number };

export type Finding = {
  readonly level: 'ok' | 'warning' | 'error';
  /** Short and stable, for scripts: `privilege_delete`. */
  readonly check: string;
  readonly found: string;
  readonly why: string;
  /** What to do, a statement to run where there is one; null when all is well. */
  readonly todo: string | null;
};

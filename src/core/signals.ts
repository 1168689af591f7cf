import type { PaceName } from './pace.js';
import type { Policy } from './policy.js';

/**
 * What is watched of the database while a run works. `value / limit` is the load of a signal; core/pressure.ts makes
 * the pace of it.
 *
 * - `steer`: the run works less the nearer the load comes to 1, and stands still from there on.
 * - `stop`: says nothing below its limit, and stands still above it.
 * - `slow`: above its limit the run works half as much; it never stands still (a vacuum of a large table takes hours).
 * - `yield`: not sampled; asked by a batch itself, which ends when somebody waits for it.
 */
export type SignalKind = 'steer' | 'stop' | 'slow' | 'yield';

export type SignalRule = {
  readonly kind: SignalKind;
  /** Of values and limits. */
  readonly unit: string;
  /** Of a steering signal: each look is the truth, not a sample of it, and is taken as it is. */
  readonly isLevel?: true;
  /** By profile; null: not used in it. `full` is for windows in which nobody else works. */
  readonly limits: Readonly<Record<PaceName, number | null>>;
  readonly says: string;
};

/** Sources of the first limits: decision 0035. */
export const signalRules = {
  canary: {
    kind: 'steer',
    unit: 'ms',
    limits: { gentle: 10, balanced: 25, full: null },
    says: 'How long a small read by key and a write of one row take on a connection of their own (95th percentile of the last seconds). The limit is this or three times the figure from before the first batch, whichever is more.',
  },
  waiters: {
    kind: 'yield',
    unit: 'sessions',
    limits: { gentle: 1, balanced: 1, full: 1 },
    says: 'Sessions that wait for a lock of ours. Looked for when a batch is older than 100 ms; the batch is rolled back and tried again with half of its rows.',
  },
  active_sessions: {
    kind: 'steer',
    unit: 'sessions per core',
    limits: { gentle: 2, balanced: 4, full: null },
    says: 'Sessions of others that work at this moment, for each core of the database machine.',
  },
  replica_lag: {
    kind: 'stop',
    unit: 's',
    limits: { gentle: 5, balanced: 10, full: 60 },
    says: 'How far the slowest replica is behind.',
  },
  replication_slots: {
    kind: 'stop',
    unit: 'bytes',
    limits: { gentle: 10 * 2 ** 30, balanced: 10 * 2 ** 30, full: 50 * 2 ** 30 },
    says: 'Log that the slowest replication slot holds back. Half of max_slot_wal_keep_size where that is less.',
  },
  wal_archive: {
    kind: 'stop',
    unit: 'segments',
    limits: { gentle: 42, balanced: 42, full: 420 },
    says: 'Log segments that wait to be archived.',
  },
  vacuum: {
    kind: 'slow',
    unit: 'vacuums',
    limits: { gentle: 1, balanced: 1, full: null },
    says: 'Vacuums at work on a table that loses rows.',
  },
  dead_rows: {
    kind: 'slow',
    unit: 'share',
    limits: { gentle: 0.5, balanced: null, full: null },
    says: 'Rows of the messages table that are dead and not vacuumed yet. Never stops a run: where nobody vacuums it would stand still for ever.',
  },
  oldest_transaction: {
    kind: 'slow',
    unit: 's',
    limits: { gentle: 900, balanced: 900, full: null },
    says: 'Age of the oldest open transaction: while it lasts, rows that are deleted cannot be cleaned away.',
  },
  history_list: {
    kind: 'steer',
    unit: 'entries',
    limits: { gentle: 2_000_000, balanced: 5_000_000, full: 20_000_000 },
    says: "InnoDB's history list: changes that purge has not cleaned away yet.",
  },
  redo_log: {
    kind: 'steer',
    unit: 'share',
    isLevel: true,
    limits: { gentle: 0.95, balanced: 0.95, full: null },
    says: "How full InnoDB's redo log is. Near its end the server writes all its pages at once, and every COMMIT waits.",
  },
  flow_control: {
    kind: 'stop',
    unit: 'share',
    limits: { gentle: 0.05, balanced: 0.05, full: 0.2 },
    says: 'Share of the time for which a Galera cluster holds its writers back, because its slowest machine cannot keep up.',
  },
  disk_used: {
    kind: 'stop',
    unit: 'share',
    limits: { gentle: 0.9, balanced: 0.9, full: 0.95 },
    says: "Share of the disk under the server's data that is used, where it can be known.",
  },
  own_check: {
    kind: 'stop',
    unit: '',
    limits: { gentle: 1, balanced: 1, full: 1 },
    says: 'The number (or truth value) that your own statement gives: `MESSAGE_GC_CHECK_SQL`.',
  },
} as const satisfies Readonly<Record<string, SignalRule>>;

export type SignalName = keyof typeof signalRules;
export const signalNames = Object.keys(signalRules) as readonly SignalName[];

/** What the operator said of single signals (`MESSAGE_GC_SIGNALS`). */
export type SignalChoice = {
  readonly off?: true;
  /** It may become unreadable without stopping the run. */
  readonly optional?: true;
  /** In place of the profile's, in the signal's unit. */
  readonly limit?: number;
};
export type SignalChoices = Readonly<Partial<Record<SignalName, SignalChoice>>>;

/** Where signals come from that the connection alone does not give. */
export type SignalSources = {
  /** Of the database machine; null: known only when it is this one. */
  readonly cores: number | null;
  /** The operator's own statement: one number or truth value. */
  readonly checkSql: string | null;
  /** Addresses of replicas to ask (MySQL family; PostgreSQL's primary knows its own). */
  readonly replicas: readonly string[];
};
export const noSources: SignalSources = { cores: null, checkSql: null, replicas: [] };

/** One look. `limit`: the server's own, where it is lower than ours; `baseline`: the value before the first batch. */
export type Reading =
  | {
      readonly signal: SignalName;
      readonly value: number;
      readonly limit?: number;
      readonly baseline?: number;
      /** What a person wants to know with it: which replica, which session. */
      readonly detail?: string;
    }
  /** It is watched, and could not be read this time. */
  | { readonly signal: SignalName; readonly trouble: string };

/** Whether a signal can be watched here; `why` it cannot (no privilege, not that engine, nothing to watch). */
export type SignalProbe = { readonly signal: SignalName } & (
  | { readonly state: 'used' }
  | { readonly state: 'absent'; readonly why: string }
);

/** Watching one run. */
export interface SignalWatch {
  readonly probes: readonly SignalProbe[];
  /**
   * One reading for each used signal that is sampled, told as soon as it is there; never throws for a single signal. The
   * looks begin evenly over `overMs` milliseconds; with 0 one right after another.
   */
  sample(overMs: number, told: (reading: Reading) => void): Promise<void>;
  close(): Promise<void>;
}

/** The health of a database, as its engine can tell it. */
export interface Signals {
  /**
   * Finds out what can be watched and takes the canary's figure from before the first batch; under a second.
   * `skipped` are not asked at all.
   */
  watch(policy: Policy, skipped: ReadonlySet<SignalName>): Promise<SignalWatch>;
}

/** Where nothing can be watched: one session, no server. `why` for each signal. */
export function nothingToWatch(why: string): Signals {
  return {
    watch: async () => ({
      probes: signalNames.map((signal) => ({ signal, state: 'absent', why })),
      sample: async () => undefined,
      close: async () => undefined,
    }),
  };
}

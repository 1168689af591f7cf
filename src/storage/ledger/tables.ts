import type { ColumnType, Generated, Insertable, Selectable } from 'kysely';

/**
 * Our own tables, as the query builder knows them (protocol: one row decides). Ids, names and states are ASCII
 * under binary collation; times are the database's; JSON is kept as text, because it is compared for equality only.
 * No foreign keys between them: every batch would lock the run row.
 */
export type Tables = {
  ledger: LedgerTable;
  run: RunTable;
  request: RequestTable;
  span: SpanTable;
  tally: TallyTable;
  outbox: OutboxTable;
  node: NodeTable;
  setting: { name: string; value: string };
  user: UserTable;
  revoked_token: { id: string; expires_at: Date };
  hold: { kind: 'key' | 'contact'; value: string; made_by: string; made_at: Date };
};

type LedgerTable = {
  one: number;
  store_id: string;
  cluster: string | null;
  /** Schema version that the tables have. */
  schema: number;
  /** Lowest schema version whose code may still work on them. */
  oldest: number;
};

type RunTable = {
  id: string;
  /** 1, or NULL once ended: UNIQUE, so that there is one active run. */
  active: number | null;
  state: 'requested' | 'running' | 'ended';
  outcome: 'complete' | 'failed' | null;
  error: string | null;
  form: 'single' | 'multi';
  policy: string | null;
  policy_hash: string;
  server: string;
  horizon: string | null;
  walk: 'key' | 'age' | 'blocks' | null;
  low_key: string | null;
  high_key: string | null;
  plan: string | null;
  round: Generated<number>;
  idle_rounds: Generated<number>;
  round_base: Generated<number>;
  /** Last span number given. */
  spans: Generated<number>;
  paused: Generated<boolean>;
  paused_by: string | null;
  max_rate: number | null;
  profile: 'gentle' | 'balanced' | 'full' | null;
  /** Raised by every guarded write, so that none is a no-op. */
  version: Generated<number>;
  deleted: Generated<number>;
  dependents: Generated<string>;
  requested_by: string;
  made_at: Date;
  planned_at: Date | null;
  ended_at: Date | null;
};

type RequestTable = { id: string; run: string; made_by: string; made_at: Date };

type SpanTable = {
  run: string;
  no: number;
  round: number;
  kind: 'walk' | 'parked' | 'look';
  /** Exclusive. */
  low_key: string;
  /** Inclusive. */
  high_key: string;
  cursor_key: string;
  state: 'open' | 'leased' | 'done' | 'closed';
  owner: string | null;
  boot: string | null;
  /** Raised by every taking; a late zombie's write does not find its number. */
  fence: Generated<number>;
  lease_until: Date | null;
  due_at: Date;
  attempts: Generated<number>;
  batches: Generated<number>;
  deleted: Generated<number>;
  /** Parked: how many messages others held locked when it was last tried. */
  skipped: Generated<number>;
};

type TallyTable = {
  run: string;
  /** 0 = "takes part", always zeros. */
  span: number;
  node: string;
  deleted: Generated<number>;
  /** JSON object: rows removed by dependent table. */
  dependents: Generated<string>;
  batches: Generated<number>;
  busy_ms: Generated<number>;
};

type OutboxTable = {
  id: string;
  run: string;
  /** '' for the single form. */
  node: string;
  body: string;
  state: 'waiting' | 'delivered' | 'dropped';
  attempts: Generated<number>;
  due_at: Date;
  claimed_until: Date | null;
  last_status: number | null;
  last_error: string | null;
  delivered_at: Date | null;
};

type NodeTable = {
  name: string;
  boot: string;
  address: string;
  policy_hash: string;
  started_at: Date;
  beat_at: Date;
  beats: Generated<number>;
  left_at: Date | null;
  /** JSON: the run, and what the node said of its part in it. */
  live: string | null;
  live_at: Date | null;
};

type UserTable = {
  /** Lower case: names are compared without case. */
  name: string;
  shown_name: string;
  role: 'ROLE_ADMIN' | 'ROLE_USER';
  password_hash: string;
  made_at: ColumnType<Date, never, never>;
};

export type RunRow = Selectable<RunTable>;
export type SpanRow = Selectable<SpanTable>;
export type NewSpan = Insertable<SpanTable>;

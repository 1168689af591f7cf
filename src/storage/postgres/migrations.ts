import { type Kysely, type Migration, Migrator, sql } from 'kysely';
import { randomBytes } from 'node:crypto';
import { Refusal } from '../../core/errors.js';
import type { Tables } from '../ledger/tables.js';
import { ledgerSchema } from './dialect.js';

/** Schema version of this program's tables, and the lowest version whose code may still work on them. */
export const schemaVersion = 4;
/** Version 1 knows no hold list: it would delete what is on it. */
const oldestWorking = 2;

/**
 * Numbered, forward only; each migration runs in a transaction under the migrator's lock. They only add, so that
 * nodes can be upgraded one by one.
 */
const migrations: Readonly<Record<string, Migration>> = {
  '001_ledger': {
    async up(db: Kysely<unknown>) {
      for (const statement of first) await sql.raw(statement).execute(db);
      await sql`INSERT INTO message_gc.ledger (one, store_id, schema, oldest)
        VALUES (1, ${randomBytes(16).toString('hex')}, 1, 1)`.execute(db);
    },
  },
  '002_hold': {
    async up(db: Kysely<unknown>) {
      // No collation of its own: a hold's value is compared by the collation of the column that it is compared with.
      await sql`CREATE TABLE message_gc.hold (
        kind text COLLATE "C" NOT NULL, value varchar(512) NOT NULL, made_by text NOT NULL, made_at timestamptz NOT NULL,
        PRIMARY KEY (kind, value))`.execute(db);
      await sql`UPDATE message_gc.ledger SET schema = 2, oldest = ${oldestWorking}`.execute(db);
    },
  },
  // Code of version 2 works on: it goes by its own profile, and tells nothing of itself.
  '003_steering': {
    async up(db: Kysely<unknown>) {
      await sql`ALTER TABLE message_gc.run ADD COLUMN profile text COLLATE "C"`.execute(db);
      await sql`ALTER TABLE message_gc.node ADD COLUMN live text, ADD COLUMN live_at timestamptz`.execute(db);
      await sql`UPDATE message_gc.ledger SET schema = 3`.execute(db);
    },
  },
  // Code of version 3 works on: it has no canary.
  '004_canary': {
    async up(db: Kysely<unknown>) {
      // Much room beside each row: its versions stay on its page and no index is written.
      await sql`CREATE TABLE message_gc.canary (
        id text COLLATE "C" PRIMARY KEY, at timestamptz NOT NULL) WITH (fillfactor = 20)`.execute(db);
      await sql`UPDATE message_gc.ledger SET schema = ${schemaVersion}`.execute(db);
    },
  },
};

/*
 * fillfactor 60 and no index on a column that a batch changes: the updates of span and tally stay heap-only, so that
 * the rows which every batch writes do not bloat an index.
 */
const first: readonly string[] = [
  `CREATE TABLE message_gc.ledger (
    one smallint PRIMARY KEY CHECK (one = 1), store_id text COLLATE "C" NOT NULL, cluster text COLLATE "C",
    schema integer NOT NULL, oldest integer NOT NULL)`,
  `CREATE TABLE message_gc.run (
    id text COLLATE "C" PRIMARY KEY, active smallint UNIQUE, state text COLLATE "C" NOT NULL,
    outcome text COLLATE "C", error text, form text COLLATE "C" NOT NULL, policy text,
    policy_hash text COLLATE "C" NOT NULL, server text COLLATE "C" NOT NULL, horizon text COLLATE "C",
    walk text COLLATE "C", low_key text, high_key text, plan text, round integer NOT NULL DEFAULT 0,
    idle_rounds integer NOT NULL DEFAULT 0, round_base bigint NOT NULL DEFAULT 0, spans integer NOT NULL DEFAULT 0,
    paused boolean NOT NULL DEFAULT false, paused_by text, max_rate integer, version integer NOT NULL DEFAULT 0,
    deleted bigint NOT NULL DEFAULT 0, dependents text NOT NULL DEFAULT '{}', requested_by text NOT NULL,
    made_at timestamptz NOT NULL, planned_at timestamptz, ended_at timestamptz) WITH (fillfactor = 60)`,
  'CREATE INDEX run_made_at ON message_gc.run (made_at)',
  `CREATE TABLE message_gc.request (
    id text COLLATE "C" PRIMARY KEY, run text COLLATE "C" NOT NULL, made_by text NOT NULL, made_at timestamptz NOT NULL)`,
  'CREATE INDEX request_run ON message_gc.request (run)',
  `CREATE TABLE message_gc.span (
    run text COLLATE "C" NOT NULL, no integer NOT NULL, round integer NOT NULL, kind text COLLATE "C" NOT NULL,
    low_key text NOT NULL, high_key text NOT NULL, cursor_key text NOT NULL, state text COLLATE "C" NOT NULL,
    owner text COLLATE "C", boot text COLLATE "C", fence integer NOT NULL DEFAULT 0, lease_until timestamptz,
    due_at timestamptz NOT NULL, attempts integer NOT NULL DEFAULT 0, batches integer NOT NULL DEFAULT 0,
    deleted bigint NOT NULL DEFAULT 0, skipped integer NOT NULL DEFAULT 0,
    PRIMARY KEY (run, no)) WITH (fillfactor = 60)`,
  `CREATE TABLE message_gc.tally (
    run text COLLATE "C" NOT NULL, span integer NOT NULL, node text COLLATE "C" NOT NULL,
    deleted bigint NOT NULL DEFAULT 0, dependents text NOT NULL DEFAULT '{}', batches integer NOT NULL DEFAULT 0,
    busy_ms bigint NOT NULL DEFAULT 0, PRIMARY KEY (run, span, node)) WITH (fillfactor = 60)`,
  `CREATE TABLE message_gc.outbox (
    id text COLLATE "C" PRIMARY KEY, run text COLLATE "C" NOT NULL, node text COLLATE "C" NOT NULL, body text NOT NULL,
    state text COLLATE "C" NOT NULL, attempts integer NOT NULL DEFAULT 0, due_at timestamptz NOT NULL,
    claimed_until timestamptz, last_status integer, last_error text, delivered_at timestamptz, UNIQUE (run, node))`,
  `CREATE INDEX outbox_waiting ON message_gc.outbox (due_at) WHERE state = 'waiting'`,
  `CREATE TABLE message_gc.node (
    name text COLLATE "C" PRIMARY KEY, boot text COLLATE "C" NOT NULL, address text NOT NULL,
    policy_hash text COLLATE "C" NOT NULL, started_at timestamptz NOT NULL, beat_at timestamptz NOT NULL,
    beats integer NOT NULL DEFAULT 0, left_at timestamptz) WITH (fillfactor = 60)`,
  'CREATE TABLE message_gc.setting (name text COLLATE "C" PRIMARY KEY, value text NOT NULL)',
  `CREATE TABLE message_gc."user" (
    name text PRIMARY KEY, shown_name text NOT NULL, role text COLLATE "C" NOT NULL, password_hash text NOT NULL,
    made_at timestamptz NOT NULL)`,
  'CREATE TABLE message_gc.revoked_token (id text COLLATE "C" PRIMARY KEY, expires_at timestamptz NOT NULL)',
];

/** The schema version found; 0 when there is none yet. Refuses a future version whose `oldest` this code is below. */
export async function readSchemaVersion(db: Kysely<Tables>): Promise<number> {
  const there = await sql<{ is: boolean }>`SELECT to_regclass('message_gc.ledger') IS NOT NULL AS is`.execute(
    db,
  );
  if (there.rows[0]?.is !== true) return 0;
  const row = await db
    .selectFrom('ledger')
    .select(['schema', 'oldest'])
    .where('one', '=', 1)
    .executeTakeFirst();
  if (row === undefined) return 0;
  if (row.oldest > schemaVersion) {
    throw new Refusal(
      'configuration',
      `The tables of message_gc have schema version ${row.schema}, which only programs for version ${row.oldest} and newer may work on; this program knows version ${schemaVersion}. Nothing was changed. Start the newer message-gc that made them`,
    );
  }
  return row.schema;
}

/** Brings the tables to this program's version. Safe when several nodes start at once. */
export async function migrate(db: Kysely<Tables>): Promise<void> {
  const found = await readSchemaVersion(db);
  // A later version that still lets this code work: nothing to do, and the migrator would not know its migrations.
  if (found >= schemaVersion) return;
  const migrator = new Migrator({
    // The migrations name their schema themselves: the migrator's builder has none.
    db: db.withoutPlugins(),
    provider: { getMigrations: async () => ({ ...migrations }) },
    migrationTableSchema: ledgerSchema,
    migrationTableName: 'migration',
    migrationLockTableName: 'migration_lock',
  });
  const { error } = await migrator.migrateToLatest();
  if (error !== undefined) throw error;
}

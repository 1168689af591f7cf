import { randomBytes } from 'node:crypto';
import { Refusal } from '../../core/errors.js';
import { own, textSql } from './names.js';
import type { Session } from './session.js';

/** Schema version of this program's tables, and the lowest version whose code may still work on them. */
export const schemaVersion = 4;
/** Version 1 knows no hold list: it would delete what is on it. */
const oldestWorking = 2;

/** ASCII and compared byte by byte: ids, names and states. */
const ascii = (length: number): string => `varchar(${length}) CHARACTER SET ascii COLLATE ascii_bin`;
/** Compared byte by byte for equality, whatever is in it: bounds. */
const bytewise = 'CHARACTER SET utf8mb4 COLLATE utf8mb4_bin';

const tableOptions = 'ENGINE=InnoDB DEFAULT CHARSET=utf8mb4';

/**
 * DDL commits by itself here, so a migration cannot be undone when it dies in the middle. Instead each statement does
 * nothing when it was done before, and the ledger's row, by which the version is known, is written last: the next
 * start begins again and goes through. Statements of later versions must keep to that. Two nodes may do it at once.
 */
export const statements: readonly string[] = [
  `CREATE TABLE IF NOT EXISTS ${own('ledger')} (
    one smallint NOT NULL PRIMARY KEY, store_id ${ascii(32)} NOT NULL, cluster ${ascii(64)}, \`schema\` int NOT NULL,
    oldest int NOT NULL) ${tableOptions}`,
  `CREATE TABLE IF NOT EXISTS ${own('run')} (
    id ${ascii(64)} NOT NULL PRIMARY KEY, active smallint, state ${ascii(16)} NOT NULL, outcome ${ascii(16)},
    error text, form ${ascii(16)} NOT NULL, policy longtext ${bytewise}, policy_hash ${ascii(64)} NOT NULL,
    server varchar(512) ${bytewise} NOT NULL, horizon ${ascii(40)}, walk ${ascii(16)}, low_key text ${bytewise},
    high_key text ${bytewise}, plan longtext ${bytewise}, round int NOT NULL DEFAULT 0,
    idle_rounds int NOT NULL DEFAULT 0, round_base bigint NOT NULL DEFAULT 0, spans int NOT NULL DEFAULT 0,
    paused boolean NOT NULL DEFAULT false, paused_by varchar(255), max_rate int, version int NOT NULL DEFAULT 0,
    deleted bigint NOT NULL DEFAULT 0, dependents longtext ${bytewise} NOT NULL DEFAULT ('{}'),
    requested_by varchar(255) NOT NULL, made_at datetime(6) NOT NULL, planned_at datetime(6), ended_at datetime(6),
    UNIQUE KEY run_active (active), KEY run_made_at (made_at)) ${tableOptions}`,
  `CREATE TABLE IF NOT EXISTS ${own('request')} (
    id ${ascii(64)} NOT NULL PRIMARY KEY, run ${ascii(64)} NOT NULL, made_by varchar(255) NOT NULL,
    made_at datetime(6) NOT NULL, KEY request_run (run)) ${tableOptions}`,
  // No index on a column that a batch changes.
  `CREATE TABLE IF NOT EXISTS ${own('span')} (
    run ${ascii(64)} NOT NULL, no int NOT NULL, round int NOT NULL, kind ${ascii(16)} NOT NULL,
    low_key text ${bytewise} NOT NULL, high_key text ${bytewise} NOT NULL, cursor_key text ${bytewise} NOT NULL,
    state ${ascii(16)} NOT NULL, owner varchar(320) ${bytewise}, boot ${ascii(64)}, fence int NOT NULL DEFAULT 0,
    lease_until datetime(6), due_at datetime(6) NOT NULL, attempts int NOT NULL DEFAULT 0,
    batches int NOT NULL DEFAULT 0, deleted bigint NOT NULL DEFAULT 0, skipped int NOT NULL DEFAULT 0,
    PRIMARY KEY (run, no)) ${tableOptions}`,
  `CREATE TABLE IF NOT EXISTS ${own('tally')} (
    run ${ascii(64)} NOT NULL, span int NOT NULL, node varchar(320) ${bytewise} NOT NULL,
    deleted bigint NOT NULL DEFAULT 0, dependents longtext ${bytewise} NOT NULL DEFAULT ('{}'),
    batches int NOT NULL DEFAULT 0, busy_ms bigint NOT NULL DEFAULT 0, PRIMARY KEY (run, span, node)) ${tableOptions}`,
  `CREATE TABLE IF NOT EXISTS ${own('outbox')} (
    id ${ascii(64)} NOT NULL PRIMARY KEY, run ${ascii(64)} NOT NULL, node varchar(320) ${bytewise} NOT NULL,
    body longtext ${bytewise} NOT NULL, state ${ascii(16)} NOT NULL, attempts int NOT NULL DEFAULT 0,
    due_at datetime(6) NOT NULL, claimed_until datetime(6), last_status int, last_error text,
    delivered_at datetime(6), UNIQUE KEY outbox_run_node (run, node), KEY outbox_waiting (state, due_at)) ${tableOptions}`,
  `CREATE TABLE IF NOT EXISTS ${own('node')} (
    name varchar(320) ${bytewise} NOT NULL PRIMARY KEY, boot ${ascii(64)} NOT NULL, address varchar(320) NOT NULL,
    policy_hash ${ascii(64)} NOT NULL, started_at datetime(6) NOT NULL, beat_at datetime(6) NOT NULL,
    beats int NOT NULL DEFAULT 0, left_at datetime(6)) ${tableOptions}`,
  `CREATE TABLE IF NOT EXISTS ${own('setting')} (
    name ${ascii(64)} NOT NULL PRIMARY KEY, value longtext ${bytewise} NOT NULL) ${tableOptions}`,
  `CREATE TABLE IF NOT EXISTS ${own('user')} (
    name varchar(255) ${bytewise} NOT NULL PRIMARY KEY, shown_name varchar(255) ${bytewise} NOT NULL,
    role ${ascii(16)} NOT NULL, password_hash varchar(512) ${bytewise} NOT NULL, made_at datetime(6) NOT NULL) ${tableOptions}`,
  `CREATE TABLE IF NOT EXISTS ${own('revoked_token')} (
    id ${ascii(128)} NOT NULL PRIMARY KEY, expires_at datetime(6) NOT NULL) ${tableOptions}`,
  // Version 2.
  `CREATE TABLE IF NOT EXISTS ${own('hold')} (
    kind ${ascii(16)} NOT NULL, value varchar(512) ${bytewise} NOT NULL, made_by varchar(255) NOT NULL,
    made_at datetime(6) NOT NULL, PRIMARY KEY (kind, value)) ${tableOptions}`,
  // Version 4. Written by whoever watches the database's health, read on its replicas.
  `CREATE TABLE IF NOT EXISTS ${own('pulse')} (
    id ${ascii(64)} NOT NULL PRIMARY KEY, beat_at datetime(6) NOT NULL) ${tableOptions}`,
];

/**
 * Columns of later versions (3). MySQL knows no ADD COLUMN IF NOT EXISTS, so what is missing is looked up; a new
 * database gets them in the same way.
 */
const laterColumns: readonly (readonly [table: string, column: string, type: string])[] = [
  ['run', 'profile', ascii(16)],
  ['node', 'live', `longtext ${bytewise}`],
  ['node', 'live_at', 'datetime(6)'],
];

/** ER_DUP_FIELDNAME: another node that starts at the same moment has added it. */
const columnIsThere = 1060;

async function addLaterColumns(session: Session): Promise<void> {
  for (const [table, column, type] of laterColumns) {
    const there = await session.rows(
      `SELECT 1 FROM information_schema.COLUMNS WHERE TABLE_SCHEMA = DATABASE()
         AND TABLE_NAME = ${textSql(`message_gc_${table}`)} AND COLUMN_NAME = ${textSql(column)}`,
    );
    if (there.length > 0) continue;
    try {
      await session.write(`ALTER TABLE ${own(table)} ADD COLUMN ${column} ${type}`);
    } catch (error) {
      if ((error as { readonly errno?: unknown }).errno !== columnIsThere) throw error;
    }
  }
}

export type LedgerState = {
  /** 0 when there is none yet, or when a migration died before its end. */
  readonly version: number;
  readonly storeId: string;
};

/** Refuses a future version whose `oldest` this code is below. */
export async function readLedgerState(session: Session): Promise<LedgerState> {
  const none: LedgerState = { version: 0, storeId: '' };
  const there = await session.rows(
    `SELECT 1 FROM information_schema.TABLES WHERE TABLE_SCHEMA = DATABASE() AND TABLE_NAME = 'message_gc_ledger'`,
  );
  if (there.length === 0) return none;
  const rows = await session.rows<{ schema: number; oldest: number; store: string }>(
    `SELECT \`schema\`, oldest, store_id AS store FROM ${own('ledger')} WHERE one = 1`,
  );
  const row = rows[0];
  if (row === undefined) return none;
  if (row.oldest > schemaVersion) {
    throw new Refusal(
      'configuration',
      `The tables message_gc_* have schema version ${row.schema}, which only programs for version ${row.oldest} and newer may work on; this program knows version ${schemaVersion}. Nothing was changed. Start the newer message-gc that made them`,
    );
  }
  return { version: row.schema, storeId: row.store };
}

/** Brings the tables to this program's version. Safe when several nodes start at once, and after a crash in it. */
export async function migrate(session: Session): Promise<LedgerState> {
  const found = await readLedgerState(session);
  if (found.version >= schemaVersion) return found;
  for (const statement of statements) await session.write(statement);
  await addLaterColumns(session);
  // Whoever comes second changes no id: the store's is the first one's. A version never goes back.
  await session.write(
    `INSERT INTO ${own('ledger')} (one, store_id, \`schema\`, oldest)
     VALUES (1, ${textSql(randomBytes(16).toString('hex'))}, ${schemaVersion}, ${oldestWorking})
     ON DUPLICATE KEY UPDATE oldest = GREATEST(oldest, ${oldestWorking}), \`schema\` = GREATEST(\`schema\`, ${schemaVersion})`,
  );
  return readLedgerState(session);
}

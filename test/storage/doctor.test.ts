import { randomBytes } from 'node:crypto';
import type pg from 'pg';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type Mapping, ownMapping } from '../../src/core/mapping.js';
import type { Policy } from '../../src/core/policy.js';
import type { Finding } from '../../src/core/ports.js';
import { serverFindings } from '../../src/storage/postgres/checks/server.js';
import { doctorFindings } from '../../src/storage/postgres/doctor.js';
import { createOwnTables } from '../../src/storage/postgres/own-tables.js';
import { PgliteWorld } from './pglite-world.js';
import { ScratchDatabase } from './postgres-scratch.js';

const scratch = new ScratchDatabase();
const world = new PgliteWorld();
/** A name that must be quoted. */
const roleName = `Gc "${randomBytes(4).toString('hex')}"`;
const quotedRole = `"${roleName.replaceAll('"', '""')}"`;
let poor: pg.Client;
beforeAll(async () => {
  await scratch.create();
  await scratch.pool.query('CREATE SCHEMA message_gc');
  await scratch.pool.query('CREATE TABLE message_gc.setting (name text PRIMARY KEY, value text NOT NULL)');
  const record = await createOwnTables(scratch.pool);
  await scratch.pool.query("INSERT INTO message_gc.setting VALUES ('own_tables', $1)", [
    JSON.stringify(record),
  ]);
  poor = await scratch.clientOfNewRole(roleName);
}, 60_000);
afterAll(async () => {
  await poor.end();
  await scratch.drop();
  await world.end();
});

const own: Policy = { mapping: ownMapping, retentionSeconds: 0 };
type Client = Pick<pg.Client, 'query'>;

/** As the store asks, in whatever transaction the client is. */
async function everything(client: Client, policy: Policy = own): Promise<readonly Finding[]> {
  return [...(await serverFindings(client)), ...(await doctorFindings(client, policy))];
}
/** In a transaction of its own. */
async function examined(client: Client, policy: Policy = own): Promise<readonly Finding[]> {
  await client.query('BEGIN READ ONLY');
  try {
    return await doctorFindings(client, policy);
  } finally {
    await client.query('ROLLBACK');
  }
}

/** Runs `work` in a transaction that is rolled back, so that each test finds the database as it was made. */
async function changed(statements: readonly string[]): Promise<readonly Finding[]> {
  const client = await scratch.pool.connect();
  try {
    await client.query('BEGIN');
    for (const statement of statements) await client.query(statement);
    return await everything(client);
  } finally {
    await client.query('ROLLBACK');
    client.release();
  }
}
/** What is not well, but for the settings of the test server itself. */
const notWell = (findings: readonly Finding[]): readonly Finding[] =>
  findings.filter(({ level, check }) => level !== 'ok' && check !== 'autovacuum');
const of = (findings: readonly Finding[], check: string): Finding | undefined =>
  findings.find((finding) => finding.check === check);

test('a database that message-gc made itself is well in every point', async () => {
  const findings = await changed([]);
  expect(notWell(findings)).toEqual([]);
  expect(findings.every(({ level, todo }) => (level === 'ok') === (todo === null))).toBe(true);
  expect(of(findings, 'server_version')?.found).toMatch(/^PostgreSQL \d/);
});

test.each([
  ['table_ours', 'error', 'DELETE FROM message_gc.setting', 'message-gc init'],
  ['table_ours', 'error', 'ALTER TABLE messages ADD COLUMN extra int', 'message-gc init'],
  ['table_ours', 'warning', 'DROP TABLE messages, message_receipts', 'message-gc migrate'],
  [
    'index_probe',
    'warning',
    'DROP INDEX messages_processed_at_idx',
    'CREATE INDEX CONCURRENTLY ON "messages" ("processed_at");',
  ],
  [
    'index_dependents',
    'error',
    'DROP INDEX message_receipts_message_id_idx',
    'CREATE INDEX CONCURRENTLY ON "message_receipts" ("message_id");',
  ],
  ['foreign_keys', 'error', 'CREATE TABLE reactions (m bigint REFERENCES messages)', 'dependents'],
  ['foreign_keys', 'error', 'CREATE TABLE scans (r bigint REFERENCES message_receipts)', 'dependents'],
  [
    'triggers',
    'warning',
    `CREATE TRIGGER seen AFTER DELETE ON messages EXECUTE FUNCTION suppress_redundant_updates_trigger()`,
    'drop or disable',
  ],
  ['table_kind', 'warning', 'CREATE TABLE old () INHERITS (messages)', 'by its key'],
  ['writable', 'error', 'SET LOCAL transaction_read_only = on', 'default_transaction_read_only'],
  ['deadlock_timeout', 'warning', "SET LOCAL deadlock_timeout = '50ms'", 'deadlock_timeout'],
] as const)('%s: %s after %s', async (check, level, statement, todo) => {
  const finding = of(await changed([statement]), check);
  expect(finding).toMatchObject({ level, todo: expect.stringContaining(todo) });
  expect(finding?.why).not.toBe('');
});

test('autovacuum is well exactly when the server has it on', async () => {
  const { rows } = await scratch.pool.query("SELECT current_setting('autovacuum') AS setting");
  expect(of(await changed([]), 'autovacuum')?.level).toBe(rows[0].setting === 'on' ? 'ok' : 'warning');
});

test('a partial index serves neither the probe nor the dependents', async () => {
  const findings = await changed([
    'DROP INDEX messages_processed_at_idx',
    "CREATE INDEX ON messages (processed_at) WHERE state = 'read'",
  ]);
  expect(of(findings, 'index_probe')?.level).toBe('warning');
});

test('a user who may not make the tables is told both statements', async () => {
  const findings = await changed([
    'DROP TABLE messages, message_receipts',
    'DROP SCHEMA message_gc CASCADE',
    'REVOKE CREATE ON SCHEMA public FROM PUBLIC',
    `SET LOCAL ROLE ${quotedRole}`,
  ]);
  expect(of(findings, 'privilege_ledger')).toMatchObject({
    level: 'error',
    todo: expect.stringMatching(/^GRANT CREATE ON DATABASE \S+ TO .*; GRANT CREATE ON SCHEMA public TO .*;$/),
  });
});

test('a disabled trigger is no trigger', async () => {
  const findings = await changed([
    'CREATE TRIGGER seen AFTER DELETE ON messages EXECUTE FUNCTION suppress_redundant_updates_trigger()',
    'ALTER TABLE messages DISABLE TRIGGER seen',
  ]);
  expect(of(findings, 'triggers')?.level).toBe('ok');
});

test('a mapped table that is not there is named', async () => {
  const mapping: Mapping = { ...ownMapping, store: 'shop', table: { schema: 'public', name: 'chats' } };
  expect(of(await examined(poor, { ...own, mapping }), 'table_present')).toMatchObject({
    level: 'error',
    found: expect.stringContaining('public.chats'),
  });
});

test('the GRANT statements for what is missing are exact: run as they are, they mend every error', async () => {
  const before = await examined(poor);
  expect(of(before, 'privilege_messages')).toMatchObject({
    level: 'error',
    todo: `GRANT SELECT, UPDATE, DELETE ON TABLE public.messages TO ${quotedRole};`,
  });
  const checks = [
    'privilege_messages',
    'privilege_dependents',
    'privilege_ledger',
    'privilege_unchecked',
    'privilege_signals',
  ];
  for (const check of checks) {
    const finding = of(before, check);
    const isOptional = check === 'privilege_unchecked' || check === 'privilege_signals';
    expect(finding?.level).toBe(isOptional ? 'warning' : 'error');
    await scratch.pool.query(finding?.todo ?? '');
  }
  const after = await examined(poor);
  expect(notWell(after)).toEqual([]);
  // A parameter's privileges outlive the database, and the role could not be dropped while it has one.
  await scratch.pool.query(`REVOKE SET ON PARAMETER session_replication_role FROM ${quotedRole}`);
});

test('policies that apply to this user are found', async () => {
  await scratch.pool.query('ALTER TABLE message_receipts ENABLE ROW LEVEL SECURITY');
  expect(of(await examined(poor), 'row_security')).toMatchObject({
    level: 'error',
    found: expect.stringContaining('message_receipts'),
    todo: `ALTER ROLE ${quotedRole} BYPASSRLS;`,
  });
  await scratch.pool.query('ALTER TABLE message_receipts DISABLE ROW LEVEL SECURITY');
  expect(of(await examined(poor), 'row_security')?.level).toBe('ok');
});

test('the embedded database is examined without what only servers have', async () => {
  await world.prepare();
  const { pool } = await world.open();
  const record = await createOwnTables(pool);
  await pool.query(
    'CREATE SCHEMA message_gc; CREATE TABLE message_gc.setting (name text PRIMARY KEY, value text)',
  );
  await pool.query("INSERT INTO message_gc.setting VALUES ('own_tables', $1)", [JSON.stringify(record)]);
  const session = await pool.connect();
  const findings = [...(await serverFindings(session)), ...(await examined(session))];
  session.release();
  expect(notWell(findings)).toEqual([]);
  expect(of(findings, 'connection')?.found).toContain('embedded');
  expect(of(findings, 'autovacuum')).toBeUndefined();
}, 60_000);

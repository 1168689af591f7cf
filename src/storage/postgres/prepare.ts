import type { PoolClient } from 'pg';
import { Refusal, StoreError } from '../../core/errors.js';
import type { EngineFacts, Store } from '../../core/ports.js';
import type { Db } from '../ledger/dialect.js';
import { translate } from './errors.js';
import { migrate, readSchemaVersion } from './migrations.js';
import { measureNap } from './naps.js';
import { createOwnTables, notOurs, ownTablesState, readOwnTablesRecord } from './own-tables.js';
import { type Sessions, withSession } from './session.js';
import { optionsRefused, refuseLostOptions, remedyFor } from './start-up-options.js';

export type Prepared = EngineFacts & { readonly deadlockTimeoutMs: number };

/** The oldest server whose tid ranges and statement limits work as the sweep needs them. */
const oldestServer = 14;

/**
 * Connects and makes ready, or says why not. Order matters: a table that is not ours is refused before anything of
 * ours is created beside it. (With a mapping the messages are in somebody else's table: then there is none of ours,
 * and only the ledger is made.)
 */
export async function prepareDatabase(
  sessions: Sessions,
  db: Db,
  { migrate: mayMigrate, ownTables = true, needsLedger = true }: Parameters<Store['prepare']>[0],
): Promise<Prepared> {
  try {
    const facts = await withSession(sessions, sessions.control, (client) => readFacts(sessions, client));
    const version = await readSchemaVersion(db);
    if (ownTables)
      await withSession(sessions, sessions.control, (client) => refuseForeignTables(client, version > 0));
    if (!mayMigrate && needsLedger && version === 0) {
      throw new Refusal(
        'refused',
        'The database has no message_gc tables yet. Run "message-gc migrate" once (it makes tables of its own beside yours and changes none of yours), or start the service',
      );
    }
    if (mayMigrate) {
      await migrate(db);
      if (ownTables) await withSession(sessions, sessions.control, makeOwnTables);
    }
    return facts;
  } catch (error) {
    if (error instanceof Refusal) throw error;
    throw refusalFor(translate(error, 'prepare the database'));
  }
}

/** With less, a batch and its naps (27 ms) would not fit well into half of it, which is how long locks may be held. */
const leastDeadlockMs = 200;

async function readFacts(sessions: Sessions, client: PoolClient): Promise<Prepared> {
  const { rows } = await client.query<{
    version: string;
    number: number;
    standby: boolean;
    database: string;
    deadlock: number;
  }>(
    `SELECT current_setting('server_version') AS version, current_setting('server_version_num')::int AS number,
       pg_is_in_recovery() AS standby, (SELECT oid::text FROM pg_database WHERE datname = current_database()) AS database,
       (SELECT setting::int FROM pg_settings WHERE name = 'deadlock_timeout') AS deadlock`,
  );
  const found = rows[0];
  if (found === undefined) throw new Error('The server answered its version with no row');
  if (found.number < oldestServer * 10_000) {
    throw new Refusal(
      'configuration',
      `The server is PostgreSQL ${found.version}; message-gc needs ${oldestServer} or newer`,
    );
  }
  // The embedded database has a session of its own with the same settings, set when it was opened.
  if (sessions.hasTimeLimits) await refuseLostOptions(client);
  if (found.standby) {
    throw new StoreError('unreachable', '25006', 'connect', 'the server is a read-only standby', undefined);
  }
  return {
    engine: sessions.engine,
    version: found.version,
    sessions: sessions.sessions,
    // gentle: decision 0043. alone: short batches were the fast ones (of one DELETE's speed 0.72 with 20 ms, 0.67 with
    // 50 ms) until the writer of the log was kept awake by other means (log-waker.ts). Now 20 and 30 ms are alike, and an
    // application waits less for us; below 12 ms the ledger's share grows.
    batchTargetMs: { gentle: 4, alone: 20 },
    gentleDuty: 0.5,
    server: `postgresql:${await systemIdentifier(client)}:${found.database}`,
    deadlockTimeoutMs: found.deadlock,
    napMs: sessions.hasTimeLimits && found.deadlock >= leastDeadlockMs ? await measureNap(client) : null,
  };
}

/** Differs between clusters, also between a backup's original and a cluster made anew; kept by a restored base backup. */
async function systemIdentifier(client: PoolClient): Promise<string> {
  const { rows } = await client.query<{ id: string }>(
    'SELECT system_identifier::text AS id FROM pg_control_system()',
  );
  return rows[0]?.id ?? 'unknown';
}

async function refuseForeignTables(client: PoolClient, hasLedger: boolean): Promise<void> {
  const record = hasLedger ? await readRecord(client) : null;
  if ((await ownTablesState(client, record)) === 'foreign') throw notOurs();
}

/** In one transaction with its record, and under a lock, so that two nodes that start at once make them once. */
async function makeOwnTables(client: PoolClient): Promise<void> {
  await client.query('BEGIN');
  try {
    await client.query('LOCK TABLE message_gc.setting IN SHARE ROW EXCLUSIVE MODE');
    const before = await readRecord(client);
    const record = await createOwnTables(client, before);
    if (before === null) {
      await client.query(`INSERT INTO message_gc.setting (name, value) VALUES ('own_tables', $1)`, [
        JSON.stringify(record),
      ]);
    } else if (before !== record) {
      await client.query(`UPDATE message_gc.setting SET value = $1 WHERE name = 'own_tables'`, [
        JSON.stringify(record),
      ]);
    }
    await client.query('COMMIT');
  } catch (error) {
    await client.query('ROLLBACK').catch(() => undefined);
    throw error;
  }
}

export async function readRecord(client: Pick<PoolClient, 'query'>) {
  const { rows } = await client.query<{ value: string }>(
    `SELECT value FROM message_gc.setting WHERE name = 'own_tables'`,
  );
  return rows[0] === undefined ? null : readOwnTablesRecord(JSON.parse(rows[0].value));
}

/** What waiting cannot mend ends the process with words; everything else stays a StoreError and is tried again. */
function refusalFor(error: StoreError): Error {
  if (optionsRefused(error.nativeCode, error.message)) {
    return new Refusal(
      'configuration',
      `A pooler in front of the database server refused the settings of our sessions: ${error.message}. ${remedyFor('<user>')}`,
      { cause: error },
    );
  }
  if (error.kind === 'credentials') {
    return new Refusal(
      'configuration',
      `The database server refused the user or the password: ${error.message}. Check DATABASE_URL or WA_DB_USERNAME and WA_DB_PASSWORD`,
      { cause: error },
    );
  }
  if (error.kind === 'untrusted') {
    return new Refusal(
      'configuration',
      `No connection to the database server that is encrypted as asked: ${error.message}. Check sslmode and sslrootcert in DATABASE_URL, or WA_DB_SSL_CA`,
      { cause: error },
    );
  }
  if (error.nativeCode === '3D000') {
    return new Refusal(
      'configuration',
      `The server has no such database: ${error.message}. Create it, or name another in DATABASE_URL or WA_DB_NAME_PREFIX`,
      { cause: error },
    );
  }
  if (error.kind === 'denied') {
    return new Refusal(
      'configuration',
      `A privilege is missing to prepare the database: ${error.message}. Needed once: GRANT CREATE ON DATABASE and GRANT CREATE ON SCHEMA public for this user; "message-gc doctor" lists all of them`,
      { cause: error },
    );
  }
  return error;
}

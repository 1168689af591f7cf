import { Refusal, StoreError } from '../../core/errors.js';
import type { EngineFacts, Store } from '../../core/ports.js';
import { countersLike } from './counters.js';
import { translate } from './errors.js';
import { migrate, readLedgerState } from './migrations.js';
import { makeOwnTables, notOurs, ownTablesState, readRecord } from './own-tables.js';
import { type Sessions, withSession } from './pool.js';
import type { Session } from './session.js';

/** The oldest servers with SKIP LOCKED and what else the sweep needs. */
const oldest = { mariadb: [10, 6, 0], mysql: [8, 0, 16] } as const;

/**
 * Connects and makes ready, or says why not. Order matters: a table that is not ours is refused before anything of
 * ours is created beside it.
 */
export async function prepareDatabase(
  sessions: Sessions,
  { migrate: mayMigrate, ownTables = true, needsLedger = true }: Parameters<Store['prepare']>[0],
): Promise<EngineFacts> {
  try {
    return await withSession(sessions.control, async (session) => {
      refuseOldServer(session);
      await refuseUnfitServer(session);
      const found = await readLedgerState(session);
      if (ownTables) {
        const record = found.version > 0 ? await readRecord(session) : null;
        if ((await ownTablesState(session, record)) === 'foreign') throw notOurs();
      }
      if (!mayMigrate && needsLedger && found.version === 0) {
        throw new Refusal(
          'refused',
          'The database has no message_gc tables yet. Run "message-gc migrate" once (it makes tables of its own beside yours and changes none of yours), or start the service',
        );
      }
      const { storeId } = mayMigrate ? await migrate(session) : found;
      if (mayMigrate && ownTables) await makeOwnTables(session);
      return {
        engine: session.can.engine,
        version: session.can.version,
        sessions: sessions.sessions,
        // Beside an application at 200 requests a second (600,000 to 700,000 rows, half of the time at rest): 25 ms, 33,000 rows/s
        // and its p99 at 20 ms; 9 ms, 40,000 rows/s and 7 ms; 4 ms, 19,000 rows/s and 7 ms: what a batch costs besides its rows
        // then weighs more than what a shorter one spares.
        // Each COMMIT waits for the disk, which nobody can leave out for a session: ranges of 20,000 keys reached 0.93 of one
        // DELETE's speed over 1.7 M rows, of 2,000 half of it.
        batchTargetMs: { gentle: 8, alone: 100 },
        gentleDuty: 0.3,
        napMs: null,
        server: await identity(session, storeId),
      };
    });
  } catch (error) {
    if (error instanceof Refusal) throw error;
    throw refusalFor(translate(error, 'prepare the database'));
  }
}

function refuseOldServer({ can }: Session): void {
  const least = oldest[can.engine];
  const isOld = can.number.reduce((sign, part, place) => sign || part - (least[place] ?? 0), 0) < 0;
  if (isOld) {
    const name = can.engine === 'mariadb' ? 'MariaDB' : 'MySQL';
    throw new Refusal(
      'configuration',
      `The server is ${name} ${can.version}; message-gc needs ${least.join('.')} or newer`,
    );
  }
}

/** What no waiting mends, and a server that will be fit later. */
async function refuseUnfitServer(session: Session): Promise<void> {
  const rows = await session.rows<{ binlog: number; format: string; readonly: number }>(
    `SELECT @@log_bin AS binlog, @@binlog_format AS format, @@read_only AS readonly`,
  );
  const found = rows[0];
  if (found?.readonly === 1) {
    throw new StoreError(
      'unreachable',
      '1290',
      'connect',
      'the server is read-only (a replica, or in maintenance)',
      undefined,
    );
  }
  if (found?.binlog === 1 && found.format === 'STATEMENT') {
    throw new Refusal(
      'configuration',
      'The server writes its binary log by statement (binlog_format = STATEMENT), which refuses changes at READ COMMITTED, the level that keeps a batch from locking rows that it does not delete. Nothing was changed. Set binlog_format = MIXED or ROW on the server',
    );
  }
}

/**
 * Where a run began, so that it does not go on elsewhere. A cluster is one server, whichever of its machines is asked.
 * MariaDB has no identity that lasts: our store's id, which a copy would share, with the machine's name and port.
 */
async function identity(session: Session, storeId: string): Promise<string> {
  const cluster = await countersLike(session, 'wsrep_cluster_state_uuid');
  const name = await session.rows<{ db: string; host: string; port: number }>(
    'SELECT DATABASE() AS db, @@hostname AS host, @@port AS port',
  );
  const { db = '', host = '', port = 0 } = name[0] ?? {};
  const uuid = cluster.get('wsrep_cluster_state_uuid') ?? '';
  if (/^[0-9a-f-]{36}$/.test(uuid) && !/^[0-]+$/.test(uuid)) return `galera:${uuid}:${db}:${storeId}`;
  if (session.can.engine === 'mysql') {
    const rows = await session.rows<{ id: string }>('SELECT @@server_uuid AS id');
    return `mysql:${rows[0]?.id ?? ''}:${db}:${storeId}`;
  }
  return `mariadb:${host}:${port}:${db}:${storeId}`;
}

/** What waiting cannot mend ends the process with words; everything else stays a StoreError and is tried again. */
function refusalFor(error: StoreError): Error {
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
      `No connection to the database server that is encrypted as asked: ${error.message}. Check ssl-mode and ssl-ca in DATABASE_URL, or WA_DB_SSL_CA`,
      { cause: error },
    );
  }
  if (error.nativeCode === '1049') {
    return new Refusal(
      'configuration',
      `The server has no such database: ${error.message}. Create it, or name another in DATABASE_URL or WA_DB_NAME_PREFIX`,
      { cause: error },
    );
  }
  if (error.kind === 'denied') {
    return new Refusal(
      'configuration',
      `A privilege is missing to prepare the database: ${error.message}. Needed once: GRANT CREATE, ALTER, DROP, INDEX, REFERENCES, SELECT, INSERT, UPDATE, DELETE ON the database for this user; "message-gc doctor" lists all of them`,
      { cause: error },
    );
  }
  return error;
}

/**
 * Our own schema: the tables `messages` and `message_receipts` in the store's database. This file makes them and
 * knows them again.
 *
 * It refuses to guess. A table is ours only when a record says that we made it (kept in the setting `own_tables`)
 * and it still has the shape that we gave it. Any other `messages` is somebody else's, which must neither be deleted
 * from nor inserted into.
 */
import { createHash } from 'node:crypto';
import { Refusal } from '../../core/errors.js';
import { type Mapping, ownMapping } from '../../core/mapping.js';
import { canonicalJson } from '../../core/policy.js';
import { own, quoted, textSql } from './names.js';
import type { Session } from './session.js';

export type OwnTablesRecord = {
  /** With its database: `chat.messages`. */
  readonly table: string;
  /** 64 hex over columns, types, engine and keys of both tables. */
  readonly fingerprint: string;
  /** ISO 8601, by the database's clock. */
  readonly madeAt: string;
};
export type OwnTablesState = 'absent' | 'ours' | 'foreign';

const names = { messages: 'messages', receipts: 'message_receipts' } as const;
/** Made under these names first, and renamed once the record is written: see `makeOwnTables`. */
const making = { messages: 'message_gc_making_messages', receipts: 'message_gc_making_receipts' } as const;

/**
 * As on PostgreSQL, with instants as TIMESTAMP, which means the same whatever time zone a session has. Its range ends
 * in 2038 on servers before MariaDB 11.5.
 */
function ddl({ messages, receipts }: { readonly messages: string; readonly receipts: string }) {
  const instant = 'timestamp(6) NOT NULL DEFAULT CURRENT_TIMESTAMP(6)';
  return [
    `CREATE TABLE ${quoted(messages)} (
       id bigint NOT NULL AUTO_INCREMENT PRIMARY KEY,
       direction varchar(16) NOT NULL,
       state varchar(16) NOT NULL,
       contact varchar(64) NOT NULL,
       network_id varchar(128),
       type varchar(16) NOT NULL DEFAULT 'text',
       body mediumtext,
       media_id varchar(128),
       created_at ${instant},
       updated_at ${instant},
       processed_at timestamp(6) NULL DEFAULT NULL,
       KEY messages_contact_created_at_idx (contact, created_at),
       KEY messages_processed_at_idx (processed_at)
     ) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COMMENT='Messages; a row may be collected once processed_at is set'`,
    // NO ACTION: a message with receipts cannot go without somebody saying what happens to them.
    `CREATE TABLE ${quoted(receipts)} (
       id bigint NOT NULL AUTO_INCREMENT PRIMARY KEY,
       message_id bigint NOT NULL,
       status varchar(16) NOT NULL,
       at ${instant},
       KEY message_receipts_message_id_idx (message_id),
       CONSTRAINT message_receipts_message_id FOREIGN KEY (message_id) REFERENCES ${quoted(messages)} (id)
     ) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4`,
  ];
}

/**
 * Makes the tables where there are none. DDL commits by itself here, so the order does what a transaction does
 * elsewhere: make them under passing names, write the record with their fingerprint, then rename both in one atomic
 * statement. A process that dies on the way leaves passing tables, which the next start drops; there is never a
 * `messages` of ours without its record. Throws a Refusal when a table of that name is not ours.
 */
export async function makeOwnTables(session: Session): Promise<void> {
  if ((await stateNow(session)) === 'ours') return;
  // One node at a time; on a cluster the lock is the server's own, and the loser of the race looks again below.
  await session.rows(`SELECT GET_LOCK(CONCAT('message_gc.', LEFT(SHA2(DATABASE(), 256), 16)), 30)`);
  try {
    const state = await stateNow(session);
    if (state === 'ours') return;
    if (state === 'foreign') throw notOurs();
    await session.write(`DROP TABLE IF EXISTS ${quoted(making.receipts)}, ${quoted(making.messages)}`);
    for (const statement of ddl(making)) await session.write(statement);
    const record = await recordOf(session);
    await session.write(
      `INSERT INTO ${own('setting')} (name, value) VALUES ('own_tables', ${textSql(JSON.stringify(record))})
       ON DUPLICATE KEY UPDATE value = VALUES(value)`,
    );
    await session.write(
      `RENAME TABLE ${quoted(making.messages)} TO ${quoted(names.messages)}, ${quoted(making.receipts)} TO ${quoted(names.receipts)}`,
    );
  } catch (error) {
    if (error instanceof Refusal || (await stateNow(session)) !== 'ours') throw error;
  } finally {
    await session.rows(`SELECT RELEASE_LOCK(CONCAT('message_gc.', LEFT(SHA2(DATABASE(), 256), 16)))`);
  }
}

/** Whether a mapping is that of our own tables, whatever the operator chose of the walk and the checks. */
export function isOwnMapping(mapping: Mapping): boolean {
  const free = { foreignKeys: null, walk: null };
  return canonicalJson({ ...mapping, ...free }) === canonicalJson({ ...ownMapping, ...free });
}

async function stateNow(session: Session): Promise<OwnTablesState> {
  return ownTablesState(session, await readRecord(session));
}

export function notOurs(): Refusal {
  return new Refusal(
    'refused',
    'The database has a table "messages" (or "message_receipts") that message-gc did not make. Nothing was deleted ' +
      'and nothing was inserted. Use "message-gc init" to describe that table in a store mapping, or name another ' +
      'database.',
  );
}

/** `foreign` also when only one of the two tables is there, or when a view has the name. */
export async function ownTablesState(
  session: Session,
  record: OwnTablesRecord | null,
): Promise<OwnTablesState> {
  const shape = await shapeOf(session, names);
  if (shape === null) return 'absent';
  const isOurs = record !== null && record.table === shape.table && record.fingerprint === shape.fingerprint;
  return isOurs ? 'ours' : 'foreign';
}

/** Null when the setting is missing or is no record. The ledger's tables must be there. */
export async function readRecord(session: Session): Promise<OwnTablesRecord | null> {
  const rows = await session.rows<{ value: string }>(
    `SELECT value FROM ${own('setting')} WHERE name = 'own_tables'`,
  );
  if (rows[0] === undefined) return null;
  const value: unknown = JSON.parse(rows[0].value);
  if (typeof value !== 'object' || value === null) return null;
  const { table, fingerprint, madeAt } = value as Record<string, unknown>;
  return typeof table === 'string' && typeof fingerprint === 'string' && typeof madeAt === 'string'
    ? { table, fingerprint, madeAt }
    : null;
}

async function recordOf(session: Session): Promise<OwnTablesRecord> {
  const shape = await shapeOf(session, making);
  if (shape === null) throw new Error('Making the messages table: it was made and cannot be found.');
  const rows = await session.rows<{ now: string }>(
    `SELECT DATE_FORMAT(UTC_TIMESTAMP(), '%Y-%m-%dT%H:%i:%sZ') AS now`,
  );
  return { ...shape, madeAt: rows[0]?.now ?? '' };
}

/** Exact, by counting; seconds on a large table. */
export async function ownCounts(
  session: Session,
): Promise<{ readonly messages: number; readonly processed: number; readonly receipts: number }> {
  const rows = await session.rows<{ messages: number; processed: number; receipts: number }>(
    `SELECT (SELECT count(*) FROM messages) AS messages,
            (SELECT count(*) FROM messages WHERE processed_at <= CURRENT_TIMESTAMP(6)) AS processed,
            (SELECT count(*) FROM message_receipts) AS receipts`,
  );
  const row = rows[0];
  return {
    messages: Number(row?.messages),
    processed: Number(row?.processed),
    receipts: Number(row?.receipts),
  };
}

/** Null when neither name is taken. Other indexes and comments are no part of it: an operator may add their own. */
async function shapeOf(session: Session, called: { readonly messages: string; readonly receipts: string }) {
  const tables = [called.messages, called.receipts];
  const rows = await session.rows<{ db: string; name: string; kind: string; engine: string | null }>(
    `SELECT TABLE_SCHEMA AS db, TABLE_NAME AS name, TABLE_TYPE AS kind, ENGINE AS engine FROM information_schema.TABLES
     WHERE TABLE_SCHEMA = DATABASE() AND TABLE_NAME IN (${tables.map(textSql).join(', ')})`,
  );
  const first = rows[0];
  if (first === undefined) return null;
  const columns = await session.rows<{ name: string; text: string }>(
    `SELECT TABLE_NAME AS name,
       CONCAT_WS(' ', COLUMN_NAME, REGEXP_REPLACE(COLUMN_TYPE, 'int\\\\([0-9]+\\\\)', 'int'), IS_NULLABLE, COLUMN_KEY = 'PRI') AS text
     FROM information_schema.COLUMNS
     WHERE TABLE_SCHEMA = DATABASE() AND TABLE_NAME IN (${tables.map(textSql).join(', ')}) ORDER BY ORDINAL_POSITION`,
  );
  const parts = tables.map((table) => {
    const row = rows.find(({ name }) => name === table);
    const its = columns.filter(({ name }) => name === table).map(({ text }) => text);
    return [row?.kind ?? null, row?.engine ?? null, its];
  });
  return {
    table: `${first.db}.${names.messages}`,
    fingerprint: createHash('sha256').update(JSON.stringify(parts)).digest('hex'),
  };
}

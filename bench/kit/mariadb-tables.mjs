// The table that is measured on MariaDB: rows of about 190 bytes, three indexes, every second row processed. Optionally
// one receipt a message with a foreign key. And what people do without the product.
import { archive, numbersUpTo } from './mariadb.mjs';
import { collect } from './ours.mjs';

/** @typedef {import('./mariadb.mjs').MariaDbServer} MariaDbServer */

const messageColumns = `id bigint NOT NULL AUTO_INCREMENT PRIMARY KEY, room int NOT NULL, state varchar(16) NOT NULL,
  body varchar(400) NOT NULL, made datetime(6) NOT NULL, done datetime(6)`;
const messageIndexes = 'ADD KEY room (room, made), ADD KEY done (done)';
const receiptColumns =
  'id bigint NOT NULL AUTO_INCREMENT PRIMARY KEY, msg bigint NOT NULL, status varchar(16)';
const goes = 'done <= UTC_TIMESTAMP()';

/** @param {MariaDbServer} server @param {number} rows */
export async function makePlainTemplate(server, rows) {
  await makeWithoutIndexes(server, 'template_t', rows);
  await server.ask('ANALYZE TABLE template_t');
}

/** The table itself, where a template beside it would be too much to keep. @param {MariaDbServer} server @param {number} rows */
export async function makePlain(server, rows) {
  await server.ask('DROP TABLE IF EXISTS t');
  await makeWithoutIndexes(server, 't', rows);
  await server.ask(`ALTER TABLE t ${messageIndexes}; ANALYZE TABLE t`);
}

/** @param {MariaDbServer} server @param {string} table @param {number} rows */
async function makeWithoutIndexes(server, table, rows) {
  await server.ask(`CREATE TABLE ${table} (${messageColumns}) ENGINE=InnoDB`);
  for (const numbers of numbersUpTo(rows)) {
    await server.ask(`INSERT INTO ${table} (id, room, state, body, made, done)
      SELECT n, n % 997, 'read', REPEAT(MD5(n), 4), UTC_TIMESTAMP() - INTERVAL 2 DAY,
        IF(n % 2 = 0, UTC_TIMESTAMP() - INTERVAL 1 DAY, NULL) FROM ${numbers} ORDER BY n`);
  }
}

/** Bytes of a table and of what the server keeps in memory. @param {MariaDbServer} server @param {string} table */
export async function sizeOf(server, table) {
  const [size] = await server.ask(
    `SELECT DATA_LENGTH + INDEX_LENGTH AS bytes, @@innodb_buffer_pool_size AS pool FROM information_schema.TABLES
     WHERE TABLE_SCHEMA = DATABASE() AND TABLE_NAME = '${table}'`,
  );
  return size;
}

/** Indexes are added at the end, sorted, which takes a tenth of the time. @param {MariaDbServer} server @param {boolean} receipts */
export async function resetPlain(server, receipts) {
  await server.ask(`DROP TABLE IF EXISTS r, t; CREATE TABLE t (${messageColumns}) ENGINE=InnoDB;
    INSERT INTO t SELECT * FROM template_t ORDER BY id; ALTER TABLE t ${messageIndexes}`);
  if (receipts) {
    await server.ask(`CREATE TABLE r (${receiptColumns}) ENGINE=InnoDB;
      INSERT INTO r (msg, status) SELECT id, 'read' FROM t ORDER BY id;
      ALTER TABLE r ADD KEY msg (msg); ALTER TABLE r ADD FOREIGN KEY (msg) REFERENCES t (id)`);
  }
  await server.ask(`ANALYZE TABLE t${receipts ? ', r' : ''}`);
}

/** @param {MariaDbServer} server @param {boolean} receipts */
export async function countPlain(server, receipts) {
  const [row] = await server.ask(
    `SELECT count(*) AS messages, coalesce(sum(${goes}), 0) AS eligible,
       ${receipts ? '(SELECT count(*) FROM r)' : '0'} AS dependents,
       ${receipts ? '(SELECT count(*) FROM r LEFT JOIN t m ON m.id = r.msg WHERE m.id IS NULL)' : '0'} AS orphans FROM t`,
  );
  return {
    messages: Number(row.messages),
    eligible: Number(row.eligible),
    dependents: Number(row.dependents),
    orphans: Number(row.orphans),
  };
}

/** @param {MariaDbServer} server */
export function oneDelete(server) {
  return server.withSession(async (ask) => {
    const from = performance.now();
    const { affectedRows } = await ask(`DELETE FROM t WHERE ${goes}`);
    return { ms: performance.now() - from, deleted: affectedRows, dependents: 0 };
  });
}

/** @param {MariaDbServer} server */
export function oneDeletePerTable(server) {
  return server.withSession(async (ask) => {
    const from = performance.now();
    const receipts = await ask(`DELETE r FROM r JOIN t ON t.id = r.msg WHERE t.${goes}`);
    const messages = await ask(`DELETE FROM t WHERE ${goes}`);
    return {
      ms: performance.now() - from,
      deleted: messages.affectedRows,
      dependents: receipts.affectedRows,
    };
  });
}

/** @param {MariaDbServer} server */
export function usualLoop(server) {
  return server.withSession(async (ask) => {
    const from = performance.now();
    let deleted = 0;
    for (;;) {
      const { affectedRows } = await ask(`DELETE FROM t WHERE ${goes} LIMIT 1000`);
      if (affectedRows === 0) return { ms: performance.now() - from, deleted, dependents: 0 };
      deleted += affectedRows;
    }
  });
}

/** It tells no count; what is gone is counted. @param {MariaDbServer} server @param {readonly string[]} more  its options */
export async function byArchiver(server, more) {
  const before = await countPlain(server, false);
  const ms = await archive(server, goes, more);
  const after = await countPlain(server, false);
  return { ms, deleted: before.messages - after.messages, dependents: 0 };
}

/**
 * A run at profile `full`.
 * @param {MariaDbServer} server
 * @param {boolean} receipts
 * @param {'messages_first' | 'checked'} [foreignKeys]
 */
export function ours(server, receipts, foreignKeys = 'messages_first') {
  return collect(
    server.url,
    {
      retentionSeconds: 0,
      mapping: {
        store: 'bench',
        table: { schema: null, name: 't' },
        key: ['id'],
        age: { column: 'done', unit: 'datetime', zone: 'UTC' },
        processed: 'true',
        holds: [],
        holdList: null,
        walk: null,
        dependents: receipts
          ? [
              {
                table: { schema: null, name: 'r' },
                match: [{ column: 'msg', message: 'id' }],
                action: 'delete',
              },
            ]
          : [],
        foreignKeys,
      },
    },
    { workers: 2 },
  );
}

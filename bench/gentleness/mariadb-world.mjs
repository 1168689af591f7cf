// The same on a private MariaDB server. The table is larger than the buffer pool of a default server.
import mysql from 'mysql2/promise';
import { setTimeout as sleep } from 'node:timers/promises';
import { silentLog } from '../../dist/kit/log.js';
import { openStore } from '../../dist/storage/open-store.js';

const chosenLive = 20_000;
const create = `CREATE TABLE bench_messages (
  id bigint NOT NULL PRIMARY KEY, direction varchar(8) NOT NULL, state varchar(16) NOT NULL, contact varchar(32) NOT NULL,
  body varchar(400) NOT NULL, created_at datetime(6) NOT NULL, updated_at datetime(6) NOT NULL, processed_at datetime(6),
  KEY contact (contact, created_at), KEY processed_at (processed_at)) ENGINE=InnoDB`;
const insertRows = 100_000;
/** A history this short is purged in passing. */
const shortHistory = 2_000;
/** What one DELETE of millions of rows leaves to purge takes minutes. */
const longestSettleMs = 900_000;

/**
 * @param {import('../kit/private-mariadb.mjs').PrivateMariadb} server
 * @param {import('../kit/report.mjs').Report} report
 * @param {number} rows
 * @returns {Promise<import('./postgres-world.mjs').World>}
 */
export async function mariadbWorld(server, report, rows) {
  report.say(`making ${rows} rows`);
  await server.ask(`CREATE DATABASE template CHARACTER SET utf8mb4; USE template; ${create}`);
  for (let first = 1; first <= rows; first += insertRows) {
    const last = Math.min(rows, first + insertRows - 1);
    // As the table of the other benchmarks: 90 days, evenly; a hash decides who is processed.
    await server.ask(
      `INSERT INTO bench_messages
       SELECT seq, IF(seq % 2 = 0, 'inbound', 'outbound'), 'delivered', CONCAT('4915', LPAD(CRC32(seq) % 10000000, 8, '0')),
         RPAD('', 140 + CRC32(CONCAT(seq, 'b')) % 128, MD5(seq)), made, made + INTERVAL 5 MINUTE,
         IF(CRC32(CONCAT(seq, 'p')) % 2 = 0, made + INTERVAL 10 MINUTE, NULL)
       FROM (SELECT seq, UTC_TIMESTAMP(6) - INTERVAL 1 DAY - INTERVAL (90 * 86400 * (1 - seq / ${rows})) SECOND AS made
             FROM seq_${first}_to_${last}) numbers`,
    );
  }
  /** @type {{ id: number }[]} */
  const found = await server.ask(
    `SELECT id FROM bench_messages WHERE processed_at IS NULL ORDER BY CRC32(CONCAT(id, 'l')) LIMIT ${chosenLive}`,
  );
  const putBack = await server.keepTable('template', 'bench_messages', create);
  await server.ask('DROP DATABASE template');
  let copies = 0;

  return {
    engine: 'mariadb',
    liveIds: found.map(({ id }) => Number(id)),
    lastId: rows,
    async withCopy(work) {
      copies += 1;
      const name = `bench_${copies}`;
      await putBack(name);
      const url = server.urlOf(name);
      try {
        await makeLedger(url);
        return await work(url);
      } finally {
        await server.ask(`DROP DATABASE ${name}`);
      }
    },
    count: (url) =>
      withConnection(url, async (connection) => {
        const [counted] = /** @type {[any[], any]} */ (
          await connection.query(
            `SELECT SUM(processed_at IS NULL) AS live, COALESCE(SUM(processed_at <= UTC_TIMESTAMP(6)), 0) AS eligible
             FROM bench_messages`,
          )
        );
        return { live: Number(counted[0]?.live), eligible: Number(counted[0]?.eligible) };
      }),
    async settle() {
      const deadline = performance.now() + longestSettleMs;
      for (;;) {
        const [{ Value }] = await server.ask("SHOW GLOBAL STATUS LIKE 'Innodb_history_list_length'");
        if (Number(Value) < shortHistory) return;
        if (performance.now() > deadline) throw new Error(`InnoDB's purge does not end: ${Value} are left`);
        await sleep(100);
      }
    },
    setRate: (url, maxRate) =>
      withConnection(url, async (connection) => {
        const [done] = /** @type {[any, any]} */ (
          await connection.query(
            'UPDATE message_gc_run SET max_rate = ?, version = version + 1 WHERE active = 1',
            [maxRate],
          )
        );
        return done.affectedRows === 1;
      }),
  };
}

/** @param {string} url */
async function makeLedger(url) {
  const store = openStore({ database: { engine: 'mysql', url }, workers: 1, log: silentLog });
  try {
    await store.prepare({ migrate: true, ownTables: false });
  } finally {
    await store.close();
  }
}

/**
 * @template T
 * @param {string} url
 * @param {(connection: mysql.Connection) => Promise<T>} work
 * @returns {Promise<T>}
 */
async function withConnection(url, work) {
  const connection = await mysql.createConnection(url);
  try {
    return await work(connection);
  } finally {
    connection.destroy();
  }
}

// What the foreground load says to the database: three kinds of request, each a transaction of its own as drivers send
// it by default, over a pool of connections as applications have one. A request that finds none free waits for it.
import mysql from 'mysql2/promise';
import pg from 'pg';

const body = 'm'.repeat(200);
const states = ['delivered', 'read', 'failed'];
const stateOf = () => states[Math.floor(Math.random() * states.length)] ?? 'read';

/** In turn. */
export const kinds = /** @type {const} */ (['read', 'update', 'insert']);

/**
 * @typedef {object} Application
 * @property {(id: number) => Promise<unknown>} insert  a new message, not processed
 * @property {(id: number) => Promise<number>} read     rows found
 * @property {(id: number) => Promise<number>} update   rows found
 * @property {() => Promise<void>} close
 */

/**
 * With every connection open and its statements prepared.
 * @param {'postgresql' | 'mariadb'} engine
 * @param {string} url
 * @param {number} connections
 * @returns {Promise<Application>}
 */
export async function openApplication(engine, url, connections) {
  const application = engine === 'postgresql' ? onPostgres(url, connections) : onMariadb(url, connections);
  // As many at once as there are connections: each request finds all others taken.
  await Promise.all(Array.from({ length: connections }, () => application.read(-1)));
  await Promise.all(Array.from({ length: connections }, () => application.update(-1)));
  return application;
}

/** @param {string} url @param {number} max @returns {Application} */
function onPostgres(url, max) {
  const pool = new pg.Pool({
    connectionString: url,
    max,
    application_name: 'message-gc-bench-load',
    // Ten seconds after its start the pool would close what is idle and connect anew: that was the slowest second.
    idleTimeoutMillis: 0,
  });
  const insert =
    "INSERT INTO bench_messages (id, direction, state, contact, body, created_at, updated_at) VALUES ($1, 'inbound', $2, $3, $4, now(), now())";
  return {
    insert: (id) =>
      pool.query({ name: 'insert', text: insert, values: [id, stateOf(), contactOf(id), body] }),
    read: async (id) =>
      (await pool.query({ name: 'read', text: 'SELECT * FROM bench_messages WHERE id = $1', values: [id] }))
        .rows.length,
    update: async (id) => {
      const text = 'UPDATE bench_messages SET state = $2, updated_at = now() WHERE id = $1';
      return (await pool.query({ name: 'update', text, values: [id, stateOf()] })).rowCount ?? 0;
    },
    close: () => pool.end(),
  };
}

/** @param {string} url @param {number} connectionLimit @returns {Application} */
function onMariadb(url, connectionLimit) {
  const pool = mysql.createPool({ uri: url, connectionLimit });
  const insert =
    "INSERT INTO bench_messages (id, direction, state, contact, body, created_at, updated_at) VALUES (?, 'inbound', ?, ?, ?, UTC_TIMESTAMP(6), UTC_TIMESTAMP(6))";
  const update = 'UPDATE bench_messages SET state = ?, updated_at = UTC_TIMESTAMP(6) WHERE id = ?';
  return {
    insert: (id) => pool.execute(insert, [id, stateOf(), contactOf(id), body]),
    read: async (id) => {
      const [rows] = await pool.execute('SELECT * FROM bench_messages WHERE id = ?', [id]);
      return Array.isArray(rows) ? rows.length : 0;
    },
    update: async (id) => {
      const [done] = await pool.execute(update, [stateOf(), id]);
      return 'affectedRows' in done ? done.affectedRows : 0;
    },
    close: () => pool.end(),
  };
}

/** @param {number} id */
const contactOf = (id) => `4915${String(id % 10_000_000).padStart(8, '0')}`;

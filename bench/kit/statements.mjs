// What people do without the product. Each gives back how many messages it says it removed.
import { connect } from './server.mjs';

/**
 * @typedef {{ ms: number, deleted: number, dependents: number }} Done
 */

/** @param {string} url @returns {Promise<Done>} */
export async function oneDelete(url) {
  const client = await connect(url);
  try {
    const startedAt = performance.now();
    const done = await client.query('DELETE FROM bench_messages WHERE processed_at <= now()');
    return { ms: performance.now() - startedAt, deleted: done.rowCount ?? 0, dependents: 0 };
  } finally {
    await client.end();
  }
}

/**
 * One DELETE per table in one transaction, the server's foreign-key checks on.
 * @param {string} url @returns {Promise<Done>}
 */
export async function oneDeletePerTable(url) {
  const client = await connect(url);
  try {
    const startedAt = performance.now();
    await client.query('BEGIN');
    const receipts = await client.query(
      'DELETE FROM bench_receipts r USING bench_messages m WHERE r.message_id = m.id AND m.processed_at <= now()',
    );
    const messages = await client.query('DELETE FROM bench_messages WHERE processed_at <= now()');
    await client.query('COMMIT');
    const ms = performance.now() - startedAt;
    return { ms, deleted: messages.rowCount ?? 0, dependents: receipts.rowCount ?? 0 };
  } finally {
    await client.end();
  }
}

const loopRows = 5_000;

/** The usual loop, a commit for each round, until a round finds nothing. @param {string} url @returns {Promise<Done>} */
export async function usualLoop(url) {
  const client = await connect(url);
  try {
    const startedAt = performance.now();
    let deleted = 0;
    for (;;) {
      const { rowCount } = await client.query(
        `DELETE FROM bench_messages WHERE id IN (SELECT id FROM bench_messages WHERE processed_at <= now() LIMIT ${loopRows})`,
      );
      if (!rowCount) return { ms: performance.now() - startedAt, deleted, dependents: 0 };
      deleted += rowCount;
    }
  } finally {
    await client.end();
  }
}

// The database of the application on PostgreSQL: one prepared template, a fresh copy of it for each piece that is measured.
import { makeTemplate } from '../kit/benchmark.mjs';
import { settle, withClient } from '../kit/server.mjs';

/** Enough live rows that reads and updates fall on the whole table. */
const chosenLive = 20_000;

/**
 * @typedef {object} World
 * @property {'postgresql' | 'mariadb'} engine
 * @property {readonly number[]} liveIds  a sample of the rows that are not processed
 * @property {number} lastId
 * @property {<T>(work: (url: string) => Promise<T>) => Promise<T>} withCopy
 * @property {(url: string) => Promise<{ live: number, eligible: number }>} count
 * @property {(url: string) => Promise<void>} settle  ends what a run leaves behind, so that idle is idle again
 * @property {(url: string, maxRate: number | null) => Promise<boolean>} setRate  of the active run; false: there is none
 */

/** @param {import('../kit/benchmark.mjs').Bench} bench @param {number} rows @returns {Promise<World>} */
export async function postgresWorld(bench, rows) {
  const template = await makeTemplate(bench, { key: 'bigint', receipts: false, rows, processed: 0.5 });
  const liveIds = await withClient(template.url, async (client) => {
    const { rows: found } = await client.query(
      'SELECT id FROM bench_messages WHERE processed_at IS NULL ORDER BY hashint8extended(id, 7) LIMIT $1',
      [chosenLive],
    );
    return found.map(({ id }) => Number(id));
  });
  return {
    engine: 'postgresql',
    liveIds,
    lastId: rows,
    withCopy: (work) => bench.server.withCopy(template.name, (copy) => work(copy.url)),
    count: (url) =>
      withClient(url, async (client) => {
        const { rows: found } = await client.query(
          `SELECT count(*) FILTER (WHERE processed_at IS NULL) AS live,
             count(*) FILTER (WHERE processed_at <= clock_timestamp()) AS eligible FROM bench_messages`,
        );
        return { live: Number(found[0]?.live), eligible: Number(found[0]?.eligible) };
      }),
    settle,
    setRate: (url, maxRate) =>
      withClient(url, async (client) => {
        const { rowCount } = await client.query(
          'UPDATE message_gc.run SET max_rate = $1, version = version + 1 WHERE active = 1',
          [maxRate],
        );
        return rowCount === 1;
      }),
  };
}

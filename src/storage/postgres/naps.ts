import type { PoolClient, QueryResult } from 'pg';
import type { Naps } from '../../core/ports.js';

/**
 * A batch that rests in the middle of its DELETE: `pg_sleep` after each piece of work. Whoever wakes while the cores are
 * taken waits until one is given up, so what the application feels is how long a piece of work is, and not how much of the
 * time is work (decisions 0048 and 0049). The server does it by itself; more and shorter statements would cost it and
 * this process more than the deleting.
 */

/** `pg_sleep` waits whole milliseconds and begins another one when the first was a moment short: so a little less. */
const napSeconds = 0.0009;
const measuredNaps = 3;
const measurements = 4;
/** A server whose clock is coarser naps too long for it to be of use. */
const longestNapMs = 5;

/** Milliseconds that a nap takes here; null: this user may not nap, or the server naps too long. */
export async function measureNap(client: PoolClient): Promise<number | null> {
  const { rows } = await client.query<{ may: boolean }>(
    `SELECT has_function_privilege('pg_catalog.pg_sleep(double precision)', 'EXECUTE') AS may`,
  );
  if (rows[0]?.may !== true) return null;
  const nap = (): Promise<QueryResult<{ ms: number }>> =>
    client.query(
      `SELECT 1000 * extract(epoch FROM clock_timestamp() - statement_timestamp())::float8 / ${measuredNaps} AS ms
     FROM (SELECT count(pg_catalog.pg_sleep(${napSeconds})) FROM generate_series(1, ${measuredNaps}) OFFSET 0) naps`,
    );
  // The least of several: the first time the session looks up what it needs for it, which took longer than the naps, and
  // any of them may meet a moment in which the machine stood still, which must not take the naps from this process for good.
  let ms = Number.POSITIVE_INFINITY;
  for (let times = 0; times < measurements; times += 1) ms = Math.min(ms, (await nap()).rows[0]?.ms ?? ms);
  return ms > 0 && ms <= longestNapMs ? ms : null;
}

/** A nap begins this much of one late, so that one which ended early does not call for another. */
const late = 0.15;

/**
 * A condition that is always true, and sleeps where the clock says so: time is divided into pieces of work with a nap
 * after each, the same for every row. Asked of rows that fulfil all others (the planner asks what is cheap first).
 */
export function napSql(naps: Naps | undefined): string {
  if (naps === undefined) return '';
  const periodUs = Math.round(1_000 * (naps.pieceMs + naps.ms));
  const workUs = Math.round(1_000 * (naps.pieceMs + late * naps.ms));
  // Of `epoch` the server makes a number without knowing days or zones; `extract` would make it a numeric, which is slower.
  const nowUs = `(pg_catalog.date_part('epoch', pg_catalog.clock_timestamp()) * 1000000)::bigint`;
  return ` AND (${nowUs} % ${periodUs} < ${workUs} OR pg_catalog.pg_sleep(${napSeconds}) IS NOT NULL)`;
}

/** About how much of a DELETE's `ms` was napped. Only a row that goes can call for a nap, and finds it time for one by chance. */
export function nappedMs(naps: Naps | undefined, deleted: number, ms: number): number {
  if (naps === undefined) return 0;
  const share = naps.ms / (naps.pieceMs + naps.ms);
  return share * Math.min(ms, deleted * naps.ms);
}

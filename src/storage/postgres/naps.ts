import type { PoolClient, QueryResult } from 'pg';
import type { BatchRequest, Naps } from '../../core/ports.js';

/**
 * A batch that rests in the middle of its DELETE: `pg_sleep` for every so many of the rows that go. Whoever wakes while the
 * cores are taken waits until one is given up, so what the application feels is how long a piece of work is, and not how
 * much of the time is work (decision 0048). The server does it by itself; more and shorter statements would cost it and
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

/** Null: this batch has none. One that looks for locked rows, or locks before it deletes, is made of other statements. */
function napsOf({ naps, plan, skipLocked }: BatchRequest): Naps | null {
  return naps === undefined || skipLocked || plan.foreignKeys === 'checked' ? null : naps;
}

/**
 * A condition that is always true, asked of rows that fulfil all others (the planner asks what is cheap first). By
 * chance and not by counting: rows of a range that go are not numbered.
 */
export function napSql(request: BatchRequest): string {
  const naps = napsOf(request);
  if (naps === null) return '';
  const share = Math.min(1, 1 / naps.everyRows).toFixed(9);
  return ` AND (pg_catalog.random() >= ${share} OR pg_catalog.pg_sleep(${napSeconds}) IS NOT NULL)`;
}

/** More than this of a batch was work, however the chances fell. */
const mostRest = 0.8;

/** About how much of `workMs` was napped. */
export function nappedMs(request: BatchRequest, deleted: number, workMs: number): number {
  const naps = napsOf(request);
  return naps === null ? 0 : Math.min(mostRest * workMs, (deleted / naps.everyRows) * naps.ms);
}

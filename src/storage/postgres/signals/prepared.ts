import { createHash } from 'node:crypto';
import pg from 'pg';
import type { SessionPool } from '../session.js';

/**
 * Undefined or defined twice: another session of the server answers than the one that prepared it, as behind a pooler in
 * transaction mode that knows nothing of prepared statements. And a plan whose columns have changed since.
 */
const notKept = new Set(['26000', '42P05', '0A000']);

const unable = new WeakSet<SessionPool>();

/**
 * Asks what is asked every second, prepared once for each session: planning the statistics' views anew took two thirds of
 * a look (3.6 ms in place of 1.2 for the longest), and whoever asks the server meanwhile waits for that.
 *
 * Whatever goes wrong with the preparing, the question is asked as a plain one, and from then on.
 *
 * @param text reads only, or may be asked twice
 */
export async function askPrepared<Row extends pg.QueryResultRow>(
  pool: SessionPool,
  client: pg.PoolClient,
  text: string,
  values: readonly unknown[] = [],
): Promise<pg.QueryResult<Row>> {
  const plain = { text, values: [...values] };
  if (unable.has(pool)) return client.query<Row>(plain);
  try {
    return await client.query<Row>({ ...plain, name: nameOf(text) });
  } catch (error) {
    if (!(error instanceof pg.DatabaseError) || !notKept.has(error.code ?? '')) throw error;
    unable.add(pool);
    return client.query<Row>(plain);
  }
}

/** Of its own text, so that no two statements share one, and the driver's own check of that never fires. */
function nameOf(text: string): string {
  return `message_gc_${createHash('sha256').update(text).digest('hex').slice(0, 16)}`;
}

/**
 * Who waits for whom, as the server tells it: the proof that a race took place. A slow statement proves nothing on a
 * busy machine; a session that the server itself names as blocked by another does.
 */
import pg from 'pg';
import { pause } from './wait.js';

/** Numbers of looks at which somebody was seen to wait; what happened between two looks is not seen, so at least so many. */
export type SeenWaits = {
  /** The application waited for the product. */
  readonly forUs: number;
  /** The product waited for the application. */
  readonly forApplication: number;
};

/** Shorter than a batch, so that most waits for one are seen. */
const lookEveryMs = 4;

const question = `
  SELECT waiter.application_name AS waiter, holder.application_name AS holder
  FROM pg_stat_activity waiter
    CROSS JOIN LATERAL unnest(pg_blocking_pids(waiter.pid)) AS blocking (pid)
    JOIN pg_stat_activity holder ON holder.pid = blocking.pid
  WHERE waiter.datname = current_database() AND waiter.wait_event_type = 'Lock'`;

const isProduct = (name: string) => name.startsWith('message-gc');
const isApplication = (name: string) => name.startsWith('the test: session');

export type WaitsWatch = {
  /** So far. */
  readonly seen: SeenWaits;
  /** May be called again. */
  stop(): Promise<SeenWaits>;
};

/** Looks until stopped, on a connection of its own. */
export async function watchLockWaits(databaseUrl: string): Promise<WaitsWatch> {
  const client = new pg.Client({ connectionString: databaseUrl, application_name: 'the test: waits' });
  await client.connect();
  let isOver = false;
  let forUs = 0;
  let forApplication = 0;
  const looking = (async () => {
    while (!isOver) {
      const { rows } = await client.query<{ waiter: string; holder: string }>(question);
      if (rows.some(({ waiter, holder }) => isApplication(waiter) && isProduct(holder))) forUs += 1;
      if (rows.some(({ waiter, holder }) => isProduct(waiter) && isApplication(holder))) forApplication += 1;
      await pause(lookEveryMs);
    }
  })();
  // Whoever stops it sees the failure; until then it must not end the process.
  looking.catch(() => undefined);
  let stopped: Promise<void> | null = null;
  const end = async (): Promise<void> => {
    isOver = true;
    try {
      await looking;
    } finally {
      await client.end();
    }
  };
  return {
    get seen() {
      return { forUs, forApplication };
    },
    async stop() {
      await (stopped ??= end());
      return { forUs, forApplication };
    },
  };
}

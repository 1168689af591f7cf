/**
 * The embedded database has one session. Whoever asks for a second one while holding the first would wait for
 * itself, for ever and without a word. A pool of this kind throws instead, in the line that asks.
 *
 * It knows who holds the session from the flow of the program: run the work that uses a client inside `holding`
 * (or use `withSession`). Work that merely waits for its turn, because another flow holds the session, waits.
 */
import { AsyncLocalStorage } from 'node:async_hooks';
import pg from 'pg';

type Held = { readonly pool: pg.Pool; open: boolean };
const held = new AsyncLocalStorage<Held>();

export class SecondSessionError extends Error {
  constructor() {
    super(
      'Asked for a second session while holding the only one: the embedded database has one. Use the held one.',
    );
    this.name = 'SecondSessionError';
  }
}

type ConnectCallback = (
  error: Error | undefined,
  client: pg.PoolClient | undefined,
  done: (release?: unknown) => void,
) => void;

export class OneSessionPool extends pg.Pool {
  constructor(config: pg.PoolConfig) {
    super({ ...config, max: 1 });
  }

  override connect(): Promise<pg.PoolClient>;
  override connect(callback: ConnectCallback): void;
  override connect(callback?: ConnectCallback): Promise<pg.PoolClient> | void {
    const holder = held.getStore();
    if (holder?.open === true && holder.pool === this) {
      const error = new SecondSessionError();
      if (callback === undefined) return Promise.reject(error);
      // `pool.query` comes this way and hands the error to its own caller.
      callback(error, undefined, () => undefined);
      return;
    }
    if (callback === undefined) return super.connect();
    super.connect(callback);
  }
}

/** Runs `work`, which uses a client of `pool`. Inside it, and in all that it calls, the pool gives no second one. */
export async function holding<T>(pool: pg.Pool, work: () => Promise<T>): Promise<T> {
  const holder: Held = { pool, open: true };
  try {
    return await held.run(holder, work);
  } finally {
    // What was started inside and goes on afterwards holds nothing any more.
    holder.open = false;
  }
}

/** Takes a client, runs `work` with it and gives it back; after an error it is not used again. */
export async function withSession<T>(pool: pg.Pool, work: (client: pg.PoolClient) => Promise<T>): Promise<T> {
  const client = await pool.connect();
  let failed: Error | boolean = true;
  // A session that is cut in between says so by an event as well, which without a listener would end the process.
  const noted = (): void => undefined;
  client.on('error', noted);
  try {
    const result = await holding(pool, () => work(client));
    failed = false;
    return result;
  } finally {
    client.off('error', noted);
    client.release(failed);
  }
}

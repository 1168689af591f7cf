import pg from 'pg';
import type { PostgresPool, PostgresPoolClient } from 'kysely';
import { Connector } from './connect.js';
import { kindOf, translate } from './errors.js';
import { startUpOptions } from './start-up-options.js';

/**
 * Connections of a node: control statements never share one with the sweep, so that a heartbeat does not wait for a
 * batch. At most workers + 2, and while a run is on those of the monitor. With PGlite all are the same pool of one.
 */
export type Sessions = {
  readonly control: SessionPool;
  readonly sweep: SessionPool;
  /** For looking at the server's health: neither waits for a heartbeat or a batch, nor makes one wait. */
  readonly monitor: MonitorPool;
  /** False for PGlite: its statement_timeout never fires and its idle time-out hangs the engine. */
  readonly hasTimeLimits: boolean;
  readonly engine: 'postgresql' | 'pglite';
  /** How many sessions may be open at once. */
  readonly sessions: number;
  /** Runs work that holds a session; with PGlite it refuses a second one instead of waiting for itself for ever. */
  holding<T>(work: () => Promise<T>): Promise<T>;
  close(): Promise<void>;
};

/** As much of a `pg.Pool` as is used: connecting happens here, lazily. */
export type SessionPool = { connect(): Promise<pg.PoolClient> };

/** Opened by its first use, also after it was closed: a run is over, and the next one may come in a month. */
export type MonitorPool = SessionPool & { close(): Promise<void> };

/** The canary's, and two for all other looks: one that hangs leaves one to the others. */
const monitorSessions = 3;
/** A look that takes longer says nothing of now. The canary's slowest probe, too. */
const longestLookMs = 1_500;

const int8 = 20;
const int8Array = 1016;

/** Counts are safe integers or an error: a number that was rounded must never be reported. */
function safeInteger(text: string): number {
  const value = Number(text);
  if (!Number.isSafeInteger(value)) throw new RangeError(`${text} is larger than a count can be (2^53)`);
  return value;
}

export const types: pg.CustomTypesConfig = {
  getTypeParser: (oid: number, format?: 'text' | 'binary') => {
    if (oid === int8) return safeInteger;
    if (oid === int8Array) return (text: string) => text;
    return pg.types.getTypeParser(oid, format as 'text') as (text: string) => unknown;
  },
} as pg.CustomTypesConfig;

/** @param workers how many batches may run at once */
export function openServer(url: string, workers: number): Sessions {
  const connector = new Connector(url);
  const pool = (max: number): ClosingPool =>
    connector.pool(
      {
        ...common,
        max,
        connectionTimeoutMillis: 5_000,
        // A black hole must not hold us for ever; longer than every statement limit, so the server answers first.
        query_timeout: 15_000,
      },
      startUpOptions,
    );
  const control = pool(2);
  const sweep = pool(workers);
  const monitor = reopening(() =>
    connector.pool(
      { ...common, max: monitorSessions, connectionTimeoutMillis: 2_000, query_timeout: 2 * longestLookMs },
      `${startUpOptions} -c statement_timeout=${longestLookMs}`,
    ),
  );
  return {
    control,
    sweep,
    monitor,
    hasTimeLimits: true,
    engine: 'postgresql',
    sessions: workers + 2,
    holding: (work) => work(),
    async close() {
      await Promise.all([control.end(), sweep.end(), monitor.close()]);
    },
  };
}

const common = {
  types,
  application_name: 'message-gc',
  keepAlive: true,
  idleTimeoutMillis: 60_000,
  allowExitOnIdle: true,
} as const satisfies pg.PoolConfig;

type ClosingPool = SessionPool & { end(): Promise<void> };

function reopening(open: () => ClosingPool): MonitorPool {
  let pool: ClosingPool | null = null;
  return {
    connect() {
      pool ??= open();
      return pool.connect();
    },
    async close() {
      const closing = pool;
      pool = null;
      await closing?.end();
    },
  };
}

/** One connection for one piece of work; destroyed when the work broke it, so that nobody inherits its state. */
export async function withSession<T>(
  sessions: Sessions,
  pool: SessionPool,
  work: (client: pg.PoolClient) => Promise<T>,
): Promise<T> {
  const client = await pool.connect().catch((error: unknown) => {
    throw translate(error, 'connect');
  });
  let isBroken = false;
  // A checked-out client that loses its connection emits an error; its query rejects as well, which is handled.
  const note = (): void => {
    isBroken = true;
  };
  client.on('error', note);
  try {
    return await sessions.holding(() => work(client));
  } catch (error) {
    if (kindOf(error).kind === 'unreachable' || kindOf(error).code === '25P03') isBroken = true;
    throw error;
  } finally {
    client.off('error', note);
    client.release(isBroken);
  }
}

/** The same for a question that stands alone: whatever the driver throws becomes a StoreError that says what was asked. */
export async function asking<T>(
  sessions: Sessions,
  pool: SessionPool,
  doing: string,
  work: (client: pg.PoolClient) => Promise<T>,
): Promise<T> {
  try {
    return await withSession(sessions, pool, work);
  } catch (error) {
    throw translate(error, doing);
  }
}

/**
 * The pool as the query builder sees it. It hands a client back without saying whether it is usable; after a lost
 * connection or an unanswered query that would pass a dead session, or an open transaction, to the next user.
 */
export function poolForBuilder(pool: SessionPool): PostgresPool {
  return {
    async connect(): Promise<PostgresPoolClient> {
      const client = await pool.connect();
      let isBroken = false;
      const note = (): void => {
        isBroken = true;
      };
      client.on('error', note);
      return {
        query: (async (...args: unknown[]) => {
          try {
            return await (client.query as unknown as (...given: unknown[]) => Promise<unknown>).apply(
              client,
              args,
            );
          } catch (error) {
            if (kindOf(error).kind === 'unreachable') isBroken = true;
            throw error;
          }
        }) as PostgresPoolClient['query'],
        release() {
          client.off('error', note);
          client.release(isBroken);
        },
      };
    },
    async end() {
      // The sessions own the pools and close them once.
    },
  };
}

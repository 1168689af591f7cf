/**
 * The application whose table is being collected: its own connections, its own transactions. It writes down every
 * error with its number and every wait, because "the application is never the victim" is what the races assert.
 */
import type mysql from 'mysql2/promise';
import { mariadbConnection } from './mariadb-database.js';

/** Errors that the application would see only because of us: deadlock, lock time-out, interrupted. */
export const mariadbVictimCodes = [1213, 1205, 1317, 1020] as const;

export type MariadbSession = {
  readonly number: number;
  readonly random: () => number;
  /** Rows of a SELECT; affected rows of anything else. */
  rows(sql: string, values?: readonly unknown[]): Promise<readonly Record<string, unknown>[]>;
  write(sql: string, values?: readonly unknown[]): Promise<number>;
};

/** A single-row statement takes well under 5 ms on an idle row, also on a busy two-core machine, most of the time. */
const waitedMs = 5;

export class MariadbApplication {
  readonly #url: string;
  readonly #seed: number;
  readonly #running = new Set<Promise<unknown>>();
  #closed = false;
  /** How often each error number was met. */
  readonly errors = new Map<number, number>();
  committed = 0;
  longestMs = 0;
  waits = 0;

  constructor(url: string, seed = 1) {
    this.#url = url;
    this.#seed = seed;
  }

  count(code: number): number {
    return this.errors.get(code) ?? 0;
  }

  /** Runs `work` as a transaction again and again on each of `sessions` connections while `goOn` says so. */
  async run(
    sessions: number,
    goOn: () => boolean,
    work: (session: MariadbSession) => Promise<void>,
  ): Promise<void> {
    const all = Promise.all(
      Array.from({ length: sessions }, (_, number) => this.#session(number, goOn, work)),
    );
    this.#running.add(all.catch(() => undefined));
    await all;
  }

  /** Locks these rows in a transaction of its own until `release`. */
  async hold(keys: readonly string[]): Promise<{ release(): Promise<void> }> {
    const connection = await mariadbConnection(this.#url);
    await connection.query('BEGIN');
    await connection.query('SELECT id FROM messages FORCE INDEX (PRIMARY) WHERE id IN (?) FOR UPDATE', [
      keys,
    ]);
    return {
      release: async () => {
        await connection.query('ROLLBACK');
        await connection.end();
      },
    };
  }

  async close(): Promise<void> {
    this.#closed = true;
    await Promise.all(this.#running);
  }

  async #session(
    number: number,
    goOn: () => boolean,
    work: (session: MariadbSession) => Promise<void>,
  ): Promise<void> {
    const connection = await mariadbConnection(this.#url);
    const random = generator(this.#seed * 1_000 + number);
    const timed = async (sql: string, values: readonly unknown[]): Promise<mysql.QueryResult> => {
      const from = performance.now();
      try {
        return (await connection.query(sql, [...values]))[0];
      } finally {
        const ms = performance.now() - from;
        this.longestMs = Math.max(this.longestMs, ms);
        if (ms > waitedMs) this.waits += 1;
      }
    };
    const session: MariadbSession = {
      number,
      random,
      rows: async (sql, values = []) => (await timed(sql, values)) as readonly Record<string, unknown>[],
      write: async (sql, values = []) => ((await timed(sql, values)) as mysql.ResultSetHeader).affectedRows,
    };
    try {
      while (!this.#closed && goOn()) {
        try {
          await connection.query('BEGIN');
          await work(session);
          await connection.query('COMMIT');
          this.committed += 1;
        } catch (cause) {
          const { errno } = cause as { errno?: number };
          if (errno === undefined) throw cause;
          this.errors.set(errno, this.count(errno) + 1);
          await connection.query('ROLLBACK');
        }
      }
    } finally {
      await connection.end();
    }
  }
}

/** A small seeded generator: a race that fails can be begun again with the same choices. */
function generator(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
}

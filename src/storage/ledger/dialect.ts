import type { ExpressionWrapper, Kysely, RawBuilder, SqlBool } from 'kysely';
import { exponentialMs, jittered } from '../../kit/backoff.js';
import { sleep } from '../../kit/sleep.js';
import { StoreError } from '../../core/errors.js';
import type { Tables } from './tables.js';

/**
 * What the ledger must know of an engine: named capabilities, so that no statement above asks for an engine's name.
 */
export interface Dialect {
  /** The query builder over our tables, wherever the engine keeps them. */
  readonly db: Kysely<Tables>;
  /** Database time written into the statement, never a client's time. */
  now(): RawBuilder<Date>;
  nowPlus(ms: number): RawBuilder<Date>;
  /** `insert` that does nothing when the key is there. */
  insertUnlessThere<T extends keyof Tables>(db: Kysely<Tables>, table: T, row: object): Promise<boolean>;
  /** One control transaction: explicit READ COMMITTED, lock wait at most 5 s, ended by the server when idle for 5 s. */
  transaction<T>(work: (trx: Db) => Promise<T>, durability: Durability): Promise<T>;
  /**
   * The settings of a replayable control transaction as a condition that is true: for a transaction of one statement,
   * which also gives back what it wrote (RETURNING). Null where the engine has no such thing.
   */
  readonly settingsAsCondition: RawBuilder<SqlBool> | null;
  /** Turns whatever the driver threw into a StoreError. */
  translate(error: unknown, doing: string): StoreError;
}

/**
 * What a crash of the server may undo. `durable`: nothing; the answer to it went out, or a number does. `replayable`:
 * the last moments before the crash, all of them together; work goes on from where the rows then say. Later durable
 * transactions make it durable as well, because the server's log is one sequence. An engine without such a choice
 * makes everything durable.
 */
export type Durability = 'durable' | 'replayable';

export type Db = Kysely<Tables>;
export type Expr<T> = ExpressionWrapper<Tables, keyof Tables, T>;

/** Thrown inside a control transaction to roll it back: somebody decided first. The caller reads again. */
export class Lost extends Error {
  constructor(what: string) {
    super(what);
    this.name = 'Lost';
  }
}

/** Ten tries with jitter: 5 ms doubling to 200 ms, about a second in all; conflicts are over long before. */
const tries = 10;

/**
 * Runs a control transaction until it commits. A conflict was certainly rolled back: the same again. `Lost` is
 * handed to the caller. An unknown COMMIT (connection lost) is thrown as `unreachable`: every method of the ledger
 * may be called again, because it reads the row before it decides.
 */
export async function control<T>(
  dialect: Dialect,
  doing: string,
  work: (trx: Db) => Promise<T>,
  durability: Durability = 'durable',
): Promise<T> {
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await dialect.transaction(work, durability);
    } catch (error) {
      if (error instanceof Lost) throw error;
      const known = dialect.translate(error, doing);
      if (known.kind !== 'conflict' || attempt === tries) throw known;
      await sleep(jittered(exponentialMs(attempt, 5, 200)));
    }
  }
}

/** A read, or a statement that is a transaction of its own, outside a control transaction, with the same translation of errors. */
export async function reading<T>(dialect: Dialect, doing: string, work: (db: Db) => Promise<T>): Promise<T> {
  try {
    return await work(dialect.db);
  } catch (error) {
    throw dialect.translate(error, doing);
  }
}

/** Several reads that must tell of one moment: a count beside the spans that it came from. */
export async function snapshot<T>(dialect: Dialect, doing: string, work: (db: Db) => Promise<T>): Promise<T> {
  return reading(dialect, doing, (db) =>
    db.transaction().setIsolationLevel('repeatable read').setAccessMode('read only').execute(work),
  );
}

/** The guard of every decision: exactly one row, or somebody decided first. */
export function mustBeOne(rows: { readonly numUpdatedRows: bigint }, what: string): void {
  if (rows.numUpdatedRows !== 1n) throw new Lost(what);
}

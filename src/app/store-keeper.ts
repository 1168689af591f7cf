import type { Config } from '../config/read-config.js';
import { Refusal, StoreError, wordsOf } from '../core/errors.js';
import type { EngineFacts, Store } from '../core/ports.js';
import { jittered } from '../kit/backoff.js';
import type { Clock } from '../kit/clock.js';
import type { Log } from '../kit/log.js';
import { sleep } from '../kit/sleep.js';
import type { Meters } from '../metrics/meters.js';

/** How often a prepared database is asked whether it is still there, for health and meters. */
const pingMs = 5_000;
/** Pauses between tries while there is no database: doubling from one to the other. */
const firstRetryMs = 500;
const lastRetryMs = 10_000;

export type KeeperState = 'connecting' | 'uninitialized' | 'connected' | 'disconnected';

/**
 * Prepares the store and keeps an eye on it. A service starts without a database and goes on trying; what waiting
 * cannot mend (a wrong password, somebody else's table, an unknown schema) is a Refusal and ends the process.
 */
export class StoreKeeper {
  readonly #store: Store;
  readonly #config: StoreChoice;
  readonly #log: Log;
  readonly #clock: Clock;
  readonly #meters: Meters;
  #facts: EngineFacts | null = null;
  #state: KeeperState = 'connecting';
  #lastError: StoreError | null = null;

  constructor(store: Store, config: StoreChoice, log: Log, clock: Clock, meters: Meters) {
    this.#store = store;
    this.#config = config;
    this.#log = log;
    this.#clock = clock;
    this.#meters = meters;
  }

  get facts(): EngineFacts | null {
    return this.#facts;
  }

  get state(): KeeperState {
    return this.#state;
  }

  /** What a request is told while there is no database. */
  get trouble(): StoreError {
    return (
      this.#lastError ??
      new StoreError(
        'unreachable',
        'NOT_YET',
        'reach the database',
        'Connection is being established',
        undefined,
      )
    );
  }

  /** One try. False: not reachable (yet). Throws a Refusal for what waiting cannot mend. */
  async tryOnce(): Promise<boolean> {
    try {
      this.#facts = await this.#store.prepare({ migrate: true, ownTables: usesOwnTables(this.#config) });
      this.#found('connected');
      return true;
    } catch (error) {
      if (!(error instanceof StoreError)) throw error;
      this.#lost(error);
      return false;
    }
  }

  /** Tries until the database is there or the signal fires; false then. */
  async untilPrepared(signal: AbortSignal): Promise<boolean> {
    for (let ms = firstRetryMs; !signal.aborted; ms = Math.min(lastRetryMs, ms * 2)) {
      if (await this.tryOnce()) return true;
      await sleep(jittered(ms), signal);
    }
    return false;
  }

  /** Looks after a prepared database until the signal fires. */
  async watch(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      await sleep(pingMs, signal);
      if (signal.aborted) return;
      try {
        await this.#store.ping();
        this.#meters.callbacksWaiting(await this.#store.outbox.waiting());
        this.#meters.runActive((await this.#store.ledger.active()) !== null);
        this.#found('connected');
      } catch (error) {
        this.#lost(error instanceof StoreError ? error : asUnreachable(error));
      }
    }
  }

  #found(state: KeeperState): void {
    if (this.#state !== state && this.#lastError !== null) this.#log.info({}, 'the database is back');
    this.#state = state;
    this.#lastError = null;
    this.#meters.databaseReachable(true);
  }

  #lost(error: StoreError): void {
    // Once per outage, not once per try.
    if (this.#lastError === null) {
      this.#log.warn(
        { kind: error.kind, code: error.nativeCode, at: this.#clock.now().toISOString() },
        `the database is not reachable, trying again: ${error.message}`,
      );
    }
    this.#lastError = error;
    this.#state = 'disconnected';
    this.#meters.databaseReachable(false);
  }
}

function asUnreachable(error: unknown): StoreError {
  return new StoreError('unreachable', '', 'reach the database', wordsOf(error), error);
}

/** What of a configuration says which tables are prepared, and where. */
export type StoreChoice = Pick<Config, 'database' | 'mapping'>;

/** With a mapping the messages are in a table of somebody else's: ours are neither made nor asked for. */
function usesOwnTables({ mapping }: StoreChoice): boolean {
  return mapping === null;
}

/** For commands: one try, with words and the right exit code. */
export async function prepareOrRefuse(
  store: Store,
  config: StoreChoice,
  migrate: boolean,
  needsLedger = true,
): Promise<EngineFacts> {
  const { where } = config.database;
  try {
    const ownTables = usesOwnTables(config);
    // Our own tables are made together with the ledger.
    return await store.prepare({ migrate, ownTables, needsLedger: needsLedger || ownTables });
  } catch (error) {
    if (!(error instanceof StoreError)) throw error;
    throw new Refusal(
      error.kind === 'unreachable' ? 'unreachable' : 'failed',
      `Could not ${error.doing} at ${where}: ${error.message}. Is the server running, and does DATABASE_URL (or url in the mapping) name it?`,
      { cause: error },
    );
  }
}

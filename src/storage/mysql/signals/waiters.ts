import { sleep } from '../../../kit/sleep.js';
import type { Watcher } from '../../signals/gather.js';
import { ledgerPrefix, textSql } from '../names.js';
import { asking, type Sessions } from '../pool.js';
import type { Session } from '../session.js';
import { unlessDenied } from './privilege.js';

/** A batch that is younger is over soon by itself. */
const patienceMs = 100;
/**
 * Between two looks. MariaDB gathers its list of waits anew only when nobody has read it for 100 ms: whoever asks more
 * often sees the same list for ever. Spread, so that two nodes do not keep each other from it.
 */
const betweenMs = () => 110 + Math.random() * 90;
/** The server's answer to KILL comes at once or not at all. */
const longestKillMs = 1_000;

/** One batch under watch. */
export type BatchWatch = {
  /** How many sessions waited when it was ended; null: it was not. */
  readonly waited: number | null;
  /** The server's number of the connection that its transaction has. */
  holdsRows(connection: number): void;
  /** From here on nothing of this session is ended. Called before COMMIT, and before the session goes back. */
  over(): Promise<void>;
};

type WatchedBatch = BatchWatch & {
  readonly connection: number | null;
  end(killer: Session, waited: number): Promise<void>;
};

/**
 * Who waits for the rows of a batch is an application that stands still. Its batch is ended: the running statement is
 * killed, and the batch rolls back. Waits for our own tables are our own business, and every node's.
 */
export class Waiters {
  readonly #sessions: Sessions;
  readonly #old = new Set<WatchedBatch>();
  #isOn = false;
  #isLooking = false;

  constructor(sessions: Sessions) {
    this.#sessions = sessions;
  }

  watcher(): Watcher {
    return {
      signal: 'waiters',
      probe: () =>
        unlessDenied('PROCESS', async () => {
          await asking(this.#sessions.monitor, 'see who waits', (session) => waitsFor(session, [session.id]));
          this.#isOn = true;
          return null;
        }),
      close: async () => {
        this.#isOn = false;
      },
    };
  }

  watch(session: Session, yields: boolean): BatchWatch {
    if (!yields) {
      return { waited: null, holdsRows: () => undefined, over: async () => undefined };
    }
    const batch = watchedBatch(session);
    const timer = setTimeout(() => {
      this.#old.add(batch);
      if (!this.#isLooking) void this.#keepLooking();
    }, patienceMs);
    return {
      get waited() {
        return batch.waited;
      },
      holdsRows: (connection) => batch.holdsRows(connection),
      over: () => {
        clearTimeout(timer);
        this.#old.delete(batch);
        return batch.over();
      },
    };
  }

  /** One for all workers, for the sake of the server's list. */
  async #keepLooking(): Promise<void> {
    this.#isLooking = true;
    while (this.#old.size > 0) {
      // A run at full speed does not wait for its probes: they may come after its first batch has begun.
      if (this.#isOn) await this.#ask();
      await sleep(betweenMs());
    }
    this.#isLooking = false;
  }

  /** Trouble here ends no batch: the server's limit for its statements does. */
  async #ask(): Promise<void> {
    await asking(this.#sessions.monitor, 'see who waits for a batch', (session) => this.#look(session)).catch(
      () => undefined,
    );
  }

  async #look(killer: Session): Promise<void> {
    const batches = [...this.#old];
    const ids = batches.flatMap(({ connection }) => (connection === null ? [] : [connection]));
    // They may all be over by the time that there is a session to ask with.
    if (ids.length === 0) return;
    const waits = await waitsFor(killer, ids);
    for (const batch of batches) {
      const waited = waits.get(batch.connection ?? 0) ?? 0;
      if (waited > 0) await batch.end(killer, waited);
    }
  }
}

function watchedBatch(session: Session): WatchedBatch {
  let connection: number | null = null;
  let waited: number | null = null;
  let isOver = false;
  let killing: Promise<unknown> | null = null;
  return {
    get connection() {
      return connection;
    },
    get waited() {
      return waited;
    },
    holdsRows(number) {
      connection = number;
    },
    async end(killer, sessions) {
      if (isOver) return;
      waited = sessions;
      // Between two statements it ends nothing, and the next look comes.
      killing = killer.write(`KILL QUERY ${connection}`).catch(() => undefined);
      await killing;
    },
    async over() {
      isOver = true;
      if (killing === null) return;
      // It ends whatever runs when it arrives: the COMMIT, or a statement of the next batch.
      const late = Symbol('late');
      const outcome = await Promise.race([killing, sleep(longestKillMs).then(() => late)]);
      killing = null;
      if (outcome === late) session.isBroken = true;
      // One that arrived between two statements may have left its mark for the next one: this one.
      else await session.write('DO 0').catch(() => undefined);
    },
  };
}

/** How many sessions wait for rows that these connections have locked, by connection. */
async function waitsFor(session: Session, ids: readonly number[]): Promise<ReadonlyMap<number, number>> {
  const list = ids.join(', ');
  const ours = textSql(`${ledgerPrefix.replaceAll('_', '\\_')}%`);
  const rows = await session.rows<{ id: number; waiting: number }>(
    session.can.lockWaits === 'information_schema'
      ? `SELECT b.trx_mysql_thread_id AS id, COUNT(DISTINCT w.requesting_trx_id) AS waiting
         FROM information_schema.INNODB_LOCK_WAITS w
         JOIN information_schema.INNODB_TRX b ON b.trx_id = w.blocking_trx_id
         JOIN information_schema.INNODB_LOCKS l ON l.lock_id = w.requested_lock_id
         WHERE b.trx_mysql_thread_id IN (${list}) AND SUBSTRING_INDEX(l.lock_table, '.\`', -1) NOT LIKE ${ours}
         GROUP BY b.trx_mysql_thread_id`
      : `SELECT b.PROCESSLIST_ID AS id, COUNT(DISTINCT w.REQUESTING_THREAD_ID) AS waiting
         FROM performance_schema.data_lock_waits w
         JOIN performance_schema.threads b ON b.THREAD_ID = w.BLOCKING_THREAD_ID
         JOIN performance_schema.data_locks l
           ON l.ENGINE_LOCK_ID = w.REQUESTING_ENGINE_LOCK_ID AND l.ENGINE = w.ENGINE
         WHERE b.PROCESSLIST_ID IN (${list}) AND l.OBJECT_NAME NOT LIKE ${ours}
         GROUP BY b.PROCESSLIST_ID`,
  );
  return new Map(rows.map(({ id, waiting }) => [Number(id), Number(waiting)]));
}

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
  /** From here on nothing of this session is ended. Called before COMMIT, and before the session goes back. */
  over(): Promise<void>;
};

type WatchedBatch = BatchWatch & {
  readonly session: Session;
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
    if (!this.#isOn || !yields) return { waited: null, over: async () => undefined };
    const batch = watchedBatch(session);
    const timer = setTimeout(() => {
      this.#old.add(batch);
      if (!this.#isLooking) void this.#keepLooking();
    }, patienceMs);
    return {
      get waited() {
        return batch.waited;
      },
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
      // Trouble here ends no batch: the server's limit for its statements does.
      await asking(this.#sessions.monitor, 'see who waits for a batch', (session) =>
        this.#look(session),
      ).catch(() => undefined);
      await sleep(betweenMs());
    }
    this.#isLooking = false;
  }

  async #look(killer: Session): Promise<void> {
    const ids = [...this.#old].map(({ session }) => session.id);
    // They may all be over by the time that there is a session to ask with.
    if (ids.length === 0) return;
    const waits = await waitsFor(killer, ids);
    for (const batch of this.#old) {
      const waited = waits.get(batch.session.id) ?? 0;
      if (waited > 0) await batch.end(killer, waited);
    }
  }
}

function watchedBatch(session: Session): WatchedBatch {
  let waited: number | null = null;
  let isOver = false;
  let killing: Promise<unknown> | null = null;
  return {
    session,
    get waited() {
      return waited;
    },
    async end(killer, sessions) {
      const kill = await killOf(killer, session);
      // Between two statements, or at its end: the next look comes before the next statement is over, or never.
      if (kill === null || isOver) return;
      waited = sessions;
      killing = killer.write(kill).catch(() => undefined);
      await killing;
    },
    async over() {
      isOver = true;
      if (killing === null || session.can.killsOneStatement) return;
      // The session's next statement would be the victim of a kill that came late. This one is.
      const late = Symbol('late');
      const outcome = await Promise.race([killing, sleep(longestKillMs).then(() => late)]);
      killing = null;
      if (outcome === late) session.isBroken = true;
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

/**
 * The KILL for the statement that this session runs now, if it is one of a batch. Behind a proxy a connection may have
 * become somebody else's: our comment at its head says that it has not.
 */
async function killOf(killer: Session, { id, can }: Session): Promise<string | null> {
  const isOurs = textSql('/* message-gc run=%');
  const rows = await killer.rows<{ query: number }>(
    can.killsOneStatement
      ? `SELECT QUERY_ID AS query FROM information_schema.PROCESSLIST
         WHERE ID = ${id} AND COMMAND = 'Query' AND INFO LIKE ${isOurs}`
      : `SELECT PROCESSLIST_ID AS query FROM performance_schema.threads
         WHERE PROCESSLIST_ID = ${id} AND PROCESSLIST_COMMAND = 'Query' AND PROCESSLIST_INFO LIKE ${isOurs}`,
  );
  const query = rows[0]?.query;
  if (query === undefined) return null;
  return can.killsOneStatement ? `KILL QUERY ID ${Number(query)}` : `KILL QUERY ${id}`;
}

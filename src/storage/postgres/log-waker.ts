import { kindOf } from './errors.js';
import { sleep } from '../../kit/sleep.js';
import { type Sessions, withSession } from './session.js';

/*
 * A DELETE fills the server's log buffer (wal_buffers, 4 MB with the default settings) every few milliseconds: after a
 * checkpoint each block goes into the log as a whole. The server's writer of the log empties it, but it is woken by
 * commits that wait for no disk, and otherwise looks five times a second. Until then each session writes the log by
 * itself, block by block, and two sessions stand in each other's way. So while batches delete, a session that deletes
 * nothing commits every few milliseconds and wakes it.
 *
 * Measured (2 million rows, half of them go, ranges of 20,000 keys, no ledger): two connections 1.24 s alone, 0.93 s with
 * a commit every 2 ms, 1.01 s with one every 5 ms; one DELETE 1.25 s. Shorter batches do the same, but each of them
 * writes the ledger.
 */

/** Time enough that most batches of small ranges end before. */
const everyMs = 2;

/** Needs no privilege and no table: a commit counts only when it has a transaction id to write. */
const wake = 'BEGIN; SET LOCAL synchronous_commit = off; SELECT pg_current_xact_id(); COMMIT';

export type LogWaker = {
  /** Keeps the server's writer of the log awake while `work` goes on. */
  during<T>(work: () => Promise<T>): Promise<T>;
};

/** Not for PGlite: it has one session and no such writer. */
export function logWaker(sessions: Sessions): LogWaker {
  let working = 0;
  let isWaking = false;

  const keepAwake = async (): Promise<void> => {
    isWaking = true;
    try {
      for (await sleep(everyMs); working > 0; await sleep(everyMs)) {
        await withSession(sessions, sessions.control, async (client) => {
          await client.query(wake).catch(async (error: unknown) => {
            if (kindOf(error).kind !== 'unreachable') await client.query('ROLLBACK');
            throw error;
          });
        });
      }
    } finally {
      isWaking = false;
    }
  };

  return {
    async during(work) {
      if (sessions.engine === 'pglite') return work();
      working += 1;
      // What is wrong with the server is told by the batch itself; the next one tries again.
      if (!isWaking) void keepAwake().catch(() => undefined);
      try {
        return await work();
      } finally {
        working -= 1;
      }
    },
  };
}

import { StoreError, wordsOf } from '../../core/errors.js';
import { sleep } from '../../kit/sleep.js';
import { asking, type Sessions } from './session.js';
import { notOurs } from './signals/others.js';

/** Most batches are over by then and ask nothing; nobody is made to wait for longer without being looked for. */
const firstLookMs = 100;
const againMs = 50;

/** The backend that holds the locks, and the transaction in which it does. */
export type Holder = { readonly pid: number; readonly xid: string };

export interface WaitersLook {
  /**
   * No cancel is sent from here on, and one that was sent has arrived. So many sessions waited; 0: nobody did, or
   * nobody looked. To be awaited before the next statement of the batch's session, COMMIT and ROLLBACK included.
   */
  end(): Promise<number>;
}

/**
 * While a batch holds rows: from its 100th millisecond on, does anybody wait for it? Then its statement is cancelled,
 * from another session, since its own is busy with it.
 *
 * The cancel can hit nothing else. It is sent only to a backend that is still in this transaction (a pooler may have
 * given it to somebody else), and the batch sends no statement while a cancel is on its way: one that comes between
 * two statements is dropped by the server. Read from pg_locks, which every user may, and not from pg_stat_activity,
 * which hides what others wait for.
 */
export function lookForWaiters(sessions: Sessions, holder: Holder): WaitersLook {
  const over = new AbortController();
  let found = 0;
  let cancelling: Promise<void> | null = null;
  const look = async (): Promise<void> => {
    await sleep(firstLookMs, over.signal);
    while (!over.signal.aborted) {
      const waiting = await waitersOf(sessions, holder);
      if (over.signal.aborted) return;
      if (waiting > 0) {
        found = waiting;
        cancelling = cancel(sessions, holder);
        await cancelling;
      }
      await sleep(againMs, over.signal);
    }
  };
  // Who cannot look does not know of anybody; the batch has its own limits.
  look().catch(() => undefined);
  return {
    async end() {
      over.abort();
      try {
        await cancelling;
      } catch (error) {
        // The cancel may still come, and would hit whatever this session does next: it must not be used again.
        const doing = 'end a batch that others wait for';
        throw new StoreError('unreachable', 'CANCEL', doing, wordsOf(error), error);
      }
      return found;
    },
  };
}

function waitersOf(sessions: Sessions, { pid }: Holder): Promise<number> {
  return asking(sessions, sessions.monitor, 'see who waits for a batch', async (client) => {
    const { rows } = await client.query<{ n: number }>(
      `SELECT count(*)::int AS n FROM (SELECT DISTINCT l.pid FROM pg_locks l WHERE NOT l.granted) w
       LEFT JOIN pg_stat_activity a ON a.pid = w.pid
       WHERE ${notOurs('a')} AND $1 = ANY (pg_blocking_pids(w.pid))`,
      [pid],
    );
    return rows[0]?.n ?? 0;
  });
}

function cancel(sessions: Sessions, { pid, xid }: Holder): Promise<void> {
  return asking(sessions, sessions.monitor, 'end a batch that others wait for', async (client) => {
    await client.query(
      `SELECT pg_cancel_backend(l.pid) FROM pg_locks l
       WHERE l.pid = $1 AND l.locktype = 'transactionid' AND l.transactionid = $2::xid AND l.granted`,
      [pid, xid],
    );
  });
}

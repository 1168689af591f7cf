import type { Watcher } from '../../signals/gather.js';
import { asking, type Sessions } from '../pool.js';
import { transactionAge } from '../transaction-age.js';
import { unlessDenied } from './privilege.js';

type Oldest = { readonly age: number; readonly words: string };

/** While it lasts InnoDB keeps every row that was deleted since its start. */
export function oldestTransaction(sessions: Sessions): Watcher {
  const oldest = (): Promise<Oldest | undefined> =>
    asking(sessions.monitor, 'look for the oldest transaction', async (session) => {
      const rows = await session.rows<Oldest>(
        `SELECT ${transactionAge} AS age,
           CASE WHEN t.trx_mysql_thread_id = 0 THEN 'a prepared XA transaction'
             ELSE CONCAT('session ', t.trx_mysql_thread_id, COALESCE((SELECT CONCAT(' of ', p.USER)
               FROM information_schema.PROCESSLIST p WHERE p.ID = t.trx_mysql_thread_id), '')) END AS words
         FROM information_schema.INNODB_TRX t
         WHERE t.trx_mysql_thread_id NOT IN (${[session.id, ...sessions.ids()].join(', ')})
         ORDER BY t.trx_started LIMIT 1`,
      );
      return rows[0];
    });
  return {
    signal: 'oldest_transaction',
    probe: () => unlessDenied('PROCESS', async () => oldest().then(() => null)),
    async read() {
      const found = await oldest();
      return found === undefined ? { value: 0 } : { value: Number(found.age), detail: found.words };
    },
  };
}

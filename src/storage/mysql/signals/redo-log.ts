import type { Watcher } from '../../signals/gather.js';
import { countersLike } from '../counters.js';
import { asking, type Sessions } from '../pool.js';

type Log = { readonly used: number; readonly room: number };

/**
 * InnoDB's redo log is a ring: before it is overwritten, the pages whose changes it holds must be written. When it is nearly full
 * the server writes them all at once and every COMMIT waits, the application's too: 100 to 200 ms were seen (decision 0058).
 */
export function redoLog(sessions: Sessions): Watcher {
  const look = (): Promise<Log | null> =>
    asking(sessions.monitor, 'see how full the redo log is', async (session) => {
      const told = await countersLike(session, 'Innodb_checkpoint_%');
      const used = Number(told.get('innodb_checkpoint_age') ?? Number.NaN);
      const room = Number(told.get('innodb_checkpoint_max_age') ?? Number.NaN);
      return used >= 0 && room > 0 ? { used, room } : null;
    });
  return {
    signal: 'redo_log',
    probe: async () => ((await look()) === null ? 'the server does not tell how full its redo log is' : null),
    async read() {
      const log = await look();
      if (log === null) throw new Error('the server does not tell how full its redo log is any more');
      return { value: log.used / log.room, detail: `of ${Math.round(log.room / 2 ** 20)} MiB` };
    },
  };
}

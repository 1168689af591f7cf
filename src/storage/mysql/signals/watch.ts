import { randomBytes } from 'node:crypto';
import type { Signals, SignalSources } from '../../../core/signals.js';
import { gather } from '../../signals/gather.js';
import { openReplica, type Sessions } from '../pool.js';
import { activeSessions } from './active-sessions.js';
import { canary } from './canary.js';
import { diskUsed } from './disk-used.js';
import { flowControl } from './flow-control.js';
import { historyList } from './history-list.js';
import { oldestTransaction } from './oldest-transaction.js';
import { ownCheck } from './own-check.js';
import { redoLog } from './redo-log.js';
import { replicaLag } from './replica-lag.js';
import type { Waiters } from './waiters.js';

/** What MariaDB and MySQL tell of their health. Throws a Refusal for the address of a replica that is none. */
export function signalsOf(sessions: Sessions, sources: SignalSources, waiters: Waiters): Signals {
  const replicas = sources.replicas.map(openReplica);
  /** Two rows of this process's own: who measures the writing of one must not wait for the other. */
  const id = randomBytes(8).toString('hex');
  return {
    async watch(policy, skipped) {
      const watch = await gather(
        [
          canary(sessions, policy, `${id}.canary`),
          waiters.watcher(),
          activeSessions(sessions, sources.cores),
          replicaLag(sessions, replicas, `${id}.replicas`),
          oldestTransaction(sessions),
          historyList(sessions),
          redoLog(sessions),
          flowControl(sessions),
          diskUsed(sessions),
          ownCheck(sessions, sources.checkSql),
        ],
        skipped,
      );
      return {
        ...watch,
        async close() {
          await watch.close();
          sessions.monitor.drain();
          sessions.canary.drain();
        },
      };
    },
  };
}

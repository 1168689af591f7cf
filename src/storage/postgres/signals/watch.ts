import { StoreError } from '../../../core/errors.js';
import type { Policy } from '../../../core/policy.js';
import type { Signals, SignalSources } from '../../../core/signals.js';
import { gather, type Watcher } from '../../signals/gather.js';
import type { Sessions } from '../session.js';
import { activeSessions } from './active-sessions.js';
import { canary } from './canary.js';
import { deadRows } from './dead-rows.js';
import { diskUsed } from './disk-used.js';
import { oldestTransaction } from './oldest-transaction.js';
import { ownCheck } from './own-check.js';
import { replicaLag } from './replica-lag.js';
import { replicationSlots } from './replication-slots.js';
import { vacuum } from './vacuum.js';
import { waiters } from './waiters.js';
import { walArchive } from './wal-archive.js';

/** What PostgreSQL tells of its health, on sessions of its own that are open while a run is watched. */
export function signalsOf(sessions: Sessions, sources: SignalSources): Signals {
  return {
    async watch(policy, skipped) {
      const unreachable: unknown[] = [];
      // A server that cannot be asked just now has no fewer signals: the run must not begin without eyes.
      const asked = watchersOf(sessions, sources, policy).map(
        (watcher): Watcher => ({
          ...watcher,
          probe: async () => {
            try {
              return await watcher.probe();
            } catch (error) {
              if (error instanceof StoreError && error.kind === 'unreachable') unreachable.push(error);
              throw error;
            }
          },
        }),
      );
      const watch = await gather(asked, skipped);
      const close = async (): Promise<void> => {
        await watch.close();
        await sessions.monitor.close();
      };
      if (unreachable.length > 0) {
        await close();
        throw unreachable[0];
      }
      return { ...watch, close };
    },
  };
}

function watchersOf(sessions: Sessions, sources: SignalSources, { mapping }: Policy): readonly Watcher[] {
  return [
    canary(sessions, mapping),
    waiters(sessions),
    activeSessions(sessions, sources),
    replicaLag(sessions),
    replicationSlots(sessions),
    walArchive(sessions),
    vacuum(sessions, mapping),
    deadRows(sessions, mapping),
    oldestTransaction(sessions),
    diskUsed(sessions),
    ownCheck(sessions, sources.checkSql),
  ];
}

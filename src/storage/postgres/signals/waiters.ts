import type { Watcher } from '../../signals/gather.js';
import type { Sessions } from '../session.js';
import { ask } from './others.js';

/** Whether a batch can be told of those who wait for it; it looks for them itself (../waiters.ts). */
export function waiters(sessions: Sessions): Watcher {
  return {
    signal: 'waiters',
    async probe() {
      await ask(
        sessions,
        'see who waits for whom',
        `SELECT count(*) AS n FROM pg_locks l WHERE NOT l.granted AND pg_backend_pid() = ANY (pg_blocking_pids(l.pid))`,
      );
      return null;
    },
  };
}

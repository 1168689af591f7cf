import { availableParallelism } from 'node:os';
import type { SignalSources } from '../../../core/signals.js';
import type { Watcher } from '../../signals/gather.js';
import type { Sessions } from '../session.js';
import { askMonitor, notOurs } from './others.js';

/** A guess at a server of which nothing is known; `MESSAGE_GC_DATABASE_CORES` says better. */
const usualCores = 4;

/** Who works at this moment, of all databases: they share the machine. */
export function activeSessions(sessions: Sessions, sources: SignalSources): Watcher {
  const look = () =>
    askMonitor<{ active: number; here: boolean }>(
      sessions,
      'count the sessions that work',
      `(SELECT count(*)::int FROM pg_stat_activity a
         WHERE a.state = 'active' AND a.backend_type = 'client backend' AND ${notOurs('a')}) AS active,
       inet_server_addr() IS NOT DISTINCT FROM inet_client_addr() AS here`,
    );
  return {
    signal: 'active_sessions',
    async probe() {
      await look();
      return null;
    },
    async read() {
      const { active, here } = await look();
      const cores = sources.cores ?? (here ? availableParallelism() : usualCores);
      return { value: active / cores, detail: `${active} sessions on ${cores} cores` };
    },
  };
}

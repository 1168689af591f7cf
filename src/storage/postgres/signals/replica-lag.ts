import { Trail } from '../../signals/trail.js';
import type { Watcher } from '../../signals/gather.js';
import type { Sessions } from '../session.js';
import { askMonitor } from './others.js';

type Replica = { readonly name: string; readonly at: number; readonly lag: number | null };

/**
 * The slowest streaming replica. The server's own `replay_lag` is measured when a replica replays something: of one
 * whose replay stands still it is old or NULL. So the lag is also reckoned from positions: how long has the log been
 * longer than what the replica has replayed? Whoever has replayed all of it is not behind, however old the figure.
 *
 * Logical subscribers are left out (they confirm when they like; what they hold back is `replication_slots`), and so
 * is what replays nothing (pg_receivewal, a base backup). Without replicas the value is 0: one may come.
 */
export function replicaLag(sessions: Sessions): Watcher {
  const log = new Trail();
  const look = async () => {
    const { here, replicas } = await askMonitor<{ here: number; replicas: readonly Replica[] }>(
      sessions,
      'see how far the replicas are',
      `(pg_current_wal_lsn() - '0/0')::float8 AS here,
       (SELECT coalesce(json_agg(json_build_object(
            'name', coalesce(nullif(r.application_name, ''), host(r.client_addr), 'pid ' || r.pid),
            'at', (r.replay_lsn - '0/0')::float8, 'lag', extract(epoch FROM r.replay_lag)::float8)), '[]')
          FROM pg_stat_replication r LEFT JOIN pg_replication_slots s ON s.active_pid = r.pid
         WHERE r.replay_lsn IS NOT NULL AND s.slot_type IS DISTINCT FROM 'logical') AS replicas`,
    );
    const now = performance.now();
    log.note(here, now);
    return { here, replicas, now };
  };
  return {
    signal: 'replica_lag',
    async probe() {
      await look();
      return null;
    },
    async read() {
      const { here, replicas, now } = await look();
      const lags = replicas.map(({ name, at, lag }) => ({
        name,
        bytes: Math.max(0, here - at),
        seconds: at >= here ? 0 : Math.max(log.behindMs(at, now) / 1_000, lag ?? 0),
      }));
      const [worst] = lags.toSorted((a, b) => b.seconds - a.seconds || b.bytes - a.bytes);
      if (worst === undefined) return { value: 0, detail: 'no replica is connected' };
      return { value: worst.seconds, detail: `${worst.name}, ${worst.bytes} bytes behind` };
    },
  };
}

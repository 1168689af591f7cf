import type { Watcher } from '../../signals/gather.js';
import type { Sessions } from '../session.js';
import { ask } from './others.js';

type Slots = { readonly slot: string | null; readonly bytes: number | null; readonly keep: number };

/**
 * Log that the server keeps for a replica or subscriber that has not fetched it, connected or not: it fills the disk,
 * or, beyond max_slot_wal_keep_size, costs the replica. A slot that is lost already keeps nothing. Every user may read it.
 * (The view pg_settings makes the server write out all of its settings: most of the time that this look took, each second.)
 */
export function replicationSlots(sessions: Sessions): Watcher {
  const look = () =>
    ask<Slots>(
      sessions,
      'see what replication slots hold back',
      `SELECT s.slot_name AS slot, (pg_current_wal_lsn() - s.restart_lsn)::float8 AS bytes,
         pg_size_bytes(current_setting('max_slot_wal_keep_size'))::float8 AS keep
       FROM (SELECT 1) one LEFT JOIN pg_replication_slots s
         ON s.restart_lsn IS NOT NULL AND s.wal_status IS DISTINCT FROM 'lost'
       ORDER BY s.restart_lsn LIMIT 1`,
    );
  return {
    signal: 'replication_slots',
    async probe() {
      await look();
      return null;
    },
    async read() {
      const { slot, bytes, keep } = await look();
      const limit = keep > 0 ? { limit: keep / 2 } : {};
      const detail = slot === null ? 'there is no slot' : `slot ${slot}`;
      return { value: Math.max(0, bytes ?? 0), detail, ...limit };
    },
  };
}

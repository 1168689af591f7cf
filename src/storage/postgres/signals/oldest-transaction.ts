import { Trail } from '../../signals/trail.js';
import type { Watcher } from '../../signals/gather.js';
import type { Sessions } from '../session.js';
import { askMonitor, notOurs, sessionWords } from './others.js';

type Look = {
  readonly next: number;
  readonly oldest: { readonly seconds: number; readonly words: string } | null;
  /** What replicas and slots ask the primary to keep, as transactions before `next`. */
  readonly kept: readonly { readonly words: string; readonly age: number }[];
};

/**
 * The oldest that keeps deleted rows of this database from being cleaned away: a transaction that has written or sees
 * an old state (one that is open and does neither holds nothing), a prepared one, and the queries of replicas that
 * report them (hot_standby_feedback). Of those only a transaction number is known; since when is reckoned from when
 * the server was there. Vacuums hold nothing.
 */
export function oldestTransaction(sessions: Sessions): Watcher {
  const numbers = new Trail();
  const look = async () => {
    const seen = await askMonitor<Look>(
      sessions,
      'look for old transactions',
      `pg_snapshot_xmax(pg_current_snapshot())::text::float8 AS next,
       (SELECT json_build_object('seconds', greatest(0, extract(epoch FROM clock_timestamp() - o.since)), 'words', o.words)
          FROM (
            SELECT a.xact_start AS since, ${sessionWords('a')} AS words FROM pg_stat_activity a
             WHERE a.datname = current_database() AND a.xact_start IS NOT NULL
               AND (a.backend_xid IS NOT NULL OR a.backend_xmin IS NOT NULL)
               AND a.backend_type NOT IN ('autovacuum worker', 'walsender') AND ${notOurs('a')}
               AND NOT EXISTS (SELECT FROM pg_stat_progress_vacuum v WHERE v.pid = a.pid)
            UNION ALL
            SELECT p.prepared, format('prepared transaction %L of %s', p.gid, p.owner) FROM pg_prepared_xacts p
             WHERE p.database = current_database()
          ) o ORDER BY o.since LIMIT 1) AS oldest,
       (SELECT coalesce(json_agg(k), '[]') FROM (
            SELECT 'a query on the replica ' || coalesce(nullif(r.application_name, ''), host(r.client_addr), 'pid ' || r.pid) AS words,
              age(r.backend_xmin) AS age FROM pg_stat_replication r WHERE r.backend_xmin IS NOT NULL
            UNION ALL
            SELECT 'the replication slot ' || s.slot_name, age(s.xmin) FROM pg_replication_slots s WHERE s.xmin IS NOT NULL
          ) k) AS kept`,
    );
    const now = performance.now();
    numbers.note(seen.next, now);
    return { ...seen, now };
  };
  return {
    signal: 'oldest_transaction',
    async probe() {
      await look();
      return null;
    },
    async read() {
      const { next, oldest, kept, now } = await look();
      const old = kept.map(({ words, age }) => ({
        words,
        seconds: numbers.behindMs(next - age, now) / 1_000,
      }));
      const [worst] = [...(oldest === null ? [] : [oldest]), ...old].toSorted(
        (a, b) => b.seconds - a.seconds,
      );
      return worst === undefined || worst.seconds === 0
        ? { value: 0 }
        : { value: worst.seconds, detail: worst.words };
    },
  };
}

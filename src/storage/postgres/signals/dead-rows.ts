import type { Mapping } from '../../../core/mapping.js';
import type { Watcher } from '../../signals/gather.js';
import type { Sessions } from '../session.js';
import { ask } from './others.js';
import { tablesThatLose, withParts } from './tables.js';

/** What the statistics say of the messages table; a few seconds old. Every user may read them. */
export function deadRows(sessions: Sessions, mapping: Mapping): Watcher {
  let messages: readonly string[] = [];
  return {
    signal: 'dead_rows',
    async probe() {
      messages = (await tablesThatLose(sessions, mapping)).slice(0, 1);
      const { counts } = await ask<{ counts: boolean }>(
        sessions,
        'see whether rows are counted',
        `SELECT current_setting('track_counts') = 'on' AS counts`,
      );
      return counts ? null : 'the server counts no rows (track_counts is off)';
    },
    async read() {
      // Counting begins anew after a crash, pg_stat_reset or in a copy of the database: then the deleted rows alone are known, and
      // would be all there is. What the last VACUUM or ANALYZE found stays.
      const { dead, all } = await ask<{ dead: number; all: number }>(
        sessions,
        'count the dead rows',
        `${withParts} SELECT coalesce(sum(dead), 0)::float8 AS dead, coalesce(sum(greatest(dead + live, found)), 0)::float8 AS all
         FROM (SELECT pg_stat_get_dead_tuples(oid) AS dead, pg_stat_get_live_tuples(oid) AS live,
                 CASE relkind WHEN 'p' THEN 0 ELSE reltuples END AS found
               FROM mine JOIN pg_class USING (oid)) AS tables`,
        [messages],
      );
      return { value: all > 0 ? dead / all : 0, detail: `${dead} dead of ${all}` };
    },
  };
}

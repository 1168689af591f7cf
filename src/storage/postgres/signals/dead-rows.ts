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
      const { dead, live } = await ask<{ dead: number; live: number }>(
        sessions,
        'count the dead rows',
        `${withParts} SELECT coalesce(sum(pg_stat_get_dead_tuples(oid)), 0)::float8 AS dead,
           coalesce(sum(pg_stat_get_live_tuples(oid)), 0)::float8 AS live FROM mine`,
        [messages],
      );
      return { value: dead + live > 0 ? dead / (dead + live) : 0, detail: `${dead} dead, ${live} live` };
    },
  };
}

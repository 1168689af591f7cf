import type { Mapping } from '../../../core/mapping.js';
import type { Watcher } from '../../signals/gather.js';
import type { Sessions } from '../session.js';
import { askMonitor } from './others.js';
import { tablesThatLose, withParts } from './tables.js';

type Vacuums = { readonly n: number; readonly words: string | null };

/** Vacuums at work on the tables that lose rows, whoever began them. */
export function vacuum(sessions: Sessions, mapping: Mapping): Watcher {
  let oids: readonly string[] = [];
  const look = () =>
    askMonitor<{ found: Vacuums }>(
      sessions,
      'see whether the tables are vacuumed',
      `(${withParts} SELECT json_build_object('n', count(*),
            'words', string_agg(format('%s: %s', v.relid::regclass, v.phase), ', '))
          FROM pg_stat_progress_vacuum v
         WHERE v.datname = current_database() AND v.relid IN (
           SELECT oid FROM mine UNION SELECT c.reltoastrelid FROM pg_class c JOIN mine USING (oid))) AS found`,
      [oids],
    );
  return {
    signal: 'vacuum',
    async probe() {
      oids = await tablesThatLose(sessions, mapping);
      await look();
      return null;
    },
    async read() {
      const { n, words } = (await look()).found;
      return { value: n, ...(words === null ? {} : { detail: words }) };
    },
  };
}

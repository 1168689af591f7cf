import type { Watcher } from '../../signals/gather.js';
import type { Sessions } from '../session.js';
import { ask } from './others.js';

/** Segments that the archive command has not taken yet: they stay on the primary's disk. */
export function walArchive(sessions: Sessions): Watcher {
  return {
    signal: 'wal_archive',
    async probe() {
      const { mode } = await ask<{ mode: string }>(
        sessions,
        'see whether the log is archived',
        `SELECT current_setting('archive_mode') AS mode`,
      );
      if (mode === 'off') return 'the server archives no log (archive_mode is off)';
      await waiting(sessions);
      return null;
    },
    async read() {
      return { value: await waiting(sessions) };
    },
  };
}

/** Refused, with the function's name, where pg_monitor is missing. */
async function waiting(sessions: Sessions): Promise<number> {
  const { n } = await ask<{ n: number }>(
    sessions,
    'count the segments that wait to be archived',
    `SELECT count(*)::int AS n FROM pg_ls_archive_statusdir() WHERE name LIKE '%.ready'`,
  );
  return n;
}

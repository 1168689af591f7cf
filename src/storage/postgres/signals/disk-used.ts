import { statfs } from 'node:fs/promises';
import { join } from 'node:path';
import { wordsOf } from '../../../core/errors.js';
import type { Watcher } from '../../signals/gather.js';
import type { Sessions } from '../session.js';
import { ask } from './others.js';

type Places = { readonly here: boolean; readonly data: string; readonly spaces: readonly string[] };

/**
 * The fullest of the disks under the server's data, its log and its tablespaces. SQL does not tell of disks, so only
 * where the server runs on this machine and says where its data lie (pg_monitor).
 */
export function diskUsed(sessions: Sessions): Watcher {
  let folders: readonly string[] = [];
  return {
    signal: 'disk_used',
    async probe() {
      const { here, data, spaces } = await ask<Places>(
        sessions,
        'see where the data lie',
        `SELECT inet_server_addr() IS NOT DISTINCT FROM inet_client_addr() AS here, current_setting('data_directory') AS data,
           (SELECT coalesce(json_agg(pg_tablespace_location(oid)), '[]') FROM pg_tablespace
             WHERE pg_tablespace_location(oid) <> '') AS spaces`,
      );
      if (!here) return 'the server is on another machine';
      await usedShare(data);
      folders = [data];
      // The log may have a disk of its own behind a link, in a folder that only the server may enter.
      for (const folder of [join(data, 'pg_wal'), ...spaces]) {
        const isReadable = await usedShare(folder).then(
          () => true,
          () => false,
        );
        if (isReadable) folders = [...folders, folder];
      }
      return null;
    },
    async read() {
      const shares = await Promise.all(
        folders.map(async (folder) => ({ folder, share: await usedShare(folder) })),
      );
      const [fullest] = shares.toSorted((a, b) => b.share - a.share);
      if (fullest === undefined) throw new Error('No folder of the server can be seen');
      return { value: fullest.share, detail: fullest.folder };
    },
  };
}

/** As `df` reckons it: of what a user other than root may fill. */
async function usedShare(folder: string): Promise<number> {
  const { blocks, bfree, bavail } = await statfs(folder).catch((error: unknown) => {
    throw new Error(`The disk under ${folder} cannot be seen: ${wordsOf(error)}`);
  });
  const used = blocks - bfree;
  return used + bavail > 0 ? used / (used + bavail) : 1;
}

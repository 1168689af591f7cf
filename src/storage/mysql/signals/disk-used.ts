import { statfs } from 'node:fs/promises';
import { hostname } from 'node:os';
import type { Watcher } from '../../signals/gather.js';
import { asking, type Sessions } from '../pool.js';

/** The disk under the data, when the server runs on this machine: no statement tells of it. */
export function diskUsed(sessions: Sessions): Watcher {
  let folder = '';
  return {
    signal: 'disk_used',
    async probe() {
      if (!sessions.isLocal()) return 'the database is on another machine';
      const server = await asking(sessions.monitor, 'ask where the data is', async (session) => {
        const rows = await session.rows<{ host: string; data: string }>(
          'SELECT @@hostname AS host, @@datadir AS data',
        );
        return rows[0];
      });
      // A tunnel, or a port of a container, is reached on the loopback too; its folder is another one.
      if (server === undefined || server.host !== hostname()) {
        return `the server calls its machine ${server?.host ?? ''}, which is not this one`;
      }
      folder = server.data;
      await used(folder);
      return null;
    },
    read: async () => ({ value: await used(folder), detail: folder }),
  };
}

/** As `df` counts it: of what may be used at all. */
async function used(folder: string): Promise<number> {
  const { blocks, bfree, bavail } = await statfs(folder);
  const taken = blocks - bfree;
  return taken + bavail === 0 ? 0 : taken / (taken + bavail);
}

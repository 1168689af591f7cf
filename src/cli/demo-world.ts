import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Config } from '../config/read-config.js';
import { createScratchDatabase } from '../storage/postgres/scratch.js';

/** Where the demo happens: a database that exists only for it. */
export type DemoWorld = { readonly config: Config; readonly words: string; remove(): Promise<void> };

/** A folder of its own for the embedded database; with a server named by the configuration, a scratch database there. */
export async function makeDemoWorld(config: Config, usesServer: boolean): Promise<DemoWorld> {
  const local = {
    ...config,
    listen: { host: '127.0.0.1', port: 0 },
    adminPassword: 'Demo-Passw0rd!',
    retentionSeconds: 0,
  };
  if (usesServer && config.database.engine === 'postgresql') {
    const scratch = await createScratchDatabase(config.database.url);
    return {
      config: {
        ...local,
        database: {
          engine: 'postgresql',
          url: scratch.url,
          where: `${new URL(config.database.where).host}/${scratch.name}`,
        },
      },
      words: `a scratch database, ${scratch.name}`,
      remove: () => scratch.drop(),
    };
  }
  const folder = await mkdtemp(join(tmpdir(), 'message-gc-demo-'));
  const data = join(folder, 'data');
  return {
    config: { ...local, database: { engine: 'pglite', folder: data, where: `pglite:${data}` } },
    words: 'an embedded database (PGlite) in a temporary folder',
    remove: () => rm(folder, { recursive: true, force: true }),
  };
}

import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Config } from '../config/read-config.js';
import { createScratchDatabase as createMysqlScratch } from '../storage/mysql/scratch.js';
import { createScratchDatabase } from '../storage/postgres/scratch.js';

/** Where the demo happens: a database that exists only for it. */
export type DemoWorld = { readonly config: Config; readonly words: string; remove(): Promise<void> };

/** A folder of its own for the embedded database; with a server named by the configuration, a scratch database there. */
export async function makeDemoWorld(config: Config, usesServer: boolean): Promise<DemoWorld> {
  const local = {
    ...config,
    listen: { host: '127.0.0.1', port: 0 },
    adminPassword: 'Demo-Passw0rd!',
    mapping: null,
    mappingFile: null,
    retentionSeconds: 0,
  };
  const { database } = config;
  if (usesServer && database.engine !== 'pglite') {
    const create = database.engine === 'mysql' ? createMysqlScratch : createScratchDatabase;
    const scratch = await create(database.url);
    return {
      config: {
        ...local,
        database: {
          engine: database.engine,
          url: scratch.url,
          where: `${/^\w+:\/\/(?:[^@/]*@)?([^/]*)/.exec(database.where)?.[1] ?? ''}/${scratch.name}`,
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

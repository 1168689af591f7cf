import type { Store } from '../core/ports.js';
import { noSources, type SignalSources } from '../core/signals.js';
import type { Log } from '../kit/log.js';
import { openServer as openMysqlServer } from './mysql/pool.js';
import { mysqlStore } from './mysql/store.js';
import { type Embedded, openEmbedded } from './pglite/connect.js';
import { holding } from './pglite/one-session.js';
import { vacuumEmbedded } from './pglite/vacuum.js';
import { openServer, type SessionPool, types } from './postgres/session.js';
import { postgresStore } from './postgres/store.js';

export type StoreOptions = {
  readonly database:
    | { readonly engine: 'postgresql'; readonly url: string }
    | { readonly engine: 'mysql'; readonly url: string }
    | { readonly engine: 'pglite'; readonly folder: string };
  /** How many batches may run at once; the embedded database does one thing after another. */
  readonly workers: number;
  readonly signals?: SignalSources;
  readonly log: Log;
};

/** The store that a database address names. Connects when it is first used, not before. */
export function openStore({ database, workers, signals = noSources, log }: StoreOptions): Store {
  switch (database.engine) {
    case 'postgresql':
      return postgresStore(openServer(database.url, workers), signals);
    case 'mysql':
      return mysqlStore(openMysqlServer(database, workers), signals);
    case 'pglite':
      return embeddedStore(() => openEmbedded(database.folder, log, types));
  }
}

/** PGlite is the PostgreSQL engine with one connection and without time limits. */
export function embeddedStore(openFolder: () => Promise<Embedded>): Store {
  let opening: Promise<Embedded> | null = null;
  let isOpen = false;
  let pending = '';
  const open = (): Promise<Embedded> => {
    // A refused folder may be free at the next try.
    opening ??= openFolder().then(
      (embedded) => {
        isOpen = true;
        if (pending !== '') embedded.note(pending);
        return embedded;
      },
      (error: unknown) => {
        opening = null;
        throw error;
      },
    );
    return opening;
  };
  const pool: SessionPool = { connect: async () => (await open()).pool.connect() };
  return postgresStore(
    {
      control: pool,
      sweep: pool,
      monitor: { ...pool, close: async () => undefined },
      hasTimeLimits: false,
      engine: 'pglite',
      sessions: 1,
      holding: async (work) => holding((await open()).pool, work),
      async close() {
        if (isOpen) await (await open()).close();
      },
    },
    noSources,
    {
      note(words) {
        pending = words;
        if (isOpen) void open().then((embedded) => embedded.note(words));
      },
      async tidyUp({ mapping }) {
        await vacuumEmbedded((await open()).pool, [
          mapping.table,
          ...mapping.dependents.map((one) => one.table),
        ]);
      },
    },
  );
}

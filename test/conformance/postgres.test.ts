import { afterAll } from 'vitest';
import pg from 'pg';
import { silentLog } from '../../src/kit/log.js';
import { openStore } from '../../src/storage/open-store.js';
import { describePostgres } from '../engines.js';
import { createScratchDatabase } from '../harness/scratch-database.js';
import { exerciseStore } from './exercise-store.js';
import { sqlWorld } from './sql-world.js';

describePostgres('on a PostgreSQL server', () => {
  let opened: ReturnType<typeof open> | null = null;

  /** One scratch database for the file; each world empties it. */
  const open = async () => {
    const database = await createScratchDatabase();
    const eye = new pg.Client({ connectionString: database.url, application_name: 'message-gc test' });
    await eye.connect();
    const store = openStore({
      database: { engine: 'postgresql', url: database.url },
      workers: 2,
      log: silentLog,
    });
    await store.prepare({ migrate: true });
    const makeWorld = () => sqlWorld(store, (text, values) => eye.query(text, [...(values ?? [])]));
    return { database, eye, store, makeWorld };
  };
  afterAll(async () => {
    if (opened === null) return;
    const { database, eye, store } = await opened;
    await store.close();
    await eye.end();
    await database.drop();
  });

  exerciseStore(
    'PostgreSQL',
    async () => {
      opened ??= open();
      return (await opened).makeWorld();
    },
    { worlds: 15 },
  );
});

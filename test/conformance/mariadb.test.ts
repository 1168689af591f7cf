import { afterAll } from 'vitest';
import { silentLog } from '../../src/kit/log.js';
import { openStore } from '../../src/storage/open-store.js';
import { describeMariaDb } from '../engines.js';
import { createMariadbDatabase, mariadbClient } from '../harness/mariadb-database.js';
import { exerciseStore } from './exercise-store.js';
import { mariadbWorld } from './mariadb-world.js';

describeMariaDb('on a MariaDB server', () => {
  let opened: ReturnType<typeof open> | null = null;

  /** One scratch database for the file; each world empties it. */
  const open = async () => {
    const database = await createMariadbDatabase();
    const client = await mariadbClient(database.url);
    const store = openStore({
      database: { engine: 'mysql', url: database.url },
      workers: 2,
      log: silentLog,
    });
    await store.prepare({ migrate: true });
    return { database, client, store };
  };
  afterAll(async () => {
    if (opened === null) return;
    const { database, client, store } = await opened;
    await store.close();
    await client.end();
    await database.drop();
  });

  exerciseStore(
    'MariaDB',
    async () => {
      opened ??= open();
      const { store, client } = await opened;
      return mariadbWorld(store, client);
    },
    { worlds: 15 },
  );
});

import { expect, onTestFinished, test } from 'vitest';
import type { Mapping } from '../../src/core/mapping.js';
import { newId } from '../../src/core/node-name.js';
import { silentLog } from '../../src/kit/log.js';
import { openStore } from '../../src/storage/open-store.js';
import { describeMariaDb } from '../engines.js';
import { createMariadbDatabase, mariadbClient } from '../harness/mariadb-database.js';
import { onMariadb } from '../harness/mysql-family.js';
import { until } from '../harness/wait.js';
import { workshop } from './collect.js';

const mapping: Mapping = {
  store: 'chat',
  table: { schema: null, name: 'chat' },
  key: ['id'],
  age: { column: 'done', unit: 'epoch_s', zone: null },
  processed: 'true',
  holds: [],
  holdList: null,
  walk: null,
  dependents: [
    {
      table: { schema: null, name: 'media' },
      match: [{ column: 'message', message: 'id' }],
      action: 'delete',
    },
  ],
  foreignKeys: 'messages_first',
};

describeMariaDb('keys that are written in more than one way', () => {
  async function chat(tables: string) {
    const database = await createMariadbDatabase();
    onTestFinished(() => database.drop());
    const client = await mariadbClient(database.url);
    onTestFinished(() => client.end());
    await client.query(tables);
    const store = openStore({ database: { engine: 'mysql', url: database.url }, workers: 2, log: silentLog });
    onTestFinished(() => store.close());
    const facts = await store.prepare({ migrate: true });
    const shop = await workshop({ store, facts, policy: { mapping, retentionSeconds: 60 } });
    return { database, client, store, shop };
  }

  test('with leading zeros: a message whose receipt another session holds is parked, and goes when it is free', async () => {
    const { database, store, shop } = await chat(`
      CREATE TABLE chat (id int unsigned zerofill NOT NULL PRIMARY KEY, done bigint, KEY (done));
      CREATE TABLE media (no int AUTO_INCREMENT PRIMARY KEY, message int unsigned NOT NULL, KEY (message));
      INSERT INTO chat SELECT seq, 1000 FROM seq_1_to_20;
      INSERT INTO media (message) SELECT id FROM chat; ANALYZE TABLE chat, media`);
    const application = await mariadbClient(database.url);
    onTestFinished(() => application.end());
    await application.query('BEGIN; UPDATE media SET message = message WHERE message = 7');
    const { runId } = await shop.coreapp.startRun({ requestId: newId(), by: 'admin' });
    await until('all others to be gone', 20_000, async () => {
      const run = await store.ledger.run(runId);
      return run?.parked === 1 && run.messagesDeleted === 19;
    });
    await application.query('COMMIT');
    expect(await shop.ended()).toMatchObject({
      state: 'complete',
      messagesDeleted: 20,
      dependentsDeleted: { media: 20 },
    });
  });

  test.skipIf(!onMariadb)(
    'with a space at the end: what belongs to the other message stays, though its collation takes both for the same',
    async () => {
      const { client, shop } = await chat(`
      CREATE TABLE chat (id varchar(20) NOT NULL PRIMARY KEY, done bigint, KEY (done))
        CHARACTER SET utf8mb4 COLLATE utf8mb4_nopad_bin;
      CREATE TABLE media (no int AUTO_INCREMENT PRIMARY KEY, message varchar(20) NOT NULL, KEY (message))
        CHARACTER SET utf8mb4 COLLATE utf8mb4_general_ci;
      INSERT INTO chat VALUES ('abc', 1000), ('abc ', UNIX_TIMESTAMP() + 1000);
      INSERT INTO media (message) VALUES ('abc'), ('abc ')`);
      expect(await shop.collect()).toMatchObject({
        state: 'complete',
        messagesDeleted: 1,
        dependentsDeleted: { media: 1 },
      });
      const { rows } = await client.query(`SELECT CONCAT(message, '.') AS left_over FROM media`);
      expect(rows).toEqual([{ left_over: 'abc .' }]);
    },
  );
});

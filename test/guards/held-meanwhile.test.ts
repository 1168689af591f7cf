import { afterAll, expect, onTestFinished, test } from 'vitest';
import type { Mapping } from '../../src/core/mapping.js';
import type { EngineFacts, Store } from '../../src/core/ports.js';
import { newId } from '../../src/core/node-name.js';
import { silentLog } from '../../src/kit/log.js';
import { openStore } from '../../src/storage/open-store.js';
import { describeMariaDb, describePostgres } from '../engines.js';
import { createMariadbDatabase, mariadbClient } from '../harness/mariadb-database.js';
import { until } from '../harness/wait.js';
import { workshop } from './collect.js';
import { dropTemplate, guardWorld } from './world.js';

/**
 * A condition that asks another table is answered as of the beginning of its statement, and the statement comes to a row
 * later. In between the application flags the row, which must keep it.
 */
const modes = ['messages_first', 'checked', 'none'] as const;
type Mode = (typeof modes)[number];

/** @param slow  a condition that takes its time over one of the first messages and is true of each: meanwhile message 40 is flagged */
function mapping(mode: Mode, slow: string): Mapping {
  const flags = { schema: null, name: 'flags' };
  return {
    store: 'chat',
    table: { schema: null, name: 'chat' },
    key: ['id'],
    age: { column: 'done', unit: 'epoch_s', zone: null },
    processed: slow,
    holds: [{ name: 'flagged', where: 'EXISTS (SELECT 1 FROM flags f WHERE f.message_id = m.id)' }],
    holdList: null,
    walk: 'key',
    dependents:
      mode === 'none'
        ? []
        : [{ table: flags, match: [{ column: 'message_id', message: 'id' }], action: 'delete' }],
    foreignKeys: mode === 'none' ? 'checked' : mode,
  };
}

type Chat = {
  readonly store: Store;
  readonly facts: EngineFacts;
  readonly slow: string;
  readonly ask: (sql: string) => Promise<readonly object[]>;
  /** Whether a statement of ours is at that message now. */
  readonly isSlow: () => Promise<boolean>;
};

async function flaggedMeanwhile(mode: Mode, { store, facts, slow, ask, isSlow }: Chat): Promise<void> {
  const shop = await workshop({
    store,
    facts,
    policy: { mapping: mapping(mode, slow), retentionSeconds: 0 },
  });
  await shop.coreapp.startRun({ requestId: newId(), by: 'admin' });
  await until('a batch to be under way', 20_000, isSlow);
  await ask('INSERT INTO flags (message_id) VALUES (40)');
  expect(await shop.ended()).toMatchObject({ state: 'complete', messagesDeleted: 39 });
  expect((await ask('SELECT id FROM chat')).map((row) => Number(Object.values(row)[0]))).toEqual([40]);
  expect(await ask('SELECT message_id FROM flags')).toHaveLength(1);
}

describePostgres('a message that is flagged while a batch is under way', () => {
  afterAll(dropTemplate);

  test.each(modes)('stays, and its flag with it (%s)', async (mode) => {
    const world = await guardWorld();
    await world.ask(`CREATE TABLE chat (id bigint PRIMARY KEY, done bigint);
      CREATE TABLE flags (message_id bigint NOT NULL ${mode === 'none' ? '' : 'REFERENCES chat'});
      CREATE INDEX ON flags (message_id);
      INSERT INTO chat SELECT g, 1000 FROM generate_series(1, 40) g; ANALYZE chat;
      CREATE FUNCTION slow(id bigint) RETURNS int STABLE LANGUAGE plpgsql AS
        $$BEGIN IF id = 1 THEN PERFORM pg_sleep(0.15); END IF; RETURN 0; END$$`);
    await flaggedMeanwhile(mode, {
      ...world,
      slow: 'slow(m.id) = 0',
      isSlow: async () => {
        const asleep = await world.ask(
          `SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND wait_event = 'PgSleep'
             AND query ~ 'message-gc.*(DELETE|FOR UPDATE)'`,
        );
        return asleep.length > 0;
      },
    });
  });
});

describeMariaDb('a message that is flagged while a batch on MariaDB is under way', () => {
  test.each(modes)('stays, and its flag with it (%s)', async (mode) => {
    const database = await createMariadbDatabase();
    onTestFinished(() => database.drop());
    const client = await mariadbClient(database.url);
    onTestFinished(() => client.end());
    const store = openStore({ database: { engine: 'mysql', url: database.url }, workers: 2, log: silentLog });
    onTestFinished(() => store.close());
    const facts = await store.prepare({ migrate: true });
    await client.query(`CREATE TABLE chat (id bigint PRIMARY KEY, done bigint, KEY (done));
      CREATE TABLE flags (no int AUTO_INCREMENT PRIMARY KEY, message_id bigint NOT NULL, KEY (message_id)
        ${mode === 'none' ? '' : ', FOREIGN KEY (message_id) REFERENCES chat (id)'});
      INSERT INTO chat SELECT seq, 1000 FROM seq_1_to_40; ANALYZE TABLE chat`);
    // Work and no function of our own: where one is called, the server looks at everything anew after it.
    const work = [1, 2, 3].map((number) => `SHA2(REPEAT(m.id + ${number}, 14000000), 512)`);
    await flaggedMeanwhile(mode, {
      store,
      facts,
      slow: `LENGTH(CASE WHEN m.id = 2 THEN CONCAT(${work.join(', ')}) ELSE 'x' END) > 0`,
      ask: async (sql) => (await client.query(sql)).rows as readonly object[],
      isSlow: async () => {
        const { rows } = await client.query(
          `SELECT 1 FROM information_schema.PROCESSLIST WHERE DB = DATABASE() AND ID <> CONNECTION_ID()
             AND (INFO LIKE '%message-gc%DELETE%' OR INFO LIKE '%message-gc%FOR UPDATE%')`,
        );
        return rows.length > 0;
      },
    });
  });
});

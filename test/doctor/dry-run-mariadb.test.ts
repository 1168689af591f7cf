import { onTestFinished } from 'vitest';
import { silentLog } from '../../src/kit/log.js';
import { openStore } from '../../src/storage/open-store.js';
import { describeMariaDb } from '../engines.js';
import { createMariadbDatabase, mariadbClient } from '../harness/mariadb-database.js';
import { onMariadb } from '../harness/mysql-family.js';
import { type DryRunWorld, dryRunSentences } from './dry-run-suite.js';

const fixture = `
  CREATE TABLE chat (id bigint PRIMARY KEY, sent bigint NOT NULL, state varchar(20) NOT NULL, pinned boolean NOT NULL, reply_to bigint, KEY (sent));
  CREATE TABLE reaction (id bigint PRIMARY KEY, chat_id bigint NOT NULL, FOREIGN KEY (chat_id) REFERENCES chat (id));
  CREATE TABLE file (id bigint PRIMARY KEY, reaction_id bigint, FOREIGN KEY (reaction_id) REFERENCES reaction (id) ON DELETE CASCADE);`;

async function world(): Promise<DryRunWorld> {
  const database = await createMariadbDatabase();
  onTestFinished(() => database.drop());
  const client = await mariadbClient(database.url);
  onTestFinished(() => client.end());
  // Prepared over our own tables: the ledger is what is wanted of it.
  const store = openStore({ database: { engine: 'mysql', url: database.url }, workers: 1, log: silentLog });
  onTestFinished(() => store.close());
  const facts = await store.prepare({ migrate: true });
  await client.query(fixture);
  const ask = async (sql: string) => (await client.query(sql)).rows as readonly Record<string, unknown>[];
  return {
    store,
    facts,
    ask,
    // Of a condition over a column without an index MySQL supposes that a tenth of the rows fulfil it, each time.
    ...(onMariadb ? {} : { guessesWithin: 20 }),
    async fill(rows) {
      const [last] = await ask('SELECT coalesce(max(id), 0) AS n FROM chat');
      const from = Number(last?.['n']);
      await ask(
        `INSERT INTO chat SELECT ${from} + seq, UNIX_TIMESTAMP() - 400 * 86400 + seq * 3600 % (399 * 86400), IF(seq % 3 = 0, 'sent', 'read'), seq % 50 = 7, NULL FROM seq_1_to_${rows}`,
      );
      await ask('INSERT IGNORE INTO reaction SELECT id, id FROM chat WHERE id % 2 = 0');
      await ask('INSERT IGNORE INTO file SELECT id, id FROM reaction WHERE id % 4 = 0');
      await ask('ANALYZE TABLE chat, reaction, file');
    },
  };
}

describeMariaDb('the dry run on MariaDB', () => dryRunSentences(world));

import pg from 'pg';
import { onTestFinished } from 'vitest';
import { silentLog } from '../../src/kit/log.js';
import { openStore } from '../../src/storage/open-store.js';
import { describePostgres } from '../engines.js';
import { createScratchDatabase } from '../harness/scratch-database.js';
import { type DryRunWorld, dryRunSentences } from './dry-run-suite.js';

const fixture = `
  CREATE TABLE chat (id bigint PRIMARY KEY, sent bigint NOT NULL, state text NOT NULL, pinned boolean NOT NULL, reply_to bigint);
  CREATE INDEX ON chat (sent);
  CREATE TABLE reaction (id bigint PRIMARY KEY, chat_id bigint NOT NULL REFERENCES chat);
  CREATE INDEX ON reaction (chat_id);
  CREATE TABLE file (id bigint PRIMARY KEY, reaction_id bigint REFERENCES reaction ON DELETE CASCADE);
  CREATE INDEX ON file (reaction_id);`;

async function world(): Promise<DryRunWorld> {
  const database = await createScratchDatabase();
  onTestFinished(() => database.drop());
  const client = new pg.Client({ connectionString: database.url });
  await client.connect();
  onTestFinished(() => client.end());
  // Prepared over our own tables: the ledger is what is wanted of it.
  const store = openStore({
    database: { engine: 'postgresql', url: database.url },
    workers: 1,
    log: silentLog,
  });
  onTestFinished(() => store.close());
  const facts = await store.prepare({ migrate: true });
  await client.query(fixture);
  const ask = async (sql: string) => (await client.query<Record<string, unknown>>(sql)).rows;
  return {
    store,
    facts,
    ask,
    async fill(rows) {
      await ask(`INSERT INTO chat SELECT n, extract(epoch FROM now())::bigint - 400 * 86400 + n * 3600 % (399 * 86400), CASE n % 3 WHEN 0 THEN 'sent' ELSE 'read' END, n % 50 = 7
        FROM generate_series((SELECT coalesce(max(id), 0) + 1 FROM chat), (SELECT coalesce(max(id), 0) + ${rows} FROM chat)) n`);
      await ask('INSERT INTO reaction SELECT id, id FROM chat WHERE id % 2 = 0 ON CONFLICT DO NOTHING');
      await ask('INSERT INTO file SELECT id, id FROM reaction WHERE id % 4 = 0 ON CONFLICT DO NOTHING');
      await ask('ANALYZE chat, reaction, file');
    },
  };
}

describePostgres('the dry run on PostgreSQL', () => dryRunSentences(world));

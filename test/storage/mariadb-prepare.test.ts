import { expect, onTestFinished, test } from 'vitest';
import { Refusal } from '../../src/core/errors.js';
import type { Store } from '../../src/core/ports.js';
import { silentLog } from '../../src/kit/log.js';
import { parseAddress } from '../../src/storage/mysql/address.js';
import { withoutAlias } from '../../src/storage/mysql/alias.js';
import { statements } from '../../src/storage/mysql/migrations.js';
import { openStore } from '../../src/storage/open-store.js';
import { describeMariaDb } from '../engines.js';
import { createMariadbDatabase, type MariadbClient, mariadbClient } from '../harness/mariadb-database.js';

async function scratch(): Promise<{ url: string; client: MariadbClient; open: () => Store }> {
  const database = await createMariadbDatabase();
  onTestFinished(() => database.drop());
  const client = await mariadbClient(database.url);
  onTestFinished(() => client.end());
  return {
    url: database.url,
    client,
    open: () => {
      const store = openStore({
        database: { engine: 'mysql', url: database.url },
        workers: 1,
        log: silentLog,
      });
      onTestFinished(() => store.close());
      return store;
    },
  };
}

const tablesOf = async (client: MariadbClient): Promise<readonly string[]> =>
  (
    (
      await client.query(
        'SELECT TABLE_NAME AS name FROM information_schema.TABLES WHERE TABLE_SCHEMA = DATABASE() ORDER BY 1',
      )
    ).rows as { name: string }[]
  ).map(({ name }) => name);

const refusal = async (work: Promise<unknown>): Promise<Refusal> => {
  const error: unknown = await work.then(
    () => null,
    (thrown: unknown) => thrown,
  );
  if (error instanceof Refusal) return error;
  throw new Error(`A refusal was expected, not ${String(error)}`);
};

describeMariaDb('preparing a MariaDB database', () => {
  test('a migration that died after any of its statements is finished by the next start', async () => {
    const whole = await scratch();
    await whole.open().prepare({ migrate: true });
    const wanted = await tablesOf(whole.client);
    expect(wanted).toHaveLength(statements.length + 2);
    for (let done = 0; done <= statements.length; done += 3) {
      const { client, open } = await scratch();
      for (const statement of statements.slice(0, done)) await client.query(statement);
      // Half-made tables are not ours to show yet.
      expect((await refusal(open().prepare({ migrate: false }))).reason).toBe('refused');
      const facts = await open().prepare({ migrate: true });
      expect(await tablesOf(client)).toEqual(wanted);
      expect(await open().prepare({ migrate: true })).toEqual(facts);
    }
  });

  test('a start that died while it made our tables leaves none without its record, and the next one makes them', async () => {
    const { client, open } = await scratch();
    for (const statement of statements) await client.query(statement);
    await client.query('CREATE TABLE message_gc_making_messages (id int)');
    await open().prepare({ migrate: true });
    expect(await tablesOf(client)).not.toContain('message_gc_making_messages');
    // The record is written before the tables have their names: a crash in between.
    await client.query(
      'RENAME TABLE messages TO message_gc_making_messages, message_receipts TO message_gc_making_receipts',
    );
    const store = open();
    await store.prepare({ migrate: true });
    expect(await store.ownTables.counts()).toEqual({ messages: 0, processed: 0, receipts: 0 });
    const theirs = (await tablesOf(client)).filter((name) => !name.startsWith('message_gc_'));
    expect(new Set(theirs)).toEqual(new Set(['messages', 'message_receipts']));
  });

  test('several nodes that start at once make everything once', async () => {
    const { open } = await scratch();
    const facts = await Promise.all(Array.from({ length: 4 }, () => open().prepare({ migrate: true })));
    expect(new Set(facts.map(({ server }) => server)).size).toBe(1);
  });

  test('a messages table that we did not make is refused, and nothing is created beside it', async () => {
    const { client, open } = await scratch();
    await client.query('CREATE TABLE messages (id bigint PRIMARY KEY, processed_at datetime(6))');
    const error = await refusal(open().prepare({ migrate: true }));
    expect(error.reason).toBe('refused');
    expect(error.message).toMatch('message-gc init');
    expect(await tablesOf(client)).toEqual(['messages']);
  });

  test.each([
    'ALTER TABLE messages ADD COLUMN extra int',
    'ALTER TABLE message_receipts DROP FOREIGN KEY message_receipts_message_id; ALTER TABLE messages ENGINE=MyISAM',
    'DROP TABLE message_receipts',
  ])('our tables under another shape are not ours any more (%s)', async (change) => {
    const { client, open } = await scratch();
    await open().prepare({ migrate: true });
    await client.query(change);
    expect((await refusal(open().prepare({ migrate: true }))).reason).toBe('refused');
  });

  test('tables of a future version that this code may not work on are refused', async () => {
    const { client, open } = await scratch();
    await open().prepare({ migrate: true });
    await client.query('UPDATE message_gc_ledger SET `schema` = 9, oldest = 9');
    const error = await refusal(open().prepare({ migrate: true }));
    expect(error.reason).toBe('configuration');
    expect(error.message).toMatch('schema version 9');
  });

  test('a wrong password and a missing database are refused with words', async () => {
    const { url } = await scratch();
    const wrong = new URL(url);
    wrong.username = 'nobody-here';
    wrong.password = 'x';
    const attempt = (address: string): Promise<Refusal> => {
      const store = openStore({
        database: { engine: 'mysql', url: address },
        workers: 1,
        log: silentLog,
      });
      onTestFinished(() => store.close());
      return refusal(store.prepare({ migrate: true }));
    };
    expect((await attempt(wrong.href)).message).toMatch('refused the user or the password');
    expect((await attempt(`${url}_gone`)).message).toMatch('no such database');
  });

  test('the seed makes a believable mix, and counts what it made', async () => {
    const { client, open } = await scratch();
    const store = open();
    await store.prepare({ migrate: true });
    const answer = await store.ownTables.seed({ rows: 25_000, processed: 0.7, onProgress: () => undefined });
    expect(await store.ownTables.counts()).toEqual(answer);
    expect(answer.messages).toBe(25_000);
    expect(answer.processed / answer.messages).toBeCloseTo(0.7, 1);
    expect(answer.receipts / answer.messages).toBeGreaterThan(0.8);
    const rules = {
      'processed in the future': 'processed_at > CURRENT_TIMESTAMP(6)',
      'processed though pending or sent': `processed_at IS NOT NULL AND state IN ('pending', 'sent')`,
      'processed before it was made': 'processed_at < created_at',
      'without a text': 'body IS NULL OR body = ""',
    };
    for (const [rule, where] of Object.entries(rules)) {
      const { rows } = await client.query(`SELECT count(*) AS n FROM messages WHERE ${where}`);
      expect(rows, rule).toEqual([{ n: 0 }]);
    }
    await store.ownTables.seed({ rows: 10, processed: 1, onProgress: () => undefined });
    expect((await store.ownTables.counts()).messages).toBe(25_010);
  });
});

test('an address names one host or several, a socket, and what TLS it wants', () => {
  expect(parseAddress({ url: 'mysql://gc:p%40ss@db-1:3307,db-2/chat' })).toMatchObject({
    hosts: [
      { host: 'db-1', port: 3307 },
      { host: 'db-2', port: 3306 },
    ],
    database: 'chat',
    options: { user: 'gc', password: 'p@ss' },
  });
  expect(parseAddress({ url: 'mariadb://gc@[::1]/chat?ssl-mode=required' })).toMatchObject({
    hosts: [{ host: '::1', port: 3306 }],
    options: { ssl: { rejectUnauthorized: false } },
  });
  expect(parseAddress({ url: 'mysql://gc@/chat?socket=/run/db.sock' }).options).toMatchObject({
    socketPath: '/run/db.sock',
  });
  for (const url of [
    'mysql://gc@db',
    'mysql://gc@db:x/chat',
    'mysql://gc@db/chat?ssl-mode=maybe',
    'mysql://gc@db/chat?ssl-ca=/no/such/file',
    'mysql://gc@db/chat?ssl-cert=/dev/null',
    'mysql://gc:p@ss@db/chat',
    'mysql://gc:50%off@db/chat',
  ]) {
    expect(() => parseAddress({ url }), url).toThrow(Refusal);
  }
  expect(() => parseAddress({ url: 'mysql://gc:p@ss@db/chat' }, 'MESSAGE_GC_REPLICAS')).toThrow(
    /^MESSAGE_GC_REPLICAS cannot be used \(it is not printed here: it may hold a password\). It has more than one @; (?!.*ss@)/,
  );
  expect(() => parseAddress({ url: 'mysql://gc:half/word@db/chat' })).toThrow(/^(?!.*half).*no host:port/);
});

test('the alias of a predicate becomes the name of the table only where that is certainly the same', () => {
  expect(withoutAlias('(m.done <= 1)', 'my`table')).toBe('(`my``table`.done <= 1)');
  expect(withoutAlias("m.`state` = 'it''s m.x' AND `m`.a > 2 AND x.m = 3 AND am.b = 4", 't')).toBe(
    "`t`.`state` = 'it''s m.x' AND `t`.a > 2 AND x.m = 3 AND am.b = 4",
  );
  expect(withoutAlias('EXISTS (SELECT 1 FROM `u` WHERE u.id = m.id AND u.m = 1)', 't')).toBe(
    'EXISTS (SELECT 1 FROM `u` WHERE u.id = `t`.id AND u.m = 1)',
  );
  for (const predicate of [
    'EXISTS (SELECT 1 FROM T WHERE reply = m.id)',
    'EXISTS (SELECT 1 FROM u AS `t` WHERE t.id = m.id)',
    'EXISTS (SELECT 1 FROM u m WHERE m.id = 1)',
    'EXISTS (SELECT 1 FROM m WHERE id = 1)',
    'EXISTS (WITH m AS (SELECT 1 AS id) SELECT 1)',
    'm.a = 1 -- m.b',
    'm.a = 1 # x',
    'm.a /* x */ = 1',
    'm.a = "m.b"',
    'm IS NULL',
    'M.a = 1',
    'm . a = 1',
  ]) {
    expect(withoutAlias(predicate, 't'), predicate).toBeNull();
  }
});

import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pg from 'pg';
import { afterAll, expect, onTestFinished, test, vi } from 'vitest';
import { waitForEnd } from '../harness/collection.js';
import { adminPassword, Instance } from '../harness/instance.js';
import { type CommandResult, runCommand } from '../harness/processes.js';
import { startRefusingServer } from '../harness/refusing-server.js';
import { createScratchDatabase, postgresBase } from '../harness/scratch-database.js';
import { dropTemplates, postgresWorld } from '../harness/world.js';
import { describePostgres } from '../engines.js';

// Each test starts processes of its own; on a machine that is busy with others that takes its time.
vi.setConfig({ testTimeout: 120_000 });

/** What an operator or a client gets wrong: clear words, the right exit code, nothing lost, nothing touched. */
afterAll(dropTemplates);

function command(words: string, databaseUrl: string): Promise<CommandResult> {
  return runCommand(
    words.split(' '),
    {
      DATABASE_URL: databaseUrl,
      MESSAGE_GC_LISTEN: '127.0.0.1:0',
      MESSAGE_GC_ADMIN_PASSWORD: adminPassword,
      MESSAGE_GC_CONFIG: '',
    },
    20_000,
  );
}

const codesOf = (body: unknown) => (body as { errors: { code: number }[] }).errors.map(({ code }) => code);

/** All that the command said: an operator reads both streams. */
const said = ({ stdout, stderr }: CommandResult): string => `${stdout}\n${stderr}`;

test('a database URL that is none ends the start with exit 2', async () => {
  const done = await command('serve', 'postgres//nowhere');
  expect(done.code, said(done)).toBe(2);
  expect(said(done)).toContain('DATABASE_URL');
});

test('a foreground run without a server ends with exit 4', async () => {
  const done = await command('gc', 'postgres://postgres@127.0.0.1:1/none');
  expect(done.code, said(done)).toBe(4);
});

test('a wrong password ends a command with exit 2, and is not shown', async () => {
  const server = await startRefusingServer();
  onTestFinished(() => server.close());
  for (const words of ['serve', 'gc']) {
    const done = await command(words, `postgres://postgres:TopSecret-99@127.0.0.1:${server.port}/postgres`);
    expect([words, done.code], said(done)).toEqual([words, 2]);
    expect(said(done)).toContain('password authentication failed');
    expect(said(done)).not.toContain('TopSecret-99');
  }
});

test('a second process on an embedded folder is refused with words, and the first goes on', async () => {
  const parent = await mkdtemp(join(tmpdir(), 'mgc-test-'));
  onTestFinished(() => rm(parent, { recursive: true, force: true }));
  const DATABASE_URL = `pglite:${join(parent, 'data')}`;
  const instance = await Instance.start({ DATABASE_URL }, 30_000);
  onTestFinished(() => instance.close());
  for (const words of ['serve', 'gc', 'status']) {
    const second = await command(words, DATABASE_URL);
    expect([words, second.code], said(second)).toEqual([words, 3]);
    expect(said(second), 'where to ask instead').toContain(instance.url);
  }
  const run = await instance.collect();
  expect((await waitForEnd(instance, run)).state).toBe('complete');
});

describePostgres('bad input on PostgreSQL', () => {
  test('a messages table that is not ours is neither served, collected nor seeded, and the words say what to do', async () => {
    const database = await createScratchDatabase();
    const client = new pg.Client({ connectionString: database.url });
    await client.connect();
    onTestFinished(async () => {
      await client.end();
      await database.drop();
    });
    await client.query(`CREATE TABLE messages (id bigint PRIMARY KEY, processed_at timestamptz);
    INSERT INTO messages SELECT g, now() - interval '1 day' FROM generate_series(1, 50) g`);
    for (const words of ['serve', 'gc', 'seed --rows 10']) {
      const done = await command(words, database.url);
      expect([words, done.code], said(done)).toEqual([words, 3]);
      expect(said(done)).toContain('message-gc init');
    }
    const { rows } = await client.query<{ n: number }>('SELECT count(*)::int AS n FROM messages');
    expect(rows).toEqual([{ n: 50 }]);
  });

  test('a schema of an unknown future version is refused with exit 2 and left as it is', async () => {
    const world = await postgresWorld(2_000);
    await world.client.query('UPDATE message_gc.ledger SET schema = 999, oldest = 999');
    for (const words of ['serve', 'gc']) {
      const done = await command(words, world.database.url);
      expect([words, done.code], said(done)).toEqual([words, 2]);
      expect(said(done)).toContain('999');
    }
    const { rows } = await world.client.query('SELECT schema, oldest FROM message_gc.ledger');
    expect(rows).toEqual([{ schema: 999, oldest: 999 }]);
    expect(await world.oracle.messages()).toBe(world.before.size);
  });

  test('a user whom the server refuses ends the start with exit 2, and no password is shown', async () => {
    const url = new URL(postgresBase().href);
    url.username = 'nobody_of_that_name';
    url.password = 'TopSecret-99';
    const done = await command('serve', url.href);
    expect(done.code, said(done)).toBe(2);
    expect(said(done)).toContain('nobody_of_that_name');
    expect(said(done)).not.toContain('TopSecret-99');
  });

  test('bodies, headers and URLs that are too much or no such thing are refused, and the instance lives', async () => {
    const world = await postgresWorld(2_000);
    const instance = await world.start();
    const settings = '/v1/settings/application';
    // The server answers before it has read everything; a client that is still sending must see the answer and no reset.
    for (let time = 1; time <= 5; time += 1) {
      const large = await instance.api('PATCH', settings, JSON.stringify({ wa_id: 'x'.repeat(10_000_000) }));
      expect([large.status, codesOf(large.body)], large.text).toEqual([413, [1025]]);
      const nobody = await instance.send('PATCH', settings, 'x'.repeat(10_000_000));
      expect([nobody.status, codesOf(nobody.body)], nobody.text).toEqual([401, [1005]]);
    }
    const header = await instance.send('GET', '/healthz', undefined, { 'x-long': 'x'.repeat(65_536) });
    expect([header.status, codesOf(header.body)], header.text).toEqual([431, [1025]]);
    for (const url of ['no url', 'ftp://example.com/', 'http://', 7]) {
      const answer = await instance.api('PATCH', settings, { webhooks: { url } });
      expect([url, answer.status], answer.text).toEqual([url, 400]);
      expect(codesOf(answer.body), answer.text).toHaveLength(1);
    }
    const kept = await instance.api('GET', settings);
    expect(kept.body).toMatchObject({ settings: { application: { webhooks: { url: world.receiver.url } } } });
    expect((await instance.send('GET', '/healthz')).status).toBe(200);
  });
});

import pg from 'pg';
import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest';
import { PgProxy, statements } from './pg-proxy.js';
import { createScratchDatabase, type ScratchDatabase } from './scratch-database.js';
import { until, within } from './wait.js';
import { describePostgres } from '../engines.js';

describePostgres('a proxy before PostgreSQL', () => {
  /** The crash tests believe the proxy; so the proxy is tried alone, with a plain client in the product's place. */
  let database: ScratchDatabase;

  beforeAll(async () => {
    database = await createScratchDatabase();
  });
  afterAll(() => database.drop());

  async function through(proxy: PgProxy, name = 'probe'): Promise<pg.Client> {
    const client = new pg.Client({
      connectionString: proxy.urlFor(database.url),
      application_name: name,
      ssl: false,
    });
    // A cut is what these tests are about; the rejected query tells of it.
    client.on('error', () => undefined);
    await client.connect();
    onTestFinished(() => client.end().catch(() => undefined));
    return client;
  }

  async function open(): Promise<PgProxy> {
    const proxy = await PgProxy.start(database.url);
    onTestFinished(() => proxy.close());
    return proxy;
  }

  async function table(rows: number): Promise<{ count(): Promise<number> }> {
    const client = new pg.Client({ connectionString: database.url });
    await client.connect();
    await client.query('DROP TABLE IF EXISTS messages');
    await client.query(`CREATE TABLE messages AS SELECT g AS id FROM generate_series(1, ${rows}) g`);
    onTestFinished(() => client.end());
    return {
      count: async () =>
        Number((await client.query<{ n: string }>('SELECT count(*) AS n FROM messages')).rows[0]?.n),
    };
  }

  test('a client sees no difference, and the proxy reads its statements, parameters and name', async () => {
    const proxy = await open();
    const client = await through(proxy, 'the product');
    const { rows } = await client.query('SELECT $1::text AS a, $2::int AS b', ['x', 7]);
    await client.query({ name: 'kept', text: 'SELECT $1::int AS n', values: [1] });
    const again = await client.query<{ n: number }>({
      name: 'kept',
      text: 'SELECT $1::int AS n',
      values: [2],
    });
    const many = await client.query<{ t: string }>(
      'SELECT repeat($1, 1000) AS t FROM generate_series(1, 2000)',
      ['y'],
    );

    expect(rows).toEqual([{ a: 'x', b: 7 }]);
    expect(again.rows).toEqual([{ n: 2 }]);
    expect(many.rows.length).toBe(2_000);
    expect(proxy.seen.map(({ text, values }) => [text, values])).toEqual([
      ['SELECT $1::text AS a, $2::int AS b', ['x', '7']],
      ['SELECT $1::int AS n', ['1']],
      ['SELECT $1::int AS n', ['2']],
      ['SELECT repeat($1, 1000) AS t FROM generate_series(1, 2000)', ['y']],
    ]);
    expect(proxy.seen[0]?.applicationName).toBe('the product');
  });

  test('a held statement does not reach the server until it is released', async () => {
    const proxy = await open();
    const rows = await table(10);
    const client = await through(proxy);
    const trap = proxy.arm({ when: 'statement', match: statements.messageDelete, action: 'hold' });
    const deleting = client.query('DELETE FROM "messages" WHERE id <= $1', [4]);
    const hit = await trap.waitForHit(2_000);

    expect(hit.seen.values).toEqual(['4']);
    expect(await rows.count()).toBe(10);
    hit.release();
    expect((await deleting).rowCount).toBe(4);
    expect(await rows.count()).toBe(6);
  });

  test('a COMMIT whose answer is held has happened, and the client never learns it when it is cut', async () => {
    const proxy = await open();
    const rows = await table(10);
    const client = await through(proxy);
    const trap = proxy.arm({ when: 'answer', match: statements.commit, action: 'hold' });
    await client.query('BEGIN');
    await client.query('DELETE FROM messages WHERE id <= 4');
    expect(await rows.count()).toBe(10);
    const committing = client.query('COMMIT').then(
      () => 'told',
      () => 'lost',
    );
    const hit = await trap.waitForHit(2_000);
    expect(await rows.count()).toBe(6);
    hit.cut();
    expect(await within('the client to lose its connection', 2_000, committing)).toBe('lost');
  });

  test('a trap lets the first matches pass, springs once and strikes in the same tick', async () => {
    const proxy = await open();
    const client = await through(proxy);
    const struck: number[] = [];
    const trap = proxy.arm({
      when: 'statement',
      match: /SELECT 1/,
      skip: 2,
      action: 'pass',
      onHit: () => struck.push(proxy.seen.length),
    });
    for (let asked = 0; asked < 5; asked += 1) await client.query('SELECT 1');
    await trap.waitForHit(1_000);
    expect(struck).toEqual([3]);
  });

  test('cutAll ends every connection and lets new ones in', async () => {
    const proxy = await open();
    const client = await through(proxy);
    const sleeping = client.query('SELECT pg_sleep(20)').then(
      () => 'slept',
      () => 'cut',
    );
    await until('the statement to be seen', 2_000, () => proxy.seen.length > 0);
    proxy.cutAll();
    expect(await within('the cut', 2_000, sleeping)).toBe('cut');
    expect((await (await through(proxy)).query('SELECT 1 AS n')).rows).toEqual([{ n: 1 }]);
  });

  test('a blackhole keeps everything still and loses nothing when it is healed', async () => {
    const proxy = await open();
    const client = await through(proxy);
    await client.query('SELECT 1');
    proxy.blackhole();
    const asking = client.query<{ n: number }>('SELECT 2 AS n');
    const answer = await within('an answer through the blackhole', 300, asking).catch(() => 'nothing');
    expect(answer).toBe('nothing');
    proxy.heal();
    expect((await within('the answer', 2_000, asking)).rows).toEqual([{ n: 2 }]);
  });

  test('refused connections are refused until it is healed', async () => {
    const proxy = await open();
    await through(proxy);
    proxy.refuse();
    await expect(through(proxy)).rejects.toThrow();
    proxy.heal();
    await through(proxy);
  });
});

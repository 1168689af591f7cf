import { existsSync, mkdirSync, readdirSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type pg from 'pg';
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import { silentLog } from '../../src/kit/log.js';
import { openEmbedded } from '../../src/storage/pglite/connect.js';
import { holding, SecondSessionError, withSession } from '../../src/storage/pglite/one-session.js';
import { vacuumEmbedded } from '../../src/storage/pglite/vacuum.js';
import { PgliteWorld } from './pglite-world.js';

const world = new PgliteWorld();
beforeAll(() => world.prepare(), 60_000);
afterEach(() => world.clear());
afterAll(() => world.end());

/** Opens the folder in its argument, writes rows until it is killed, and prints each id after its commit. */
const writer = `
  import { openEmbedded } from './dist/storage/pglite/connect.js';
  const log = { error() {}, warn() {}, info() {}, debug() {}, trace() {} };
  const { pool } = await openEmbedded(process.argv[1], log);
  await pool.query('CREATE TABLE IF NOT EXISTS t (id int PRIMARY KEY, body text)');
  for (let id = 1; ; id += 1) {
    await pool.query("INSERT INTO t VALUES ($1, repeat('x', 500))", [id]);
    process.stdout.write(id + '\\n');
  }`;

test('a pool on the embedded database answers queries with parameters, large results and errors', async () => {
  const { pool, recovered } = await world.open();
  expect(recovered).toBe(false);
  expect((await pool.query('SELECT $1::int + 1 AS n, $2::text AS t', [41, 'ünï 🙂'])).rows).toEqual([
    { n: 42, t: 'ünï 🙂' },
  ]);
  const many = await pool.query("SELECT g, repeat('x', 1000) AS body FROM generate_series(1, 5000) g");
  expect(many.rows).toHaveLength(5000);
  await expect(pool.query('SELECT 1 / 0')).rejects.toMatchObject({ code: '22012' });
  await expect(pool.query('SELECT $1::int', ['no number'])).rejects.toMatchObject({ code: '22P02' });
  expect((await pool.query('SELECT 1 AS n')).rows).toEqual([{ n: 1 }]);
});

test('a large statement arrives whole', async () => {
  const { pool } = await world.open();
  const text = 'a'.repeat(3_000_000);
  expect((await pool.query('SELECT length($1) AS n', [text])).rows).toEqual([{ n: text.length }]);
});

test('a client destroyed inside a transaction leaves nothing to the next one', async () => {
  const { pool } = await world.open();
  await pool.query('CREATE TABLE t (id int PRIMARY KEY)');
  const first = await pool.connect();
  await first.query('BEGIN');
  await first.query('INSERT INTO t VALUES (1)');
  await first.query("SET search_path = 'nowhere'");
  await first.query({ name: 'kept', text: 'SELECT 1' });
  first.release(new Error('destroy it'));
  const second = await pool.connect();
  second.on('error', () => undefined);
  expect(second).not.toBe(first);
  expect((await second.query('SELECT count(*)::int AS n FROM public.t')).rows).toEqual([{ n: 0 }]);
  expect((await second.query('SHOW search_path')).rows).toEqual([{ search_path: 'public' }]);
  expect((await second.query({ name: 'kept', text: 'SELECT 2 AS n' })).rows).toEqual([{ n: 2 }]);
  second.release();
});

test('a client destroyed while its statement runs does not disturb the next one', async () => {
  const { pool } = await world.open();
  await pool.query('CREATE TABLE t (id int)');
  const first = await pool.connect();
  first.on('error', () => undefined);
  await first.query('BEGIN');
  const running = first.query('INSERT INTO t SELECT g FROM generate_series(1, 200000) g').then(
    () => 'done',
    () => 'cut',
  );
  first.release(true);
  expect((await pool.query('SELECT count(*)::int AS n FROM t')).rows).toEqual([{ n: 0 }]);
  expect(await running).toBe('cut');
});

test('asking for a second session while holding the only one throws at once', async () => {
  const { pool } = await world.open();
  await expect(withSession(pool, () => pool.connect())).rejects.toThrow(SecondSessionError);
  await expect(withSession(pool, () => pool.query('SELECT 1'))).rejects.toThrow(SecondSessionError);
  const client = await pool.connect();
  await expect(holding(pool, () => pool.query('SELECT 1'))).rejects.toThrow(SecondSessionError);
  client.release();
});

test('flows that do not hold the session wait for their turn', async () => {
  const { pool } = await world.open();
  const turns = await Promise.all(
    [1, 2, 3].map((n) =>
      withSession(pool, async (client) => (await client.query('SELECT $1::int AS n', [n])).rows),
    ),
  );
  expect(turns).toEqual([[{ n: 1 }], [{ n: 2 }], [{ n: 3 }]]);
});

test('what was started while holding may ask again when the session has been given back', async () => {
  const { pool } = await world.open();
  let begin = (): void => undefined;
  const given = new Promise<void>((resolve) => {
    begin = resolve;
  });
  const started: Promise<pg.QueryResult>[] = [];
  await withSession(pool, async () => {
    started.push(given.then(() => pool.query('SELECT 7 AS n')));
  });
  begin();
  expect(await Promise.all(started)).toMatchObject([{ rows: [{ n: 7 }] }]);
});

test('rows acknowledged before a kill -9 are there when the folder is opened again', async () => {
  const folder = world.newFolder();
  const { process: child, line } = world.child(writer, folder);
  let acknowledged = 0;
  while (acknowledged < 300) acknowledged = Number(await line());
  child.kill('SIGKILL');
  // Whatever it managed to print before it died counts as acknowledged, too.
  for (let next = await line(); next !== '(ended)'; next = await line()) acknowledged = Number(next);
  await world.kill(child);
  const { pool, recovered } = await world.open(folder);
  expect(recovered).toBe(true);
  const { rows } = await pool.query('SELECT count(*)::int AS n, max(id) AS last FROM t');
  expect(rows[0].n).toBe(rows[0].last);
  expect(rows[0].n).toBeGreaterThanOrEqual(acknowledged);
  expect(rows[0].n).toBeLessThanOrEqual(acknowledged + 1);
}, 30_000);

test('a folder that another process has is refused, with its number', async () => {
  const folder = world.newFolder();
  const { process: child, line } = world.child(writer, folder);
  await line();
  await expect(openEmbedded(folder, silentLog)).rejects.toMatchObject({
    name: 'Refusal',
    reason: 'refused',
    message: expect.stringContaining(`process ${child.pid}`),
  });
  await world.kill(child);
  const { pool } = await world.open(folder);
  expect((await pool.query('SELECT count(*) > 0 AS some FROM t')).rows).toEqual([{ some: true }]);
}, 30_000);

test('a database closed in order needs no recovery and leaves no lock', async () => {
  const folder = world.newFolder();
  const first = await world.open(folder);
  await first.pool.query('CREATE TABLE t (id int)');
  expect(existsSync(`${folder}.lock`)).toBe(true);
  await first.close();
  expect(existsSync(`${folder}.lock`)).toBe(false);
  const second = await world.open(folder);
  expect(second.recovered).toBe(false);
  expect((await second.pool.query('SELECT * FROM t')).rows).toEqual([]);
});

test('an engine that breaks cuts its session and comes back with all that was committed', async () => {
  const folder = world.newFolder();
  const { pool } = await world.open(folder);
  await pool.query('CREATE TABLE t (id int, body text)');
  await pool.query('INSERT INTO t VALUES (1, $1)', ['kept']);
  // Its log cannot grow any more, as on a full disk: the engine answers PANIC and would then be silent for ever.
  renameSync(join(folder, 'pg_wal'), join(folder, 'pg_wal.away'));
  const big = "INSERT INTO t SELECT g, repeat('x', 500) FROM generate_series(1, 200000) g";
  await expect(pool.query(big)).rejects.toThrow();
  const lost = { code: expect.stringMatching(/^ECONN(RESET|REFUSED)$/) };
  await expect(pool.query('SELECT 1')).rejects.toMatchObject(lost);
  await expect(pool.query('SELECT 1')).rejects.toMatchObject(lost);
  renameSync(join(folder, 'pg_wal.away'), join(folder, 'pg_wal'));
  expect((await pool.query('SELECT id, body FROM t')).rows).toEqual([{ id: 1, body: 'kept' }]);
}, 30_000);

test('a folder with something else in it is refused and left alone', async () => {
  const folder = join(world.root, 'documents');
  mkdirSync(folder);
  writeFileSync(join(folder, 'letter.txt'), 'hello');
  await expect(openEmbedded(folder, silentLog)).rejects.toMatchObject({ name: 'Refusal', reason: 'refused' });
  expect(readdirSync(folder)).toEqual(['letter.txt']);
  expect(existsSync(`${folder}.lock`)).toBe(false);
});

test('a first start that was killed half-way does not stand in the way of the next', async () => {
  const folder = join(world.root, 'half');
  mkdirSync(`${folder}.making`);
  writeFileSync(join(`${folder}.making`, 'PG_VERSION'), '18\n');
  const { pool } = await world.open(folder);
  expect((await pool.query('SELECT 1 AS n')).rows).toEqual([{ n: 1 }]);
  expect(existsSync(`${folder}.making`)).toBe(false);
}, 30_000);

test('the log is checkpointed while rows are written, so that it stays small', async () => {
  const folder = world.newFolder();
  const { pool } = await world.open(folder);
  await pool.query('CREATE TABLE t (id int, body text)');
  for (let chunk = 0; chunk < 30; chunk += 1) {
    await pool.query("INSERT INTO t SELECT g, repeat('x', 500) FROM generate_series(1, 20000) g");
  }
  // 600,000 rows of about 530 bytes: 330 MB of log without checkpoints, 20 files of 16 MB.
  const files = readdirSync(join(folder, 'pg_wal')).filter((name) => name.length === 24);
  expect(files.length).toBeLessThan(14);
}, 60_000);

test('vacuum makes the room of deleted rows free and renews the statistics', async () => {
  const { pool } = await world.open();
  await pool.query('CREATE TABLE "odd ""name" AS SELECT g AS id FROM generate_series(1, 50000) g');
  await pool.query('DELETE FROM "odd ""name"');
  await vacuumEmbedded(pool, [{ schema: 'public', name: 'odd "name' }]);
  const { rows } = await pool.query(
    `SELECT relpages, pg_relation_size(oid)::int AS bytes FROM pg_class WHERE relname = 'odd "name'`,
  );
  expect(rows).toEqual([{ relpages: 0, bytes: 0 }]);
});

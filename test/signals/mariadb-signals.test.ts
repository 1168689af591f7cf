/**
 * Runs slow down or stand still for the health of a real MariaDB server, and go on by themselves. The server is the test's
 * own: what other tests do on a shared one would be seen too.
 */
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { waitForRun } from '../harness/collection.js';
import { mariadbConnection } from '../harness/mariadb-database.js';
import { OwnServer } from '../harness/mariadb-server.js';
import { type MariadbWorld, mariadbWorld } from '../harness/mariadb-world.js';
import { until } from '../harness/wait.js';
import {
  expectGoesOnAndEnds,
  expectStandingStill,
  missingServer,
  setRate,
  signalsOf,
  startSlowly,
  waitForReason,
  type WatchedRun,
} from './mariadb-run.js';

const missing = missingServer();
/** What a busy test machine would set off beside the signal that is looked at. */
const calm = 'canary=off,active_sessions=off';

/** The server writes every page at once from here on; the log has nothing to keep then. */
async function writeDirtyPages({ client }: MariadbWorld): Promise<void> {
  await client.query('SET GLOBAL innodb_max_dirty_pages_pct = 0');
}

async function keepDirtyPages({ client }: MariadbWorld): Promise<void> {
  await client.query('SET GLOBAL innodb_max_dirty_pages_pct = DEFAULT');
}

async function logShare({ client }: MariadbWorld): Promise<number> {
  const [rows] = await client.query("SHOW GLOBAL STATUS LIKE 'Innodb\\_checkpoint\\_%age'");
  const told = new Map(
    (rows as { Variable_name: string; Value: string }[]).map((row) => [row.Variable_name, row.Value]),
  );
  return Number(told.get('Innodb_checkpoint_age')) / Number(told.get('Innodb_checkpoint_max_age'));
}

describe.skipIf(missing !== null)('signals of a MariaDB server', { timeout: 120_000 }, () => {
  let server: OwnServer;
  beforeAll(async () => {
    server = await OwnServer.begin();
    process.env['TEST_MARIADB_URL'] = `${server.origin}/mysql`;
  }, 90_000);
  afterAll(async () => {
    await server?.stop();
  });

  test('every signal is read, or absent with the reason why', async () => {
    const world = await mariadbWorld(6_000);
    const instance = await world.start({
      MESSAGE_GC_CHECK_SQL: 'SELECT 0.25;',
      MESSAGE_GC_SIGNALS: 'canary=10000,active_sessions=1000',
    });
    const id = await startSlowly(world, instance, 500);
    const signals = await signalsOf(instance, id);
    for (const name of [
      'canary',
      'active_sessions',
      'oldest_transaction',
      'history_list',
      'redo_log',
      'disk_used',
    ])
      expect(signals[name], name).toMatchObject({ value: expect.any(Number) });
    expect(signals['own_check']).toMatchObject({ state: 'ok', value: 0.25, limit: 1 });
    // Its own transactions are nobody's.
    expect(signals['oldest_transaction']?.value).toBe(0);
    expect(signals['disk_used']?.value).toBeGreaterThan(0);
    expect(signals['replica_lag']).toMatchObject({
      state: 'absent',
      detail: 'no replicas are listed (MESSAGE_GC_REPLICAS)',
    });
    expect(signals['flow_control']).toMatchObject({
      state: 'absent',
      detail: 'the server is no part of a Galera cluster',
    });
    for (const name of ['vacuum', 'dead_rows', 'replication_slots', 'wal_archive'])
      expect(signals[name], name).toMatchObject({ state: 'absent', detail: 'this engine has no such thing' });
    await setRate(world, null);
    await expectGoesOnAndEnds(world, instance, id);
    const [rows] = await world.client.query('SELECT id FROM message_gc_pulse');
    expect((rows as { id: string }[]).map((row) => row.id.replace(/.*\./, ''))).toEqual(['canary']);
  });

  test('without the privilege PROCESS the signals that need it are absent, and the run does without them', async () => {
    const world = await mariadbWorld(2_000);
    const { name } = world.database;
    await world.client.query(
      `CREATE USER IF NOT EXISTS small@'127.0.0.1'; GRANT ALL ON \`${name}\`.* TO small@'127.0.0.1'`,
    );
    const url = new URL(world.proxy.urlFor(world.database.url));
    url.username = 'small';
    const instance = await world.start({ DATABASE_URL: url.href, MESSAGE_GC_SIGNALS: calm });
    const id = await startSlowly(world, instance, 300);
    const signals = await signalsOf(instance, id);
    for (const signal of ['waiters', 'oldest_transaction'])
      expect(signals[signal], signal).toMatchObject({
        state: 'absent',
        detail: 'the user has not the privilege PROCESS (GRANT PROCESS ON *.* TO it)',
      });
    expect(signals['history_list']).toMatchObject({ state: 'ok' });
    await expectGoesOnAndEnds(world, instance, id);
  });

  test('a transaction that is open for long slows the run until it ends', async () => {
    const world = await mariadbWorld(20_000);
    const long = await mariadbConnection(world.database.url);
    onTestFinished(() => long.destroy());
    await long.query('BEGIN; SELECT count(*) FROM messages');
    const instance = await world.start({ MESSAGE_GC_SIGNALS: `${calm},oldest_transaction=2` });
    const id = await startSlowly(world, instance, 1_000);
    const run = await waitForReason(instance, id, 'slowed', 'oldest_transaction', 8_000);
    expect(run.reason?.value).toBeGreaterThanOrEqual(2);
    // The clock of this server is hours from UTC.
    expect(run.reason?.value).toBeLessThan(60);
    const signals = await signalsOf(instance, id);
    expect(signals['oldest_transaction']).toMatchObject({
      state: 'slowing',
      limit: 2,
      detail: `session ${long.threadId} of root`,
    });
    await long.query('ROLLBACK');
    await expectGoesOnAndEnds(world, instance, id);
  });

  test('a redo log that is nearly full makes the run stand still until the server has written its pages', async () => {
    const world = await mariadbWorld(20_000);
    await world.client.query(
      'SET @log_size = @@GLOBAL.innodb_log_file_size; SET GLOBAL innodb_log_file_size = 16777216',
    );
    onTestFinished(async () => {
      // A small log would slow the runs of other tests on this server.
      await world.client.query('SET GLOBAL innodb_log_file_size = @log_size');
      await keepDirtyPages(world);
    });
    await writeDirtyPages(world);
    // What seeding has left in the log is written.
    await until('the log to be empty', 20_000, async () => (await logShare(world)) < 0.1);
    await keepDirtyPages(world);
    const instance = await world.start({ MESSAGE_GC_SIGNALS: `${calm},redo_log=0.3` });
    const id = await startSlowly(world, instance, 100);
    // Making our tables has written to the log, too.
    await writeDirtyPages(world);
    await until(
      'the signal to be calm',
      20_000,
      async () => (await signalsOf(instance, id))['redo_log']?.state === 'ok',
    );
    await keepDirtyPages(world);
    expect((await signalsOf(instance, id))['redo_log']).toMatchObject({
      limit: 0.3,
      detail: expect.stringMatching(/^of 1\d MiB$/),
    });
    await world.client.query('CREATE TABLE filler (id int PRIMARY KEY, body varchar(4000))');
    // About two thirds of the log: near its end the server writes pages by itself.
    await world.client.query(`INSERT INTO filler SELECT seq, REPEAT('x', 4000) FROM seq_1_to_2000`);
    const run = await waitForReason(instance, id, 'stopped', 'redo_log');
    expect(run.reason).toMatchObject({ limit: 0.3 });
    // How long it stands still is the server's to say, which writes pages when it has nothing else to do.
    await writeDirtyPages(world);
    await expectGoesOnAndEnds(world, instance, id);
  });

  test('a processor that others have saturated makes the run stand still', async () => {
    const world = await mariadbWorld(20_000);
    const instance = await world.start({ MESSAGE_GC_SIGNALS: 'canary=off,active_sessions=1' });
    const id = await startSlowly(world, instance, 1_000);
    await signalsOf(instance, id);
    let isOver = false;
    const busy = Array.from({ length: 8 }, async () => {
      const session = await mariadbConnection(world.database.url);
      try {
        while (!isOver) await session.query(`SELECT BENCHMARK(200000, MD5('busy'))`);
      } finally {
        await session.end();
      }
    });
    try {
      const run = await waitForReason(instance, id, 'stopped', 'active_sessions');
      expect(run.reason?.limit).toBe(1);
      await expectStandingStill(world);
    } finally {
      isOver = true;
      await Promise.all(busy);
    }
    await expectGoesOnAndEnds(world, instance, id);
  });

  test('a canary that is answered late makes the run stand still', async () => {
    const world = await mariadbWorld(20_000);
    const instance = await world.start({ MESSAGE_GC_SIGNALS: 'active_sessions=off,canary=60' });
    const id = await startSlowly(world, instance, 1_000);
    await signalsOf(instance, id);
    const heal = world.proxy.slow((text) => text.startsWith('UPDATE `message_gc_pulse`'), 400);
    await waitForReason(instance, id, 'stopped', 'canary');
    // It may stop at the first late answer, among many that were in time.
    await waitForRun(instance, id, 'told how late', 15_000, (seen) => {
      const { reason } = seen as WatchedRun;
      return reason?.signal === 'canary' && Number(reason.value) >= 350;
    });
    await expectStandingStill(world);
    heal();
    await expectGoesOnAndEnds(world, instance, id);
  });

  test('a check of the operator’s own stops the run, and its trouble does too', async () => {
    const world = await mariadbWorld(20_000);
    await world.client.query(
      'CREATE TABLE queue_length (n decimal(10,2)); INSERT INTO queue_length VALUES (3.5)',
    );
    const instance = await world.start({
      MESSAGE_GC_CHECK_SQL: 'SELECT sum(n) FROM queue_length',
      MESSAGE_GC_SIGNALS: `${calm},own_check=100`,
    });
    const id = await startSlowly(world, instance, 1_000);
    expect((await signalsOf(instance, id))['own_check']).toMatchObject({
      state: 'ok',
      value: 3.5,
      limit: 100,
    });
    await world.client.query('UPDATE queue_length SET n = 250');
    const run = await waitForReason(instance, id, 'stopped', 'own_check');
    expect(run.reason).toMatchObject({ value: 250, limit: 100 });
    await expectStandingStill(world);
    await world.client.query('DELETE FROM queue_length');
    const lost = await waitForReason(instance, id, 'signal_lost', 'own_check', 12_000);
    expect(lost.reason?.value).toBe('MESSAGE_GC_CHECK_SQL gave NULL, expected one number or truth value');
    await world.client.query('INSERT INTO queue_length VALUES (1)');
    await expectGoesOnAndEnds(world, instance, id);
  });

  test('a check that would write, or that never ends, is refused by the server', async () => {
    const world = await mariadbWorld(20_000);
    const writing = await world.start({
      MESSAGE_GC_CHECK_SQL: 'DELETE FROM messages',
      MESSAGE_GC_SIGNALS: calm,
    });
    const id = await startSlowly(world, writing, 500);
    const lost = await waitForReason(writing, id, 'signal_lost', 'own_check', 12_000);
    expect(lost.reason?.value).toBe('Cannot execute statement in a READ ONLY transaction');
    await writing.close();
    const endless = await world.start({ MESSAGE_GC_CHECK_SQL: 'SELECT SLEEP(60)', MESSAGE_GC_SIGNALS: calm });
    const again = await waitForReason(endless, id, 'signal_lost', 'own_check', 20_000);
    expect(again.reason?.value).toMatch(/max_statement_time exceeded/);
  });
});

import { randomBytes } from 'node:crypto';
import pg from 'pg';
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { type PrivateServer, startPrivateServer } from '../../bench/kit/private-server.mjs';
import { metric, waitForRun } from '../harness/collection.js';
import { until } from '../harness/wait.js';
import { busySessions, reasonToBe, secondsUntil, signalWorld, whyNoServer } from './postgres-world.js';

const missing = whyNoServer();
if (missing !== null) {
  console.error(`NOT TESTED: the signals of PostgreSQL: ${missing}`);
  if (process.env['CI'] === 'true')
    throw new Error(`CI is set, and there no server of our own is a failure: ${missing}`);
}

/** A look a second, the node's word once a second, and a machine that has other things to do. */
const soonSeconds = 2 + 3;

/**
 * Each fact is a real one. The run says which signal slows or stops it, soon after the fact shows, goes on by itself
 * when it is over, and its number is exact.
 */
describe.skipIf(missing !== null)('while a run is on, PostgreSQL shows', { timeout: 120_000 }, () => {
  let server: PrivateServer;
  beforeAll(async () => {
    server = await startPrivateServer({ isDurable: false });
  });
  afterAll(async () => {
    await server?.stop();
  });

  test('a replica whose replay stands still: the run stops, and goes on when it is resumed', async () => {
    const standby = await startPrivateServer({ isDurable: false, standbyOf: server.url });
    onTestFinished(() => standby.stop());
    const world = await signalWorld(server);
    await until('the replica to answer', 10_000, async () => {
      const found = await world.client.query('SELECT FROM pg_stat_replication WHERE replay_lsn IS NOT NULL');
      return found.rowCount === 1;
    });
    const replica = new pg.Client({ connectionString: standby.url });
    replica.on('error', () => undefined);
    await replica.connect();
    onTestFinished(() => replica.end());
    const { instance, run } = await world.collecting(['replica_lag'], { choices: 'replica_lag=1' });
    const paused = new Date();
    await replica.query('SELECT pg_wal_replay_pause()');
    const stopped = await reasonToBe(instance, run, 'stopped', 'replica_lag');
    expect(secondsUntil(stopped, paused)).toBeLessThan(1 + soonSeconds);
    // It stands still: two looks at the table, with the replica still behind in between.
    const left = await world.oracle.messages();
    await waitForRun(instance, run, 'further behind', 10_000, ({ reason }) => Number(reason?.value) > 4);
    expect(await world.oracle.messages()).toBe(left);
    await replica.query('SELECT pg_wal_replay_resume()');
    await world.expectExactEnd(instance, run);
  });

  test('a long transaction that is held open: the run slows until it is over', async () => {
    const world = await signalWorld(server);
    const { instance, run } = await world.collecting(['oldest_transaction'], {
      choices: 'oldest_transaction=2',
    });
    const application = await world.session();
    await application.query('BEGIN ISOLATION LEVEL REPEATABLE READ');
    await application.query('SELECT count(*) FROM message_receipts');
    const held = new Date();
    const slowed = await reasonToBe(instance, run, 'slowed', 'oldest_transaction');
    expect(secondsUntil(slowed, held)).toBeLessThan(2 + soonSeconds);
    await application.query('COMMIT');
    await waitForRun(
      instance,
      run,
      'itself again',
      10_000,
      ({ reason }) => reason?.signal !== 'oldest_transaction',
    );
    await world.expectExactEnd(instance, run);
  });

  test('a session that waits for a row of a batch: that batch is given back, and the session goes on', async () => {
    const world = await signalWorld(server);
    // A third of the way: the batches have found their size by then, and a slow machine comes there too. Several rows: on
    // a machine that stops for moments a batch can meet its own limit of half a second before it sees who waits.
    const keys = [...world.eligible].sort((a, b) => Number(a) - Number(b));
    const rows = [0.33, 0.4, 0.47, 0.54].map((share) => keys[Math.floor(keys.length * share)] ?? '');
    await world.client.query(
      `CREATE OR REPLACE FUNCTION linger() RETURNS trigger LANGUAGE plpgsql AS
         $$BEGIN PERFORM pg_sleep(CASE WHEN OLD.id IN (${rows.join(', ')}) THEN 0.4 ELSE 0.0005 END); RETURN OLD; END$$`,
    );
    const { instance, run } = await world.collecting([]);
    const application = await world.session();
    const kept: string[] = [];
    let waitedFor = 0;
    for (const row of rows) {
      await until('the batch with the row', 60_000, async () => {
        const free = await world.client.query(
          `SELECT FROM messages WHERE id = ${row} FOR UPDATE SKIP LOCKED`,
        );
        return free.rowCount === 0;
      });
      const { rowCount } = await application.query(
        `UPDATE messages SET processed_at = NULL WHERE id = ${row}`,
      );
      if (rowCount === 1) kept.push(row);
      waitedFor = await metric(instance, 'message_gc_batches_total{result="waited_for"}');
      if (waitedFor > 0) break;
    }
    expect(waitedFor).toBeGreaterThan(0);
    await world.expectExactEnd(instance, run, kept);
  });

  test('more sessions at work than it has cores for: the run makes room for them', async () => {
    const world = await signalWorld(server);
    const { instance, run } = await world.collecting(['active_sessions'], {
      env: { MESSAGE_GC_DATABASE_CORES: '1' },
    });
    const begun = new Date();
    const busy = await busySessions(world, 5);
    const slowed = await waitForRun(
      instance,
      run,
      'held back by the sessions',
      15_000,
      ({ reason }) => reason?.signal === 'active_sessions',
    );
    expect(['slowed', 'stopped']).toContain(slowed.reason?.code);
    expect(secondsUntil(slowed, begun)).toBeLessThan(soonSeconds);
    await busy.stop();
    await world.expectExactEnd(instance, run);
  });

  test('a small request that takes much longer than before: the run stops while it does', async () => {
    const world = await signalWorld(server);
    const { instance, run } = await world.collecting(['canary']);
    const begun = new Date();
    let isSlow = true;
    const slowDown = (): void => {
      world.proxy.arm({
        when: 'statement',
        match: /message_gc\.canary/,
        action: { delayMs: 1_000 },
        onHit: () => {
          if (isSlow) slowDown();
        },
      });
    };
    slowDown();
    const slowed = await waitForRun(
      instance,
      run,
      'held back by the canary',
      15_000,
      ({ reason }) => reason?.signal === 'canary',
    );
    expect(secondsUntil(slowed, begun)).toBeLessThan(soonSeconds);
    await reasonToBe(instance, run, 'stopped', 'canary');
    isSlow = false;
    await world.expectExactEnd(instance, run);
  });

  test('what the operator asks for by a statement: the run stops and goes on as it says', async () => {
    const world = await signalWorld(server);
    await world.client.query('CREATE TABLE campaign (is_on boolean); INSERT INTO campaign VALUES (false)');
    const { instance, run } = await world.collecting([], {
      env: { MESSAGE_GC_CHECK_SQL: 'SELECT is_on FROM campaign;' },
    });
    const begun = new Date();
    await world.client.query('UPDATE campaign SET is_on = true');
    const stopped = await reasonToBe(instance, run, 'stopped', 'own_check');
    expect(secondsUntil(stopped, begun)).toBeLessThan(soonSeconds);
    await world.client.query('UPDATE campaign SET is_on = false');
    await world.expectExactEnd(instance, run);
  });

  test('an operator’s statement that begins to fail: the run stops, with the words of the server', async () => {
    const world = await signalWorld(server);
    await world.client.query(`CREATE FUNCTION busy() RETURNS int LANGUAGE sql AS 'SELECT 0'`);
    const { instance, run } = await world.collecting([], { env: { MESSAGE_GC_CHECK_SQL: 'SELECT busy()' } });
    const begun = new Date();
    await world.client.query(
      `CREATE OR REPLACE FUNCTION busy() RETURNS int LANGUAGE plpgsql AS $$BEGIN RAISE 'the view is gone'; END$$`,
    );
    const lost = await reasonToBe(instance, run, 'signal_lost', 'own_check');
    expect(String(lost.reason?.value)).toContain('the view is gone');
    expect(secondsUntil(lost, begun)).toBeLessThan(5 + soonSeconds);
    await world.client.query(
      `CREATE OR REPLACE FUNCTION busy() RETURNS int LANGUAGE plpgsql AS $$BEGIN RETURN 0; END$$`,
    );
    await world.expectExactEnd(instance, run);
  });

  test('less than before, because a privilege was taken away: the run stops, and says which to grant', async () => {
    const world = await signalWorld(server);
    const name = `gc_${randomBytes(4).toString('hex')}`;
    await world.client.query(`
      CREATE ROLE ${name} LOGIN;
      GRANT pg_monitor TO ${name};
      GRANT USAGE ON SCHEMA message_gc TO ${name};
      GRANT ALL ON ALL TABLES IN SCHEMA message_gc, public TO ${name}`);
    onTestFinished(async () => {
      await world.client.query(`DROP OWNED BY ${name}; DROP ROLE ${name}`);
    });
    const url = new URL(world.proxy.urlFor(world.url));
    url.username = name;
    const { instance, run } = await world.collecting(['active_sessions'], {
      env: { DATABASE_URL: url.href, MESSAGE_GC_DATABASE_CORES: '64' },
    });
    const begun = new Date();
    await world.client.query(`REVOKE pg_monitor FROM ${name}`);
    const lost = await reasonToBe(instance, run, 'signal_lost', 'active_sessions');
    expect(String(lost.reason?.value)).toContain(`GRANT pg_monitor TO ${name}`);
    expect(secondsUntil(lost, begun)).toBeLessThan(5 + soonSeconds);
    await world.client.query(`GRANT pg_monitor TO ${name}`);
    await world.expectExactEnd(instance, run);
  });
});

import { randomBytes } from 'node:crypto';
import pg from 'pg';
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { type PrivateServer, startPrivateServer } from '../../bench/kit/private-server.mjs';
import { ownMapping } from '../../src/core/mapping.js';
import {
  noSources,
  type Reading,
  type SignalName,
  signalNames,
  type SignalSources,
  type SignalWatch,
} from '../../src/core/signals.js';
import { silentLog } from '../../src/kit/log.js';
import { openStore } from '../../src/storage/open-store.js';
import { until } from '../harness/wait.js';
import { whyNoServer } from './postgres-world.js';

const missing = whyNoServer();
if (missing !== null) {
  console.error(`NOT TESTED: what is read of PostgreSQL's health: ${missing}`);
  if (process.env['CI'] === 'true')
    throw new Error(`CI is set, and there no server of our own is a failure: ${missing}`);
}

/** Each signal against the thing itself, on a server with everything switched on that it tells of. */
describe.skipIf(missing !== null)('of the health of PostgreSQL', () => {
  let server: PrivateServer;
  let admin: pg.Client;
  beforeAll(async () => {
    server = await startPrivateServer({
      isDurable: false,
      settings: [
        'archive_mode=on',
        'archive_command=false',
        'max_prepared_transactions=5',
        'max_slot_wal_keep_size=64MB',
        'autovacuum=off',
      ],
    });
    admin = await connect(server.url);
    const store = openStore({
      database: { engine: 'postgresql', url: server.url },
      workers: 1,
      log: silentLog,
    });
    await store.prepare({ migrate: true });
    await store.close();
  });
  afterAll(async () => {
    await admin?.end();
    await server?.stop();
  });

  async function connect(url: string): Promise<pg.Client> {
    const client = new pg.Client({ connectionString: url, application_name: 'the test' });
    client.on('error', () => undefined);
    await client.connect();
    return client;
  }

  async function watching(
    signals: readonly SignalName[],
    { url = server.url, ...sources }: { url?: string } & Partial<SignalSources> = {},
  ): Promise<SignalWatch> {
    const store = openStore({
      database: { engine: 'postgresql', url },
      workers: 1,
      signals: { ...noSources, ...sources },
      log: silentLog,
    });
    onTestFinished(() => store.close());
    const skipped = new Set(signalNames.filter((name) => !signals.includes(name)));
    const watch = await store.signals.watch({ mapping: ownMapping, retentionSeconds: 0 }, skipped);
    onTestFinished(() => watch.close());
    return watch;
  }

  async function sampled(watch: SignalWatch): Promise<readonly Reading[]> {
    const told: Reading[] = [];
    await watch.sample(0, (reading) => told.push(reading));
    return told;
  }

  async function read(watch: SignalWatch, signal: SignalName): Promise<Extract<Reading, { value: number }>> {
    const found = (await sampled(watch)).find((reading) => reading.signal === signal);
    if (found === undefined || 'trouble' in found)
      throw new Error(`${signal} was not read: ${JSON.stringify(found)}; ${JSON.stringify(watch.probes)}`);
    return found;
  }

  const whyAbsent = (watch: SignalWatch, signal: SignalName): string => {
    const probe = watch.probes.find((one) => one.signal === signal);
    return probe?.state === 'absent' ? probe.why : 'it is used';
  };

  test('a slot that fetches nothing holds log back, against half of what the server keeps for it', async () => {
    await admin.query(`SELECT pg_create_physical_replication_slot('late', true)`);
    onTestFinished(async () => {
      await admin.query(`SELECT pg_drop_replication_slot('late')`);
    });
    const watch = await watching(['replication_slots']);
    const before = await read(watch, 'replication_slots');
    expect(before).toMatchObject({ limit: 32 * 2 ** 20, detail: 'slot late' });
    await admin.query(`SELECT pg_logical_emit_message(true, 'test', repeat('x', 100000))`);
    expect((await read(watch, 'replication_slots')).value).toBeGreaterThanOrEqual(before.value + 100_000);
  });

  test('a replica that replays nothing falls behind, also while nothing more is written and it says nothing', async () => {
    const standby = await startPrivateServer({
      isDurable: false,
      standbyOf: server.url,
      // Silent: the server's own replay_lag stays what it was.
      settings: ['max_prepared_transactions=5', 'wal_receiver_status_interval=1h'],
    });
    onTestFinished(() => standby.stop());
    const replica = await connect(standby.url);
    onTestFinished(() => replica.end());
    const watch = await watching(['replica_lag']);
    const writes = (): Promise<unknown> =>
      admin.query(`SELECT pg_logical_emit_message(true, 'test', repeat('x', 50000))`);
    await writes();
    await until('the replica to be there', 10_000, async () => {
      const { value, detail } = await read(watch, 'replica_lag');
      return value === 0 && detail !== 'no replica is connected';
    });
    await replica.query('SELECT pg_wal_replay_pause()');
    await until('replay to stand still', 5_000, async () => {
      const { rows } = await replica.query<{ state: string }>(
        'SELECT pg_get_wal_replay_pause_state() AS state',
      );
      return rows[0]?.state === 'paused';
    });
    await writes();
    const behind = await until('it to be behind', 10_000, async () => {
      const reading = await read(watch, 'replica_lag');
      return reading.value > 2 ? reading : null;
    });
    expect(behind.detail).toMatch(/^walreceiver, \d{5,} bytes behind$/);
    await replica.query('SELECT pg_wal_replay_resume()');
    await writes();
    await until('it to have caught up', 10_000, async () => (await read(watch, 'replica_lag')).value < 1);
  });

  test('segments that the archive does not take are counted', async () => {
    const watch = await watching(['wal_archive']);
    const before = (await read(watch, 'wal_archive')).value;
    await admin.query(`SELECT pg_logical_emit_message(false, 'test', 'x'); SELECT pg_switch_wal()`);
    await until(
      'a segment more to wait',
      10_000,
      async () => (await read(watch, 'wal_archive')).value > before,
    );
  });

  test('a prepared transaction is as old as any, and a session that holds nothing is not counted', async () => {
    const idle = await connect(server.url);
    onTestFinished(() => idle.end());
    await idle.query('BEGIN');
    await idle.query('SELECT 1');
    const watch = await watching(['oldest_transaction']);
    expect((await read(watch, 'oldest_transaction')).value).toBe(0);
    await admin.query(
      `BEGIN; INSERT INTO message_gc.setting VALUES ('x', 'y'); PREPARE TRANSACTION 'two phases'`,
    );
    onTestFinished(async () => {
      await admin.query(`ROLLBACK PREPARED 'two phases'`);
    });
    const found = await until('the prepared transaction to be seen', 5_000, async () => {
      const reading = await read(watch, 'oldest_transaction');
      return reading.value > 0 ? reading : null;
    });
    expect(found.detail).toBe(`prepared transaction 'two phases' of postgres`);
  });

  test('dead rows are a share of all', async () => {
    await admin.query(`
      INSERT INTO messages (direction, state, contact) SELECT 'in', 'read', 'a' FROM generate_series(1, 400);
      DELETE FROM messages WHERE id % 4 <> 0`);
    const watch = await watching(['dead_rows']);
    await until(
      'the statistics to tell',
      15_000,
      async () => (await read(watch, 'dead_rows')).value === 0.75,
    );
    await admin.query('VACUUM messages');
    await until('the vacuum to tell', 15_000, async () => (await read(watch, 'dead_rows')).value === 0);
  });

  test('dead rows are a share of what the last analysis found where the server has forgotten its counts', async () => {
    await admin.query(`
      TRUNCATE messages CASCADE;
      INSERT INTO messages (direction, state, contact) SELECT 'in', 'read', 'a' FROM generate_series(1, 400);
      ANALYZE messages`);
    const watch = await watching(['dead_rows']);
    await until('the rows to be counted', 15_000, async () => {
      const { rows } = await admin.query(`SELECT pg_stat_get_live_tuples('messages'::regclass)::int AS live`);
      return rows[0]?.live === 400;
    });
    await admin.query(`SELECT pg_stat_reset_single_table_counters('messages'::regclass)`);
    await admin.query('DELETE FROM messages WHERE id % 4 = 0');
    await until(
      'the statistics to tell of the deleted rows alone',
      15_000,
      async () => (await read(watch, 'dead_rows')).value > 0,
    );
    expect((await read(watch, 'dead_rows')).value).toBe(0.25);
  });

  test('a vacuum of a table that loses rows is seen while it is at work, and one of another table is not', async () => {
    await admin.query(`
      INSERT INTO messages (direction, state, contact) SELECT 'in', 'read', 'a' FROM generate_series(1, 20000);
      CREATE TABLE other AS SELECT n FROM generate_series(1, 300000) n`);
    const watch = await watching(['vacuum']);
    const session = await connect(server.url);
    onTestFinished(() => session.end());
    await session.query('SET vacuum_cost_delay = 50; SET vacuum_cost_limit = 50');
    for (const [table, seen] of [
      ['other', 0],
      ['messages', 1],
    ] as const) {
      const done = session.query(`VACUUM ${table}`).catch(() => undefined);
      await until(`the vacuum of ${table} to be at work`, 10_000, async () => {
        const { rows } = await admin.query('SELECT FROM pg_stat_progress_vacuum WHERE relid = $1::regclass', [
          table,
        ]);
        return rows.length === 1;
      });
      expect((await read(watch, 'vacuum')).value, table).toBe(seen);
      await admin.query('SELECT pg_cancel_backend(pid) FROM pg_stat_progress_vacuum');
      await done;
    }
  });

  test('the disk of a server on this machine is known as df knows it', async () => {
    const watch = await watching(['disk_used']);
    const { value } = await read(watch, 'disk_used');
    expect(value).toBeGreaterThan(0);
    expect(value).toBeLessThanOrEqual(1);
  });

  test('the canary tells its figure from before, and leaves no row behind', async () => {
    const watch = await watching(['canary']);
    const { value, baseline = 0 } = await until('a first figure', 5_000, () => read(watch, 'canary'));
    expect(value).toBeGreaterThan(0);
    expect(baseline).toBeGreaterThan(0);
    const rows = async (): Promise<number> =>
      (await admin.query<{ n: number }>('SELECT count(*)::int AS n FROM message_gc.canary')).rows[0]?.n ?? -1;
    expect(await rows()).toBe(1);
    await watch.close();
    expect(await rows()).toBe(0);
    await until('the sessions of the watch to be closed', 5_000, async () => {
      const { rows: left } = await admin.query(
        `SELECT FROM pg_stat_activity WHERE application_name = 'message-gc'`,
      );
      return left.length === 0;
    });
  });

  test.each([
    ['SELECT 0.25', 0.25],
    ['SELECT true;', 1],
    ['SELECT count(*) FROM pg_class WHERE false', 0],
  ])('a statement of the operator gives a number: %s', async (checkSql, value) => {
    expect((await read(await watching(['own_check'], { checkSql }), 'own_check')).value).toBe(value);
  });

  test.each([
    ['SELECT 1, 2', /gave 1 rows of 2 columns; it must give one row of one column/],
    ['SELECT 1 WHERE false', /gave 0 rows/],
    ["SELECT 'much'", /gave "much"; it must give one row/],
    ['SELECT NULL::int', /gave null/],
    ['SELECT 1; DELETE FROM messages', /multiple commands/],
    ["INSERT INTO message_gc.setting VALUES ('a', 'b') RETURNING 1", /read-only transaction/],
    ['SELECT pg_sleep(5)', /statement timeout/],
    ['SELEKT 1', /syntax error/],
  ])(
    'a statement of the operator that gives no number is trouble, never absence: %s',
    async (checkSql, words) => {
      const watch = await watching(['own_check'], { checkSql });
      expect(await sampled(watch)).toEqual([
        { signal: 'own_check', trouble: expect.stringMatching(words) as string },
      ]);
    },
  );

  test('a user without pg_monitor is told the GRANT, and reads what every user may', async () => {
    const name = `gc_${randomBytes(4).toString('hex')}`;
    await admin.query(`CREATE ROLE ${name} LOGIN; GRANT USAGE ON SCHEMA message_gc TO ${name};
      GRANT ALL ON ALL TABLES IN SCHEMA message_gc, public TO ${name}`);
    onTestFinished(async () => {
      await admin.query(`DROP OWNED BY ${name}; DROP ROLE ${name}`);
    });
    const url = new URL(server.url);
    url.username = name;
    const names: readonly SignalName[] = [
      'canary',
      'waiters',
      'active_sessions',
      'replica_lag',
      'replication_slots',
      'wal_archive',
      'vacuum',
      'dead_rows',
      'oldest_transaction',
      'disk_used',
    ];
    const poor = await watching(names, { url: url.href });
    const used = poor.probes.filter(({ state }) => state === 'used').map(({ signal }) => signal);
    expect(used).toEqual(['canary', 'waiters', 'replication_slots', 'dead_rows']);
    for (const signal of ['active_sessions', 'replica_lag', 'vacuum', 'oldest_transaction'] as const)
      expect(whyAbsent(poor, signal)).toContain(`GRANT pg_monitor TO ${name}`);
    await admin.query(`GRANT pg_monitor TO ${name}`);
    const rich = await watching(names, { url: url.href });
    expect(rich.probes.filter(({ state }) => state === 'used')).toHaveLength(names.length);
  });

  test('nothing is begun without eyes: a server that cannot be asked is waited for', async () => {
    const url = new URL(server.url);
    url.port = '1';
    await expect(watching(['canary', 'active_sessions'], { url: url.href })).rejects.toMatchObject({
      kind: 'unreachable',
    });
  });
});

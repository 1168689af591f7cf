/** Whoever waits for rows of a batch has them soon: the batch is ended, and done again with fewer rows. */
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { ownMapping } from '../../src/core/mapping.js';
import { silentLog } from '../../src/kit/log.js';
import { openStore } from '../../src/storage/open-store.js';
import { workshop } from '../guards/collect.js';
import { mariadbConnection } from '../harness/mariadb-database.js';
import { OwnServer } from '../harness/mariadb-server.js';
import { type MariadbWorld, mariadbWorld } from '../harness/mariadb-world.js';
import { onMariadb } from '../harness/mysql-family.js';
import { until } from '../harness/wait.js';
import { missingServer } from './mariadb-run.js';

const missing = missingServer();

describe.skipIf(missing !== null)('sessions that wait for a batch on MariaDB', { timeout: 120_000 }, () => {
  let server: OwnServer | null = null;
  beforeAll(async () => {
    // MySQL is not started by tests: the one that was given is used.
    if (!onMariadb) return;
    server = await OwnServer.begin();
    process.env['TEST_MARIADB_URL'] = `${server.origin}/mysql`;
  }, 90_000);
  afterAll(async () => {
    await server?.stop();
  });

  /** Deleting takes 10 ms a row, so that a batch of 100 is long enough to be in the way. */
  async function slowWorld(): Promise<MariadbWorld> {
    const world = await mariadbWorld(500);
    await world.client.query(
      'CREATE TRIGGER slow_delete BEFORE DELETE ON messages FOR EACH ROW DO SLEEP(0.01)',
    );
    return world;
  }

  async function open({ database }: MariadbWorld) {
    const store = openStore({
      database: { engine: 'mysql', url: database.url },
      workers: 2,
      log: silentLog,
    });
    onTestFinished(() => store.close());
    return { store, facts: await store.prepare({ migrate: true }) };
  }

  /** Milliseconds. A batch of 100 rows takes a second, and is looked at from its 100th millisecond on. */
  const longerThanALook = 250;
  const policy = { mapping: ownMapping, retentionSeconds: 0 };

  /**
   * Once a batch has deleted its first row, a session of the application sends a statement. What is seen is the row
   * itself, uncommitted: whoever asks the server's list of transactions keeps it from being gathered anew for those
   * who look for waiting sessions.
   */
  async function waitBehindBatch(world: MariadbWorld, statement: string): Promise<{ ms: number }> {
    const application = await mariadbConnection(world.database.url);
    onTestFinished(() => application.destroy());
    await world.client.query('SET SESSION TRANSACTION ISOLATION LEVEL READ UNCOMMITTED');
    await until('a batch to hold rows', 20_000, async () => {
      const [rows] = await world.client.query(`SELECT 1 FROM messages WHERE id = ${firstOf(world)}`);
      return (rows as unknown[]).length === 0;
    });
    const from = performance.now();
    await application.query(statement);
    return { ms: performance.now() - from };
  }

  /** The row that a run takes first. */
  function firstOf({ eligible }: MariadbWorld): string | undefined {
    return [...eligible].sort((a, b) => Number(a) - Number(b))[0];
  }

  test('the batch is rolled back and tried again with fewer rows, and the count is exact', async () => {
    const world = await slowWorld();
    const shop = await workshop({ ...(await open(world)), policy, size: 100 });
    const collecting = shop.collect(90_000);
    const { ms } = await waitBehindBatch(
      world,
      `UPDATE messages SET updated_at = now(6) WHERE id = ${firstOf(world)}`,
    );
    const run = await collecting;
    const waited = shop.answers.filter((answer) => answer.kind === 'waited_for');
    expect(waited).toEqual([{ kind: 'waited_for', sessions: 1 }]);
    expect(shop.gaveUp).toContain('waited_for');
    console.log(`the application waited ${Math.round(ms)} ms for a batch of a second`);
    expect(run).toMatchObject({ state: 'complete', errors: [], messagesDeleted: world.eligible.size });
    await world.oracle.expectGone({ before: world.before, gone: world.eligible });
    await world.oracle.expectNoOrphans();
    await world.oracle.expectInvariants();
  });

  test('a wait for our own tables ends no batch', async () => {
    const world = await slowWorld();
    const { store, facts } = await open(world);
    const shop = await workshop({ store, facts, policy, size: 100 });
    const collecting = shop.collect(90_000);
    // The span's row is held by the batch too.
    const { ms } = await waitBehindBatch(
      world,
      `UPDATE message_gc_span SET attempts = attempts WHERE state = 'leased'`,
    );
    expect(ms, 'it waited for the batch').toBeGreaterThan(longerThanALook);
    const run = await collecting;
    expect(shop.gaveUp).toEqual([]);
    expect(run).toMatchObject({ state: 'complete', errors: [], messagesDeleted: world.eligible.size });
  });

  test('a batch that cannot be made smaller goes through', async () => {
    const world = await slowWorld();
    const { store, facts } = await open(world);
    const yielding: boolean[] = [];
    const patient = {
      ...store,
      sweep: {
        ...store.sweep,
        batch: (request: Parameters<typeof store.sweep.batch>[0]) => {
          yielding.push(request.yields);
          return store.sweep.batch({ ...request, yields: false });
        },
      },
    };
    const shop = await workshop({ store: patient, facts, policy, size: 100 });
    const collecting = shop.collect(90_000);
    const { ms } = await waitBehindBatch(
      world,
      `UPDATE messages SET updated_at = now(6) WHERE id = ${firstOf(world)}`,
    );
    const run = await collecting;
    expect(yielding[0]).toBe(true);
    expect(ms, 'it waited for the batch').toBeGreaterThan(longerThanALook);
    expect(shop.gaveUp).toEqual([]);
    // The row that the application waited for was gone when it had it.
    expect(run).toMatchObject({ state: 'complete', errors: [], messagesDeleted: world.eligible.size });
  });

  test('nobody is ended by a kill that comes after its batch', async () => {
    const world = await slowWorld();
    const { store, facts } = await open(world);
    const shop = await workshop({ store, facts, policy, size: 30, workers: 2 });
    const collecting = shop.collect(90_000);
    const keys = [...world.eligible];
    let over = false;
    // Waits all the time and everywhere, so that kills meet every moment of a batch.
    const applications = [0, 1, 2].map(async (number) => {
      const session = await mariadbConnection(world.database.url);
      try {
        for (let at = number; !over; at = (at + 7) % keys.length)
          await session.query(`UPDATE messages SET updated_at = now(6) WHERE id = ${keys[at]}`);
      } finally {
        await session.end();
      }
    });
    const run = await collecting.finally(() => {
      over = true;
    });
    await Promise.all(applications);
    // A statement that was ended outside of a batch would have been an error of its own.
    expect(shop.gaveUp.filter((why) => why !== 'waited_for' && why !== 'locked')).toEqual([]);
    expect(shop.gaveUp).toContain('waited_for');
    expect(run).toMatchObject({ state: 'complete', errors: [], messagesDeleted: world.eligible.size });
    await world.oracle.expectGone({ before: world.before, gone: world.eligible });
    await world.oracle.expectInvariants();
  });
});

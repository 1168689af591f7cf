/** The lag of real MariaDB replicas, seen by a heartbeat row: a replica that is paused, resumed, killed. */
import type mysql from 'mysql2/promise';
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { mariadbConnection } from '../harness/mariadb-database.js';
import { OwnServer } from '../harness/mariadb-server.js';
import { type MariadbWorld, mariadbWorld } from '../harness/mariadb-world.js';
import { startCommand } from '../harness/processes.js';
import { until, within } from '../harness/wait.js';
import {
  expectGoesOnAndEnds,
  expectStandingStill,
  missingServer,
  signalsOf,
  startSlowly,
  waitForReason,
} from './mariadb-run.js';

const missing = missingServer();
const calm = 'canary=off,active_sessions=off';

describe.skipIf(missing !== null)('replicas of a MariaDB server', { timeout: 120_000 }, () => {
  const servers: OwnServer[] = [];
  beforeAll(async () => {
    for (let number = 1; number <= 3; number += 1) servers.push(await OwnServer.begin(number));
    const [primary, ...replicas] = servers;
    process.env['TEST_MARIADB_URL'] = `${primary?.origin}/mysql`;
    for (const replica of replicas) {
      const session = await mariadbConnection(`${replica.origin}/mysql`);
      await session.query(
        `CHANGE MASTER TO MASTER_HOST='127.0.0.1', MASTER_PORT=${primary?.port}, MASTER_USER='root',
           MASTER_USE_GTID=slave_pos; START SLAVE; SET GLOBAL read_only = 1`,
      );
      await session.end();
    }
  }, 180_000);
  afterAll(async () => {
    await Promise.all(servers.map((server) => server.stop()));
  });

  /** A password in it, which must be said nowhere. */
  const replicasOf = ({ database }: MariadbWorld): string =>
    servers
      .slice(1)
      .map(({ port }) => `mysql://watcher:Geheim-7@127.0.0.1:${port}/${database.name}`)
      .join(' ');

  async function watchedWorld(): Promise<{ world: MariadbWorld; replica: mysql.Connection }> {
    const world = await mariadbWorld(20_000);
    await world.client.query(
      `CREATE USER IF NOT EXISTS watcher@'127.0.0.1' IDENTIFIED BY 'Geheim-7';
       GRANT SELECT ON \`${world.database.name}\`.* TO watcher@'127.0.0.1'`,
    );
    const replica = await mariadbConnection(`${servers[1]?.origin}/mysql`);
    onTestFinished(async () => {
      await replica.query('START SLAVE SQL_THREAD').catch(() => undefined);
      replica.destroy();
    });
    return { world, replica };
  }

  test('a replica that is paused makes the run stand still, and go on when it has caught up', async () => {
    const { world, replica } = await watchedWorld();
    const instance = await world.start({
      MESSAGE_GC_REPLICAS: replicasOf(world),
      MESSAGE_GC_SIGNALS: 'canary=off,active_sessions=1000,replica_lag=3',
    });
    const id = await startSlowly(world, instance, 700);
    const lag = (await signalsOf(instance, id))['replica_lag'];
    expect(lag).toMatchObject({ state: 'ok', limit: 3 });
    expect(lag?.value).toBeLessThan(3);
    await until('nobody to work here but we', 10_000, async () => {
      const active = (await signalsOf(instance, id))['active_sessions'];
      // The threads that feed the replicas are nobody's work.
      return active?.detail?.startsWith('0 on ') === true;
    });
    await replica.query('STOP SLAVE SQL_THREAD');
    // The limit itself is three seconds away.
    const run = await waitForReason(instance, id, 'stopped', 'replica_lag', 8_000);
    expect(run.reason?.value).toBeGreaterThanOrEqual(3);
    const slowest = (await signalsOf(instance, id))['replica_lag'];
    expect(slowest?.detail).toBe(`127.0.0.1:${servers[1]?.port}`);
    await expectStandingStill(world);
    await replica.query('START SLAVE SQL_THREAD');
    await expectGoesOnAndEnds(world, instance, id);
    expect(instance.describe()).not.toContain('Geheim-7');
  });

  test('a replica that fetches nothing is behind, although the server itself says that it is not', async () => {
    const { world } = await watchedWorld();
    const replica = await mariadbConnection(`${servers[1]?.origin}/mysql`);
    onTestFinished(() => replica.destroy());
    await until('the tables to be on the replica', 10_000, async () => {
      const [rows] = await replica.query(
        `SELECT 1 FROM information_schema.TABLES WHERE TABLE_SCHEMA = '${world.database.name}' AND TABLE_NAME = 'message_gc_pulse'`,
      );
      return (rows as unknown[]).length > 0;
    });
    await replica.query('STOP SLAVE IO_THREAD');
    onTestFinished(async () => {
      await replica.query('START SLAVE IO_THREAD');
    });
    const instance = await world.start({
      MESSAGE_GC_REPLICAS: replicasOf(world).split(' ')[0] ?? '',
      MESSAGE_GC_SIGNALS: `${calm},replica_lag=2`,
    });
    const id = await startSlowly(world, instance, 700);
    await waitForReason(instance, id, 'stopped', 'replica_lag', 10_000);
    const [rows] = await replica.query('SHOW SLAVE STATUS');
    expect((rows as { Seconds_Behind_Master: number | null }[])[0]?.Seconds_Behind_Master ?? 0).toBe(0);
    await replica.query('START SLAVE IO_THREAD');
    await expectGoesOnAndEnds(world, instance, id);
  });

  test('a replica that cannot be asked any more stops the run, unless it may be missing', async () => {
    const { world } = await watchedWorld();
    const replicas = replicasOf(world);
    const instance = await world.start({ MESSAGE_GC_REPLICAS: replicas, MESSAGE_GC_SIGNALS: calm });
    const id = await startSlowly(world, instance, 700);
    await until('the replicas to be seen', 20_000, async () => {
      const { replica_lag: lag } = await signalsOf(instance, id);
      return lag?.state === 'ok';
    });
    await servers[2]?.kill();
    const run = await waitForReason(instance, id, 'signal_lost', 'replica_lag', 12_000);
    expect(String(run.reason?.value)).toContain(
      `the replica 127.0.0.1:${servers[2]?.port} does not answer: connect ECONNREFUSED`,
    );
    await expectStandingStill(world);
    await instance.close();
    const without = await world.start({
      MESSAGE_GC_REPLICAS: replicas,
      MESSAGE_GC_SIGNALS: `${calm},replica_lag=optional`,
    });
    await expectGoesOnAndEnds(world, without, id);
  });

  test.each([
    ['nonsense', /MESSAGE_GC_REPLICAS has an address that does not begin with mysql:\/\//],
    ['mysql://gc:Geheim-7@db2:3306', /MESSAGE_GC_REPLICAS cannot be used .* It names no database/],
  ])('the address %s of a replica ends the start with exit code 2', async (address, words) => {
    const serving = startCommand(['serve'], {
      DATABASE_URL: process.env['TEST_MARIADB_URL'] ?? '',
      MESSAGE_GC_LISTEN: '127.0.0.1:0',
      MESSAGE_GC_ADMIN_PASSWORD: 'Kehricht-42!',
      MESSAGE_GC_REPLICAS: address,
    });
    onTestFinished(() => serving.close());
    const { code, stdout, stderr } = await within('the start to end', 20_000, serving.ended);
    expect(stdout + stderr).toMatch(words);
    expect(stdout + stderr).not.toContain('Geheim');
    expect(code).toBe(2);
  });
});

/** Coreapps as processes, each through another server of a Galera cluster, while a server and a node are killed. */
import mysql from 'mysql2/promise';
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { outcomeOf } from '../harness/collection.js';
import { Instance, type Role } from '../harness/instance.js';
import { mariadbOracle } from '../harness/mariadb-world.js';
import { seed } from '../harness/processes.js';
import { Receiver } from '../harness/receiver.js';
import { until } from '../harness/wait.js';
import { closeAll } from '../harness/world.js';
import { type Galera, startCluster, whyNoCluster } from './cluster.js';

const missing = whyNoCluster();

describe.skipIf(missing !== null)('nodes on a Galera cluster of three', { timeout: 240_000 }, () => {
  let cluster: Galera;
  beforeAll(async () => {
    cluster = await startCluster(3);
  }, 180_000);
  afterAll(async () => {
    await cluster?.stop();
  });

  /** The cluster's servers, beginning with this one: the one that is used as long as it lives. */
  const through = (first: number): string => {
    const hosts = [0, 1, 2].map((step) => `127.0.0.1:${cluster.nodes[(first + step) % 3]?.port}`);
    return `mysql://root@${hosts.join(',')}/chat`;
  };

  test('collect one table exactly, with no invariant broken at any moment, though a server and a node are killed', async () => {
    const closers: (() => Promise<unknown>)[] = [];
    const instances: Instance[] = [];
    onTestFinished(async ({ task }) => {
      if (task.result?.state === 'fail') for (const one of instances) console.error(one.describe());
      await closeAll(closers);
    });
    const start = async (role: Role, number: number): Promise<Instance> => {
      const instance = await Instance.start(
        {
          DATABASE_URL: through(number),
          WA_APP_MULTICONNECT: '1',
          MESSAGE_GC_CLUSTER_SECRET: 'a secret of the tests, long enough',
          MESSAGE_GC_CONTROL_LISTEN: '127.0.0.1:0',
          COREAPP_HOSTNAME: `wacore${number}`,
          MESSAGE_GC_NODE_ID: String(number).padStart(12, '0'),
        },
        60_000,
        role,
      );
      instances.push(instance);
      closers.push(() => instance.close());
      return instance;
    };
    const admin = await mysql.createConnection(`${cluster.nodes[2]?.origin}/mysql`);
    await admin.query('CREATE DATABASE chat CHARACTER SET utf8mb4');
    await admin.end();
    await seed({ DATABASE_URL: through(2) }, 30_000);
    // On the server that lives, and behind nobody: it waits for what the others have committed.
    const url = `${cluster.nodes[2]?.origin}/chat`;
    const oracle = await mariadbOracle(url, closers, 'SET SESSION wsrep_sync_wait = 15');
    const before = await oracle.allKeys();
    const eligible = await oracle.eligibleKeys();
    const receiver = await Receiver.start();
    closers.push(() => receiver.close());

    const webapp = await start('webapp', 2);
    await webapp.setWebhook(receiver.url);
    await webapp.api('PATCH', '/v1/settings/application', { heartbeat_interval: 1, unhealthy_interval: 15 });
    const cores = [await start('coreapp', 0), await start('coreapp', 1), await start('coreapp', 2)];
    const watch = oracle.watchInvariants(50);
    const answer = await webapp.api('PUT', '/v1/services/message/gc');
    expect(answer.status, answer.text).toBe(200);
    const gone = async (): Promise<number> => before.size - (await oracle.messages());
    await until('something to be deleted', 30_000, async () => (await gone()) > 2_000);
    await Promise.all([cluster.nodes[0]?.kill(), cores[1]?.kill()]);
    expect(await gone(), 'messages gone when they were killed').toBeLessThan(eligible.size);

    await receiver.waitForAccepted(3, 120_000);
    const polls = await watch.stop();
    await oracle.expectGone({ before, gone: eligible });
    const told = receiver.accepted.map(outcomeOf);
    expect(new Set(told.map(({ node }) => node))).toEqual(new Set(cores.map(({ node }) => node)));
    expect(told).toHaveLength(3);
    expect(told.every(({ status }) => status === 'complete')).toBe(true);
    expect(told.reduce((sum, { messages_deleted: deleted }) => sum + deleted, 0)).toBe(eligible.size);
    await oracle.expectNoOrphans();
    await oracle.expectInvariants();
    console.log(
      `three nodes through three servers: ${told.map((one) => one.messages_deleted).join(' + ')} messages, ${polls} looks at the ledger`,
    );
    expect(polls, 'looks at the ledger during the run').toBeGreaterThan(5);
  });
});

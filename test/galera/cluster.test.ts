import mysql from 'mysql2/promise';
import { afterAll, beforeAll, beforeEach, describe, expect, onTestFinished, test } from 'vitest';
import { ownMapping } from '../../src/core/mapping.js';
import type { EngineFacts, Store } from '../../src/core/ports.js';
import { silentLog } from '../../src/kit/log.js';
import { openStore } from '../../src/storage/open-store.js';
import { workshop } from '../guards/collect.js';
import { MariadbApplication } from '../harness/mariadb-application.js';
import { mariadbOracle } from '../harness/mariadb-world.js';
import { pause, until, within } from '../harness/wait.js';
import { closeAll } from '../harness/world.js';
import { type Galera, joinWithinMs, startCluster, whyNoCluster } from './cluster.js';

const missing = whyNoCluster();
if (missing !== null) {
  console.error(`NOT TESTED: a Galera cluster: ${missing}`);
  if (process.env['CI'] === 'true')
    throw new Error(`CI is set, and there no cluster is a failure: ${missing}`);
}

describe.skipIf(missing !== null)('on a Galera cluster of three', { timeout: 180_000 }, () => {
  let cluster: Galera;
  let number = 0;
  beforeAll(async () => {
    cluster = await startCluster(3);
  }, 3 * joinWithinMs);
  // What one test left dead is none of the next one's concern.
  beforeEach(() => Promise.all(cluster.nodes.map((node) => node.start())), joinWithinMs + 10_000);
  afterAll(async () => {
    await cluster?.stop();
  });

  const portsFrom = (first: number): string =>
    [0, 1, 2].map((step) => `127.0.0.1:${cluster.nodes[(first + step) % 3]?.port}`).join(',');

  async function open(database: string, first: number): Promise<{ store: Store; facts: EngineFacts }> {
    const store = openStore({
      database: { engine: 'mysql', url: `mysql://root@${portsFrom(first)}/${database}` },
      workers: 2,
      log: silentLog,
    });
    onTestFinished(() => store.close());
    return { store, facts: await store.prepare({ migrate: true }) };
  }

  /** A seeded database, and an oracle on the machine `eye`. */
  async function world(rows: number, eye: number) {
    const closers: (() => Promise<unknown>)[] = [];
    onTestFinished(() => closeAll(closers));
    number += 1;
    const database = `chat_${number}`;
    const admin = await mysql.createConnection(`${cluster.nodes[eye]?.origin}/mysql`);
    await admin.query(`CREATE DATABASE ${database} CHARACTER SET utf8mb4`);
    await admin.end();
    // A machine applies what another did a moment later, and USE waits for nothing: it would be an unknown database there.
    await Promise.all(cluster.nodes.map((node) => knows(`${node.origin}/mysql`, database)));
    const first = await open(database, 0);
    await first.store.ownTables.seed({ rows, processed: 0.7, onProgress: () => undefined });
    const url = `${cluster.nodes[eye]?.origin}/${database}`;
    const oracle = await mariadbOracle(url, closers, 'SET SESSION wsrep_sync_wait = 15');
    const before = await oracle.allKeys();
    expect(before.size).toBe(rows);
    return { database, first, oracle, before, eligible: await oracle.eligibleKeys() };
  }

  async function knows(origin: string, database: string): Promise<void> {
    const connection = await mysql.createConnection(origin);
    try {
      await until(`${database} to be known at ${origin}`, 20_000, async () => {
        const [rows] = await connection.query('SHOW DATABASES LIKE ?', [database]);
        return (rows as unknown[]).length === 1;
      });
    } finally {
      connection.destroy();
    }
  }

  /**
   * By the counter of the machine that is used, on a connection of the test's own. For two seconds: the run looks once a
   * second, and a pause of a third of one may be cut in two by that, of which neither is above the limit.
   */
  async function isPaused(): Promise<boolean> {
    const connection = await mysql.createConnection(`${cluster.nodes[0]?.origin}/mysql`);
    try {
      const read = async (): Promise<bigint> => {
        const [rows] = await connection.query(`SHOW STATUS LIKE 'wsrep_flow_control_paused_ns'`);
        return BigInt((rows as { Value: string }[])[0]?.Value ?? '0');
      };
      const from = await read();
      await pause(2_000);
      return (await read()) - from > 1_800_000_000n;
    } finally {
      connection.destroy();
    }
  }

  const policy = { mapping: ownMapping, retentionSeconds: 0 };

  test('collects through one machine, and through another when that one is killed in mid-run', async () => {
    const { first, oracle, before, eligible } = await world(10_000, 1);
    let killed = 0;
    const shop = await workshop({
      ...first,
      policy,
      size: 200,
      async after(batch) {
        if (batch !== 10) return;
        killed = before.size - (await oracle.messages());
        await cluster.nodes[0]?.kill();
      },
    });
    const run = await shop.collect(120_000);
    expect(killed, 'messages gone when the machine was killed').toBeGreaterThan(0);
    expect(killed).toBeLessThan(eligible.size);
    expect(run).toMatchObject({ state: 'complete', errors: [], messagesDeleted: eligible.size });
    await oracle.expectGone({ before, gone: eligible });
    await oracle.expectNoOrphans();
    await oracle.expectInvariants();
  });

  test('two nodes collect one table through two machines at once, exactly', async () => {
    const { database, first, oracle, before, eligible } = await world(10_000, 2);
    const second = await open(database, 1);
    expect(second.facts.server, 'one cluster is one server').toBe(first.facts.server);
    // The first waits from its second batch on until the other one has had one, so that both certainly take part.
    let tellOther: () => void = () => undefined;
    const otherWorks = new Promise<void>((resolve) => {
      tellOther = resolve;
    });
    const [a, b] = [
      await workshop({
        ...first,
        policy,
        size: 100,
        workers: 2,
        after: (number) => (number >= 2 ? within('the other node to begin', 20_000, otherWorks) : undefined),
      }),
      await workshop({ ...second, policy, size: 100, workers: 2, after: () => tellOther() }),
    ];
    // Either of them may end it.
    const run = await Promise.any([a.collect(60_000), b.ended(60_000)]);
    expect(run).toMatchObject({ state: 'complete', errors: [], messagesDeleted: eligible.size });
    const shares = Object.values(run.nodes).map((node) => node.messagesDeleted);
    expect(shares.filter((share) => share > 0).length, 'nodes that did a part').toBe(2);
    await oracle.expectGone({ before, gone: eligible });
    await oracle.expectNoOrphans();
    await oracle.expectInvariants();
    console.log(
      `two machines at once: ${shares.join(' + ')} messages, given up and done again: ${JSON.stringify([...a.gaveUp, ...b.gaveUp])}`,
    );
  });

  test('a machine that lags makes the run stand still with that reason, and it ends exact', async () => {
    const { database, first, oracle, before, eligible } = await world(8_000, 1);
    const lagging = await mysql.createConnection(`${cluster.nodes[2]?.origin}/mysql`);
    onTestFinished(() => lagging.destroy());
    let unlocked: Promise<unknown> = Promise.resolve('not begun');
    const shop = await workshop({
      ...first,
      policy,
      size: 50,
      async after(batch) {
        if (batch !== 5) return;
        // It cannot apply what is written there; its queue grows until it asks the cluster to wait.
        await lagging.query(`FLUSH TABLES ${database}.messages WITH READ LOCK`);
        unlocked = until('the cluster to hold its writers back', 30_000, () => isPaused())
          .finally(() => lagging.query('UNLOCK TABLES'))
          .catch((cause: unknown) => cause);
      },
    });
    const runId = shop.collect(120_000);
    const reason = await until('the reason stopped by flow control', 60_000, async () => {
      const active = await first.store.ledger.active();
      const live = active === null ? null : shop.coreapp.progress(active.id);
      return live?.reason.code === 'stopped' ? live.reason : null;
    });
    // The profile is `full` here.
    expect(reason).toMatchObject({ signal: 'flow_control', limit: 0.2 });
    expect(reason.value).toBeGreaterThanOrEqual(0.2);
    expect(await unlocked).toBe(true);
    const run = await runId;
    expect(run).toMatchObject({ state: 'complete', errors: [], messagesDeleted: eligible.size });
    await oracle.expectGone({ before, gone: eligible });
    await oracle.expectInvariants();
  });

  /** Row locks are not cluster-wide: on the application's own machine we give way; on another one certification decides. */
  test.each([
    ['the machine that the application writes to', 0],
    ['another machine', 1],
  ])('collecting through %s: the errors that the application sees are counted', async (_words, place) => {
    const { database, oracle, before, eligible } = await world(6_000, 2);
    const ours = await open(database, place);
    const application = new MariadbApplication(`${cluster.nodes[0]?.origin}/${database}`);
    onTestFinished(() => application.close());
    const keys = [...before];
    const touched = new Set<string>();
    let over = false;
    const writing = application.run(
      3,
      () => !over,
      async (session) => {
        const mine = keys.filter((_key, at) => at % 3 === session.number);
        for (let count = 0; count < 3; count += 1) {
          const key = mine[Math.floor(session.random() * mine.length)] ?? '';
          touched.add(key);
          await session.write('UPDATE messages SET updated_at = now(6) WHERE id = ?', [key]);
        }
      },
    );
    // Looked at when the run is over; until then its failure is nobody's.
    writing.catch(() => undefined);
    const shop = await workshop({ ...ours, policy, size: 100 });
    const run = await shop.collect(120_000);
    over = true;
    await writing;
    expect(run).toMatchObject({ state: 'complete', errors: [], messagesDeleted: eligible.size });
    await oracle.expectGone({ before, gone: eligible });
    await oracle.expectNoOrphans();
    await oracle.expectInvariants();
    const errors = application.count(1213) + application.count(1205);
    console.log(
      `collecting through ${_words}: ${application.committed} transactions of the application, ${errors} of them ended by us ` +
        `(${JSON.stringify([...application.errors])}), ${shop.gaveUp.length} batches of ours gave way`,
    );
    expect(application.committed).toBeGreaterThan(0);
    if (place === 0) expect(Object.fromEntries(application.errors)).toEqual({});
    else expect([...application.errors.keys()].every((code) => code === 1213)).toBe(true);
  });
});

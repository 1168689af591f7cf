import { expect, onTestFinished, test } from 'vitest';
import { type Mapping, ownMapping } from '../../src/core/mapping.js';
import type { EngineFacts, Store } from '../../src/core/ports.js';
import type { RunView } from '../../src/core/run-view.js';
import { silentLog } from '../../src/kit/log.js';
import { openStore } from '../../src/storage/open-store.js';
import { mariadbWorld } from '../conformance/mariadb-world.js';
import type { World } from '../conformance/world.js';
import { describeMariaDb } from '../engines.js';
import { createMariadbDatabase, type MariadbClient, mariadbClient } from '../harness/mariadb-database.js';
import { slowRoute } from '../harness/slow-route.js';
import { onMariadb } from '../harness/mysql-family.js';
import { workshop } from './collect.js';

type GuardWorld = World & {
  readonly facts: EngineFacts;
  readonly client: MariadbClient;
  readonly url: string;
  /** The same store on sessions of its own: privileges are read when a session begins. */
  reopened(): Store;
  /** Another store over the same database, by another way. */
  openAt(url: string): Store;
};

/** A database of its own for each test, on a real server, with our tables in it. */
async function guardWorld(asUser?: (database: string) => Promise<string>): Promise<GuardWorld> {
  const database = await createMariadbDatabase();
  onTestFinished(() => database.drop());
  const client = await mariadbClient(database.url);
  onTestFinished(() => client.end());
  const open = (url: string): Store => {
    const store = openStore({ database: { engine: 'mysql', url }, workers: 2, log: silentLog });
    onTestFinished(() => store.close());
    return store;
  };
  let { url: openUrl } = database;
  let store = open(openUrl);
  let facts = await store.prepare({ migrate: true });
  if (asUser !== undefined) {
    const url = new URL(database.url);
    const [user = '', password = ''] = (await asUser(database.name)).split(':');
    url.username = user;
    url.password = password;
    openUrl = url.href;
    store = open(openUrl);
    facts = await store.prepare({ migrate: false });
  }
  return {
    ...(await mariadbWorld(store, client)),
    facts,
    client,
    url: openUrl,
    reopened: () => open(openUrl),
    openAt: open,
  };
}

const count = async ({ client }: GuardWorld, sql: string): Promise<number> =>
  Number(((await client.query(sql)).rows as { n: number }[])[0]?.n);

/** 60 messages with a receipt each, every third still young. */
function fill(world: GuardWorld): Promise<readonly string[]> {
  return world.insertMessages(
    Array.from({ length: 60 }, (_, i) => ({ processedAgoSeconds: i % 3 === 2 ? 60 : 7_200, receipts: 1 })),
  );
}

function collect(
  world: GuardWorld,
  mapping: Mapping = ownMapping,
  options: Partial<Parameters<typeof workshop>[0]> = {},
): Promise<RunView> {
  const policy = { mapping, retentionSeconds: 3_600 };
  return workshop({ store: world.store, facts: world.facts, policy, size: 10, ...options }).then((shop) =>
    shop.collect(),
  );
}

describeMariaDb('messages first on MariaDB', () => {
  test('every foreign key is known: the checks are left out, and no receipt is left behind', async () => {
    const world = await guardWorld();
    await fill(world);
    const run = await collect(world);
    expect(run).toMatchObject({
      state: 'complete',
      messagesDeleted: 40,
      dependentsDeleted: { message_receipts: 40 },
    });
    expect(run.plan?.foreignKeys).toBe('messages_first');
    expect(await world.orphanReceipts()).toBe(0);
  });

  test('a foreign key of a table that the mapping does not name keeps the checks on', async () => {
    const world = await guardWorld();
    await world.client.query(
      'CREATE TABLE `no-tes` (message_id bigint NOT NULL, FOREIGN KEY `k-1` (message_id) REFERENCES messages (id) ON DELETE CASCADE)',
    );
    await fill(world);
    await world.client.query('INSERT INTO `no-tes` SELECT id FROM messages');
    const run = await collect(world);
    expect(run.plan?.foreignKeys).toBe('checked');
    expect(run.plan?.why).toMatch(/foreign key .* of .*no-tes is not named/);
    expect(run).toMatchObject({ state: 'complete', messagesDeleted: 40 });
    // The server's own cascade took them along: nothing refers to a message that is gone.
    expect(await count(world, 'SELECT count(*) AS n FROM `no-tes`')).toBe(20);
  });

  test('a foreign key into the receipts keeps the checks on', async () => {
    const world = await guardWorld();
    await world.client.query(
      'CREATE TABLE scans (receipt bigint NOT NULL, FOREIGN KEY (receipt) REFERENCES message_receipts (id) ON DELETE CASCADE)',
    );
    await fill(world);
    const run = await collect(world);
    expect(run.plan?.foreignKeys).toBe('checked');
    expect(run).toMatchObject({ state: 'complete', messagesDeleted: 40 });
  });

  test('a trigger for deleted rows keeps the checks on, and fires', async () => {
    const world = await guardWorld();
    await world.client.query('CREATE TABLE burials (id bigint)');
    await world.client.query(
      'CREATE TRIGGER bury AFTER DELETE ON message_receipts FOR EACH ROW INSERT INTO burials VALUES (OLD.id)',
    );
    await fill(world);
    const run = await collect(world);
    expect(run.plan).toMatchObject({ foreignKeys: 'checked' });
    expect(run.plan?.why).toMatch('there is trigger bury on message_receipts');
    expect(run).toMatchObject({ state: 'complete', messagesDeleted: 40 });
    expect(await count(world, 'SELECT count(*) AS n FROM burials')).toBe(40);
  });

  test('a foreign key that is added in mid-run is noticed by the next batch, which rolls back', async () => {
    const world = await guardWorld();
    await fill(world);
    await world.client.query('CREATE TABLE notes (message_id bigint NOT NULL)');
    await world.client.query('INSERT INTO notes SELECT id FROM messages');
    const gaveUp: string[] = [];
    const policy = { mapping: ownMapping, retentionSeconds: 3_600 };
    const shop = await workshop({
      store: world.store,
      facts: world.facts,
      policy,
      size: 10,
      async after(number) {
        if (number !== 2) return;
        await world.client.query('DELETE FROM notes WHERE message_id NOT IN (SELECT id FROM messages)');
        await world.client.query(
          'ALTER TABLE notes ADD FOREIGN KEY (message_id) REFERENCES messages (id) ON DELETE CASCADE',
        );
      },
    });
    const run = await shop.collect();
    gaveUp.push(...shop.gaveUp);
    expect(gaveUp).toContain('plan_changed');
    expect(run).toMatchObject({ state: 'complete', messagesDeleted: 40 });
    expect(run.plan?.foreignKeys).toBe('checked');
    expect(
      await count(
        world,
        'SELECT count(*) AS n FROM notes n WHERE NOT EXISTS (SELECT 1 FROM messages m WHERE m.id = n.message_id)',
      ),
    ).toBe(0);
  });

  test('a user without PROCESS does not see every foreign key, so the checks stay on', async () => {
    let admin: MariadbClient | null = null;
    const world = await guardWorld(async (database) => {
      const base = new URL(process.env['TEST_MARIADB_URL'] ?? '');
      admin = await mariadbClient(base.href);
      const user = `mgc_${database.slice(-10)}`;
      await admin.query(`CREATE USER \`${user}\`@'%' IDENTIFIED BY 'Pass-word-1'`);
      const it = admin;
      onTestFinished(async () => {
        await it.query(`DROP USER \`${user}\`@'%'`);
        await it.end();
      });
      await admin.query(`GRANT SELECT, INSERT, UPDATE, DELETE ON \`${database}\`.* TO \`${user}\`@'%'`);
      return `${user}:Pass-word-1`;
    });
    await fill(world);
    const findings = await world.store.doctor.findings({ mapping: ownMapping, retentionSeconds: 0 });
    const unchecked = findings.find(({ check }) => check === 'privilege_unchecked');
    expect(unchecked?.level).toBe('warning');
    expect(unchecked?.todo).toMatch(/^GRANT PROCESS ON \*\.\* TO 'mgc_\w+'@'%'; GRANT TRIGGER ON `/);
    expect(findings.filter(({ level }) => level === 'error')).toEqual([]);
    const run = await collect(world);
    expect(run.plan?.foreignKeys).toBe('checked');
    expect(run.plan?.why).toMatch('without the privilege PROCESS');
    expect(run).toMatchObject({ state: 'complete', messagesDeleted: 40 });
    expect(await world.orphanReceipts()).toBe(0);
    // What the doctor printed, run as it stands, changes the next plan.
    await (admin as MariadbClient | null)?.query(unchecked?.todo ?? '');
    await fill(world);
    const again = await collect({ ...world, store: world.reopened() });
    expect(again.plan?.foreignKeys).toBe('messages_first');
  });

  test('DELETE that was not granted fails the run with those words and the true count', async () => {
    let admin: MariadbClient | null = null;
    const world = await guardWorld(async (database) => {
      admin = await mariadbClient(new URL(process.env['TEST_MARIADB_URL'] ?? '').href);
      const it = admin;
      const user = `mgc_${database.slice(-10)}`;
      await admin.query(`CREATE USER \`${user}\`@'%' IDENTIFIED BY 'Pass-word-1'`);
      onTestFinished(async () => {
        await it.query(`DROP USER \`${user}\`@'%'`);
        await it.end();
      });
      const tables = (
        await admin.query(`SELECT TABLE_NAME AS t FROM information_schema.TABLES WHERE TABLE_SCHEMA = ?`, [
          database,
        ])
      ).rows as { t: string }[];
      for (const { t } of tables) {
        const rights = t.startsWith('message_gc_') ? 'SELECT, INSERT, UPDATE, DELETE' : 'SELECT, UPDATE';
        await admin.query(`GRANT ${rights} ON \`${database}\`.\`${t}\` TO \`${user}\`@'%'`);
      }
      return `${user}:Pass-word-1`;
    });
    await fill(world);
    const refused = (await world.store.doctor.findings({ mapping: ownMapping, retentionSeconds: 0 })).filter(
      ({ level }) => level === 'error',
    );
    expect(refused.map(({ check }) => check)).toEqual(['privilege_messages', 'privilege_dependents']);
    expect(refused[0]?.todo).toMatch(/^GRANT DELETE ON `mgc_my_\w+`\.`messages` TO 'mgc_/);
    const run = await collect(world);
    expect(run).toMatchObject({ state: 'failed', messagesDeleted: 0 });
    expect(run.errors[0]?.details).toMatch(/^Could not delete a range of messages: DELETE command denied/);
  });
});

describeMariaDb('tables of somebody else on MariaDB', () => {
  const chat = (change: Partial<Mapping>): Mapping => ({
    store: 'chat',
    table: { schema: null, name: 'Chat-Msg' },
    key: ['room', 'id'],
    age: { column: 'done', unit: 'datetime', zone: 'UTC' },
    holds: [],
    holdList: null,
    walk: null,
    processed: `m.\`key\` <> 'm.kept' AND NOT EXISTS (SELECT 1 FROM pins p WHERE p.id = m.id)`,
    dependents: [],
    foreignKeys: 'messages_first',
    ...change,
  });

  async function chatWorld(ddl: readonly string[]): Promise<GuardWorld> {
    const world = await guardWorld();
    for (const statement of ddl) await world.client.query(statement);
    return world;
  }

  const digits = `(${Array.from({ length: 10 }, (_, d) => `SELECT ${d} AS d`).join(' UNION ALL ')})`;
  const oldRows = (values: string): string =>
    `SELECT ${values}, UTC_TIMESTAMP() - INTERVAL 1 DAY FROM (SELECT CAST(a.d * 100 + b.d * 10 + c.d AS SIGNED) AS n FROM ${digits} a, ${digits} b, ${digits} c WHERE a.d < 3) s`;

  test('a composite key of text and unsigned 64 bit, a subquery as hold, and references that are cleared', async () => {
    const world = await chatWorld([
      'CREATE TABLE pins (id bigint unsigned PRIMARY KEY)',
      `CREATE TABLE \`Chat-Msg\` (room varchar(20) NOT NULL, id bigint unsigned NOT NULL, \`key\` varchar(10) NOT NULL,
         done datetime(6), PRIMARY KEY (room, id), KEY (done))`,
      `INSERT INTO \`Chat-Msg\` ${oldRows(`CONCAT('r''\\\\', n % 7), 18446744073709551615 - n, IF(n % 10 = 0, 'm.kept', 'x')`)}`,
      'INSERT INTO pins SELECT id FROM `Chat-Msg` WHERE id % 10 = 5',
      `CREATE TABLE quotes (id int AUTO_INCREMENT PRIMARY KEY, room varchar(20), msg bigint unsigned,
         FOREIGN KEY (room, msg) REFERENCES \`Chat-Msg\` (room, id))`,
      'INSERT INTO quotes (room, msg) SELECT room, id FROM `Chat-Msg`',
    ]);
    const mapping = chat({
      dependents: [
        {
          table: { schema: null, name: 'quotes' },
          match: [
            { column: 'room', message: 'room' },
            { column: 'msg', message: 'id' },
          ],
          action: 'set_null',
        },
      ],
    });
    const held = `SELECT count(*) AS n FROM \`Chat-Msg\` WHERE \`key\` = 'm.kept' OR id IN (SELECT id FROM pins)`;
    const before = await count(world, 'SELECT count(*) AS n FROM `Chat-Msg`');
    const kept = await count(world, held);
    expect(kept).toBeLessThan(before);
    const run = await collect(world, mapping);
    expect(run.errors).toEqual([]);
    expect(run.plan?.foreignKeys).toBe('messages_first');
    expect(run).toMatchObject({
      state: 'complete',
      messagesDeleted: before - kept,
      dependentsDeleted: { quotes: before - kept },
    });
    expect(await count(world, 'SELECT count(*) AS n FROM `Chat-Msg`')).toBe(kept);
    expect(await count(world, 'SELECT count(*) AS n FROM quotes WHERE msg IS NOT NULL')).toBe(kept);
  });

  const uuids: readonly (readonly [string, string])[] = [
    [
      'uuid',
      'INSERT(INSERT(INSERT(INSERT(INSERT(INSERT(LEFT(SHA2(n, 256), 32), 13, 1, "4"), 17, 1, "8"), 21, 0, "-"), 17, 0, "-"), 13, 0, "-"), 9, 0, "-")',
    ],
  ];
  test.each<readonly [string, string]>([
    ...(onMariadb ? uuids : []),
    ['binary(16)', 'UNHEX(LEFT(SHA2(n, 256), 32))'],
    ['varchar(40) COLLATE utf8mb4_bin', `CONCAT('k', LEFT(SHA2(n, 256), 32), 'ß')`],
    ['decimal(20,3)', 'n + 0.125'],
    ['datetime(6)', 'TIMESTAMP("2024-01-01 00:00:00.000001") + INTERVAL n MICROSECOND'],
    ['int unsigned', '4294966000 + n * 3'],
    ['bigint', '-9223372036854775000 + n * 2'],
  ])('a key of type %s is walked to its end', async (type, value) => {
    const world = await chatWorld([
      `CREATE TABLE \`Chat-Msg\` (id ${type} NOT NULL PRIMARY KEY, done datetime(6), KEY (done))`,
      `INSERT INTO \`Chat-Msg\` ${oldRows(value)}`,
    ]);
    const before = await count(world, 'SELECT count(*) AS n FROM `Chat-Msg`');
    const run = await collect(world, chat({ key: ['id'], processed: 'true' }));
    expect(run).toMatchObject({ state: 'complete', messagesDeleted: before, errors: [] });
    expect(await count(world, 'SELECT count(*) AS n FROM `Chat-Msg`')).toBe(0);
  });

  test.each(onMariadb ? ['MyISAM', 'Aria'] : ['MyISAM'])(
    'a table of the engine %s is refused with the reason',
    async (engine) => {
      const world = await chatWorld([
        `CREATE TABLE \`Chat-Msg\` (id bigint NOT NULL PRIMARY KEY, done datetime(6), KEY (done)) ENGINE=${engine}`,
        `INSERT INTO \`Chat-Msg\` ${oldRows('n')}`,
      ]);
      const run = await collect(world, chat({ key: ['id'], processed: 'true' }));
      expect(run).toMatchObject({ state: 'failed', messagesDeleted: 0 });
      expect(run.errors[0]?.details).toMatch(`the engine ${engine}, which has no transactions`);
      expect(await count(world, 'SELECT count(*) AS n FROM `Chat-Msg`')).toBe(300);
    },
  );

  test.each([
    ['float', 'is of type float'],
    ["enum('b','a')", 'is of type enum'],
  ])('a key of type %s is refused', async (type, words) => {
    const world = await chatWorld([
      `CREATE TABLE \`Chat-Msg\` (id ${type} NOT NULL PRIMARY KEY, done datetime(6), KEY (done))`,
      `INSERT INTO \`Chat-Msg\` VALUES (1, UTC_TIMESTAMP() - INTERVAL 1 DAY)`,
    ]);
    const run = await collect(world, chat({ key: ['id'], processed: 'true' }));
    expect(run.errors[0]?.details).toMatch(words);
  });

  test('dependents that cannot be found by an index are refused, with what is missing', async () => {
    const world = await chatWorld([
      'CREATE TABLE `Chat-Msg` (id bigint NOT NULL PRIMARY KEY, done datetime(6), KEY (done))',
      `INSERT INTO \`Chat-Msg\` ${oldRows('n')}`,
      'CREATE TABLE media (msg bigint)',
    ]);
    const mapping = chat({
      key: ['id'],
      processed: 'true',
      dependents: [
        {
          table: { schema: null, name: 'media' },
          match: [{ column: 'msg', message: 'id' }],
          action: 'delete',
        },
      ],
    });
    const run = await collect(world, mapping);
    expect(run).toMatchObject({ state: 'failed', messagesDeleted: 0 });
    expect(run.errors[0]?.details).toMatch('There is no index over (msg) of media');
  });
});

describeMariaDb('a distant MariaDB server', () => {
  test('does not count its way as work, which would make its batches smaller and its way longer', async () => {
    const world = await guardWorld();
    await fill(world);
    const route = await slowRoute(world.url, 50);
    onTestFinished(() => route.close());
    const store = world.openAt(route.url);
    const facts = await store.prepare({ migrate: false });
    const policy = { mapping: ownMapping, retentionSeconds: 3_600 };
    const shop = await workshop({ store, facts, policy, size: 60 });
    expect(await shop.collect()).toMatchObject({ state: 'complete', messagesDeleted: 40 });
    const [batch] = shop.answers;
    if (batch?.kind !== 'swept') throw new Error(`The first batch ended as ${JSON.stringify(batch)}`);
    // The deletion, the receipts, the guard and the span's row: four ways at least.
    expect(batch.lockedMs).toBeGreaterThan(200);
    expect(batch.workMs).toBeLessThan(batch.lockedMs / 4);
  });
});

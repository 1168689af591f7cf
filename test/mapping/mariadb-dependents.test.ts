import { expect, test } from 'vitest';
import type { Dependent, Mapping } from '../../src/core/mapping.js';
import { describeMariaDb } from '../engines.js';
import { type MappedWorld, mapped, mappedWorld, numbers, old, young } from './mariadb-world.js';

const youngOnly = 'at > UNIX_TIMESTAMP() - 3600';
/** 300 messages, every third young. */
const messages = [
  'CREATE TABLE `Message` (id bigint NOT NULL PRIMARY KEY, at bigint, note varchar(20), KEY (at))',
  `INSERT INTO \`Message\` SELECT n, IF(n % 3 = 0, ${young}, ${old}), 'x' FROM ${numbers}`,
];
const receipts = (constraint: string): readonly string[] => [
  `CREATE TABLE receipts (id bigint AUTO_INCREMENT PRIMARY KEY, message bigint, KEY (message)${constraint})`,
  'INSERT INTO receipts (message) SELECT id FROM `Message` UNION ALL SELECT id FROM `Message`',
];
const onMessages = (rule: string): string => `, FOREIGN KEY (message) REFERENCES \`Message\` (id) ${rule}`;
const by = (action: Dependent['action'], change: Partial<Dependent> = {}): Dependent => ({
  table: { schema: null, name: 'receipts' },
  match: [{ column: 'message', message: 'id' }],
  action,
  ...change,
});
/** References to messages that are gone. */
const dangling = (world: MappedWorld): Promise<ReadonlySet<string>> =>
  world.keys('SELECT id FROM receipts WHERE message NOT IN (SELECT id FROM `Message`)');

describeMariaDb('what goes with a message on MariaDB', () => {
  for (const foreignKeys of ['messages_first', 'checked'] as const) {
    test(`delete, set_null and what is left to a foreign key, in one mapping (${foreignKeys})`, async () => {
      const world = await mappedWorld([
        ...messages,
        ...receipts(onMessages('')),
        'CREATE TABLE quotes (id bigint PRIMARY KEY, msg bigint, FOREIGN KEY (msg) REFERENCES `Message` (id))',
        'INSERT INTO quotes SELECT id, id FROM `Message`',
        'CREATE TABLE tags (id bigint PRIMARY KEY, msg bigint, FOREIGN KEY (msg) REFERENCES `Message` (id) ON DELETE CASCADE)',
        'INSERT INTO tags SELECT id, id FROM `Message`',
        'CREATE TABLE ledger (id bigint PRIMARY KEY, msg bigint)',
        'INSERT INTO ledger SELECT id, id FROM `Message`',
      ]);
      const of = (name: string, action: Dependent['action']): Dependent => ({
        table: { schema: null, name },
        match: [{ column: 'msg', message: 'id' }],
        action,
      });
      const run = await world.expectCollected(
        mapped({
          foreignKeys,
          dependents: [
            by('delete'),
            of('quotes', 'set_null'),
            of('tags', 'leave_to_fk'),
            of('ledger', 'keep'),
          ],
        }),
        'id',
        youngOnly,
      );
      expect(run.dependentsDeleted).toEqual({ receipts: 400, quotes: 200 });
      expect(run.plan?.foreignKeys).toBe('checked');
      const staying = await world.keys('SELECT id FROM `Message`');
      expect(await world.keys('SELECT message FROM receipts')).toEqual(staying);
      expect(await world.keys('SELECT msg FROM quotes WHERE msg IS NOT NULL')).toEqual(staying);
      expect(await world.count('SELECT count(*) FROM quotes')).toBe(300);
      expect(await world.keys('SELECT id FROM tags')).toEqual(staying);
      expect(await world.count('SELECT count(*) FROM ledger WHERE msg IS NOT NULL')).toBe(300);
    });

    test(`two levels go from below, also past rows that others hold locked (${foreignKeys})`, async () => {
      const world = await mappedWorld([
        ...messages,
        ...receipts(onMessages('')),
        'CREATE TABLE scans (id bigint AUTO_INCREMENT PRIMARY KEY, receipt bigint NOT NULL, FOREIGN KEY (receipt) REFERENCES receipts (id))',
        'INSERT INTO scans (receipt) SELECT id FROM receipts',
        'CREATE TABLE marks (id bigint AUTO_INCREMENT PRIMARY KEY, receipt bigint, FOREIGN KEY (receipt) REFERENCES receipts (id))',
        'INSERT INTO marks (receipt) SELECT id FROM receipts',
      ]);
      const of = (name: string, action: Dependent['action']): Dependent => ({
        table: { schema: null, name },
        match: [{ column: 'receipt', message: 'id' }],
        action,
      });
      const mapping = mapped({
        foreignKeys,
        dependents: [by('delete', { dependents: [of('scans', 'delete'), of('marks', 'set_null')] })],
      });
      // A scan of message 4 is being changed while the run begins, until a batch has met it.
      await world.client.query('START TRANSACTION');
      await world.client.query(
        'UPDATE scans SET receipt = receipt WHERE receipt IN (SELECT id FROM receipts WHERE message = 4)',
      );
      const shop = await world.workshop(mapping, {
        async after(number) {
          if (number === 12) await world.client.query('COMMIT');
        },
      });
      const run = await shop.collect();
      expect(shop.gaveUp).toContain('locked');
      expect(run).toMatchObject({ state: 'complete', messagesDeleted: 200, errors: [] });
      expect(run.plan?.foreignKeys).toBe(foreignKeys);
      expect(run.dependentsDeleted).toEqual({ receipts: 400, scans: 400, marks: 400 });
      expect(await world.keys('SELECT id FROM `Message`')).toEqual(
        await world.keys(`SELECT n FROM ${numbers} WHERE n % 3 = 0`),
      );
      expect(await dangling(world)).toEqual(new Set());
      expect(await world.keys('SELECT receipt FROM scans')).toEqual(
        await world.keys('SELECT id FROM receipts'),
      );
      expect(await world.count('SELECT count(*) FROM marks')).toBe(600);
      expect(await world.keys('SELECT receipt FROM marks WHERE receipt IS NOT NULL')).toEqual(
        await world.keys('SELECT id FROM receipts'),
      );
    });

    test(`dependents that are the evidence for their message go with it (${foreignKeys})`, async () => {
      const world = await mappedWorld([...messages, ...receipts(onMessages('ON DELETE CASCADE'))]);
      await world.client.query('DELETE FROM receipts WHERE message % 5 = 0');
      const run = await world.expectCollected(
        mapped({
          foreignKeys,
          processed: 'EXISTS (SELECT 1 FROM receipts u WHERE u.message = m.id)',
          dependents: [by('delete')],
        }),
        'id',
        `${youngOnly} OR id % 5 = 0`,
      );
      expect(run.plan?.foreignKeys).toBe(foreignKeys);
      expect(run.dependentsDeleted).toEqual({ receipts: run.messagesDeleted * 2 });
    });
  }

  test('evidence that another session changes makes nothing wait and is collected afterwards', async () => {
    const world = await mappedWorld([...messages, ...receipts(onMessages('ON DELETE CASCADE'))]);
    await world.client.query('START TRANSACTION');
    await world.client.query('UPDATE receipts SET message = message WHERE message IN (4, 5)');
    const shop = await world.workshop(
      mapped({
        processed: 'EXISTS (SELECT 1 FROM receipts u WHERE u.message = m.id)',
        dependents: [by('delete')],
      }),
      {
        async after(number) {
          if (number === 12) await world.client.query('COMMIT');
        },
      },
    );
    const run = await shop.collect();
    expect(shop.gaveUp).toContain('locked');
    expect(run).toMatchObject({ state: 'complete', messagesDeleted: 200, errors: [] });
    expect(await dangling(world)).toEqual(new Set());
  });

  test('rows left to their foreign key that another session holds park their message', async () => {
    const world = await mappedWorld([...messages, ...receipts(onMessages('ON DELETE CASCADE'))]);
    await world.client.query('START TRANSACTION');
    await world.client.query('UPDATE receipts SET message = message WHERE message = 4');
    const shop = await world.workshop(mapped({ dependents: [by('leave_to_fk')] }), {
      async after(number) {
        if (number === 12) await world.client.query('COMMIT');
      },
    });
    const run = await shop.collect();
    expect(shop.gaveUp).toContain('locked');
    expect(run).toMatchObject({ state: 'complete', messagesDeleted: 200, dependentsDeleted: {}, errors: [] });
    expect(await world.keys('SELECT message FROM receipts')).toEqual(
      await world.keys('SELECT id FROM `Message`'),
    );
  });

  test('a reference of several columns is cleared where it may be NULL', async () => {
    const world = await mappedWorld([
      'CREATE TABLE `Message` (tenant int NOT NULL, id bigint NOT NULL, at bigint, PRIMARY KEY (tenant, id))',
      `INSERT INTO \`Message\` SELECT n % 4, n, IF(n % 3 = 0, ${young}, ${old}) FROM ${numbers}`,
      `CREATE TABLE receipts (id bigint AUTO_INCREMENT PRIMARY KEY, tenant int NOT NULL, message bigint,
         FOREIGN KEY (tenant, message) REFERENCES \`Message\` (tenant, id))`,
      'INSERT INTO receipts (tenant, message) SELECT tenant, id FROM `Message`',
    ]);
    const match = [
      { column: 'message', message: 'id' },
      { column: 'tenant', message: 'tenant' },
    ];
    const run = await world.expectCollected(
      mapped({ key: ['tenant', 'id'], dependents: [by('set_null', { match })] }),
      'id',
      youngOnly,
    );
    expect(run.plan?.foreignKeys).toBe('messages_first');
    expect(run.dependentsDeleted).toEqual({ receipts: 200 });
    expect(await world.keys('SELECT message FROM receipts WHERE message IS NOT NULL')).toEqual(
      await world.keys('SELECT id FROM `Message`'),
    );
    expect(await world.keys('SELECT DISTINCT tenant FROM receipts')).toEqual(new Set(['0', '1', '2', '3']));
  });

  test('a foreign key into a table with a dash in its name is seen, though the mapping does not name it', async () => {
    const world = await mappedWorld([
      'CREATE TABLE `Chat-Msg 1` (id bigint NOT NULL PRIMARY KEY, at bigint, KEY (at))',
      `INSERT INTO \`Chat-Msg 1\` SELECT n, IF(n % 3 = 0, ${young}, ${old}) FROM ${numbers}`,
      'CREATE TABLE receipts (id bigint AUTO_INCREMENT PRIMARY KEY, message bigint, FOREIGN KEY (message) REFERENCES `Chat-Msg 1` (id))',
      'INSERT INTO receipts (message) SELECT id FROM `Chat-Msg 1`',
      'CREATE TABLE `no-tes` (id bigint PRIMARY KEY, msg bigint, FOREIGN KEY (msg) REFERENCES `Chat-Msg 1` (id) ON DELETE SET NULL)',
      'INSERT INTO `no-tes` SELECT id, id FROM `Chat-Msg 1`',
    ]);
    const table = { schema: null, name: 'Chat-Msg 1' };
    const run = await world.expectCollected(mapped({ table, dependents: [by('delete')] }), 'id', youngOnly);
    expect(run.plan?.foreignKeys).toBe('checked');
    expect(run.plan?.why).toContain('no-tes is not named by the mapping');
    expect(
      await world.keys('SELECT id FROM `no-tes` WHERE msg NOT IN (SELECT id FROM `Chat-Msg 1`)'),
    ).toEqual(new Set());
    expect(await world.count('SELECT count(*) FROM `no-tes` WHERE msg IS NULL')).toBe(200);
  });

  test('names with letters beyond ASCII are found by the catalogue, and the checks stay on', async () => {
    const world = await mappedWorld([
      ...messages,
      'CREATE TABLE `Nötizen 1` (id int PRIMARY KEY, message bigint, FOREIGN KEY (message) REFERENCES `Message` (id))',
      'INSERT INTO `Nötizen 1` SELECT id, id FROM `Message`',
    ]);
    const run = await world.expectCollected(
      mapped({ dependents: [by('delete', { table: { schema: null, name: 'Nötizen 1' } })] }),
      'id',
      youngOnly,
    );
    expect(run.plan?.foreignKeys).toBe('checked');
    expect(run.dependentsDeleted).toEqual({ 'Nötizen 1': 200 });
  });

  test('receipts by convention, in another collation, go with their own message only', async () => {
    const world = await mappedWorld([
      'CREATE TABLE `Message` (id varchar(20) COLLATE utf8mb4_bin NOT NULL PRIMARY KEY, at bigint)',
      `INSERT INTO \`Message\` VALUES ('abc', ${old}), ('ABC', ${young}), ('ß', ${old}), ('ss', ${young})`,
      'CREATE TABLE receipts (id int PRIMARY KEY, message varchar(20) COLLATE utf8mb4_unicode_ci, KEY (message))',
      `INSERT INTO receipts VALUES (1, 'abc'), (2, 'ABC'), (3, 'Abc'), (4, 'ß'), (5, 'ss')`,
    ]);
    // Held by another session: the same comparison as a join.
    await world.client.query('START TRANSACTION');
    await world.client.query('UPDATE receipts SET id = id WHERE id = 1');
    const shop = await world.workshop(mapped({ dependents: [by('delete')] }), {
      async after(number) {
        if (number === 2) await world.client.query('COMMIT');
      },
    });
    const run = await shop.collect();
    expect(shop.gaveUp).toContain('locked');
    expect(run).toMatchObject({ state: 'complete', messagesDeleted: 2, dependentsDeleted: { receipts: 2 } });
    expect(await world.keys('SELECT id FROM receipts')).toEqual(new Set(['2', '3', '5']));
  });

  test('receipts that name a whole number as text go with exactly that message', async () => {
    const world = await mappedWorld([
      ...messages,
      'CREATE TABLE receipts (id int PRIMARY KEY, message varchar(20), KEY (message))',
      `INSERT INTO receipts SELECT n, n FROM ${numbers}`,
      `INSERT INTO receipts VALUES (1001, '1x'), (1002, '01'), (1003, '1.0'), (1004, ''), (1005, 'x')`,
    ]);
    await world.client.query('START TRANSACTION');
    await world.client.query('UPDATE receipts SET id = id WHERE id = 1');
    const shop = await world.workshop(mapped({ dependents: [by('delete')] }), {
      async after(number) {
        if (number === 12) await world.client.query('COMMIT');
      },
    });
    const run = await shop.collect();
    expect(shop.gaveUp).toContain('locked');
    expect(run).toMatchObject({
      state: 'complete',
      messagesDeleted: 200,
      dependentsDeleted: { receipts: 200 },
    });
    expect(await world.keys('SELECT id FROM receipts WHERE id > 1000')).toEqual(
      new Set(['1001', '1002', '1003', '1004', '1005']),
    );
  });

  test.each<[string, string, Partial<Mapping>, string]>([
    [
      'whole numbers that refer to texts',
      'message int, KEY (message)',
      { key: ['code'] },
      'message of receipts is int and code of Message is varchar',
    ],
    [
      'a reference that may not be NULL',
      'message bigint NOT NULL, KEY (message)',
      {},
      'No column of (message) of receipts may be NULL',
    ],
  ])('%s: refused', async (_what, columns, change, words) => {
    const world = await mappedWorld([
      'CREATE TABLE `Message` (id bigint PRIMARY KEY, code varchar(10) NOT NULL UNIQUE, at bigint)',
      `CREATE TABLE receipts (id int PRIMARY KEY, ${columns})`,
    ]);
    const match = [{ column: 'message', message: change.key?.[0] ?? 'id' }];
    await expect(world.plan(mapped({ ...change, dependents: [by('set_null', { match })] }))).rejects.toThrow(
      words,
    );
  });
});

import { expect, test } from 'vitest';
import { describeMariaDb } from '../engines.js';
import { mapped, mappedWorld, old } from './mariadb-world.js';

const hold = (kind: 'key' | 'contact', ...values: readonly string[]): string =>
  `INSERT INTO message_gc_hold VALUES ${values.map((value) => `('${kind}', '${value}', 'test', UTC_TIMESTAMP(6))`).join(', ')}`;
const receipts = [
  'CREATE TABLE receipts (id int AUTO_INCREMENT PRIMARY KEY, message varchar(20) COLLATE utf8mb4_unicode_ci, FOREIGN KEY (message) REFERENCES `Message` (id))',
  'INSERT INTO receipts (message) SELECT id FROM `Message`',
];

describeMariaDb('the hold list on MariaDB', () => {
  for (const foreignKeys of ['messages_first', 'checked'] as const) {
    test(`keeps what it names by key or contact, byte by byte, with its dependents (${foreignKeys})`, async () => {
      const world = await mappedWorld([
        `CREATE TABLE \`Message\` (id varchar(20) COLLATE utf8mb4_unicode_ci NOT NULL PRIMARY KEY, at bigint, jid varchar(30))`,
        `INSERT INTO \`Message\` VALUES ('a1', ${old}, '49@x'), ('B2', ${old}, '49@X'), ('c3', ${old}, NULL), ('d4', ${old}, '50'), ('ä5', ${old}, '51')`,
        ...receipts,
      ]);
      // 'b2' and '49@X ' name nothing: the first is written otherwise.
      await world.client.query(hold('key', 'ä5', 'b2', '49@x'));
      await world.client.query(hold('contact', '49@X', 'd4'));
      const mapping = mapped({
        foreignKeys,
        holdList: { contact: 'jid' },
        dependents: [
          {
            table: { schema: null, name: 'receipts' },
            match: [{ column: 'message', message: 'id' }],
            action: 'delete',
          },
        ],
      });
      await world.expectCollected(mapping, 'id', `id IN ('B2', 'ä5')`);
      expect(await world.keys('SELECT message FROM receipts')).toEqual(new Set(['B2', 'ä5']));
      await world.client.query('DELETE FROM message_gc_hold');
      expect(await world.collect(mapping)).toMatchObject({ state: 'complete', messagesDeleted: 2 });
    });
  }

  test('names a composite key by its columns with U+001F between, and whole numbers as they are written', async () => {
    const world = await mappedWorld([
      'CREATE TABLE `Message` (room varchar(10) NOT NULL, id bigint unsigned NOT NULL, at bigint, contact bigint, PRIMARY KEY (room, id))',
      `INSERT INTO \`Message\` VALUES ('r', 18446744073709551615, ${old}, 1), ('r', 2, ${old}, 2), ('s', 18446744073709551615, ${old}, 3), ('s', 4, ${old}, 44)`,
    ]);
    await world.client.query(hold('key', 'r\u001f18446744073709551615', 's'));
    await world.client.query(hold('contact', '44', '3x'));
    await world.expectCollected(
      mapped({ key: ['room', 'id'], holdList: { contact: 'contact' } }),
      `CONCAT(room, id)`,
      `id = 4 OR (room = 'r' AND id > 4)`,
    );
  });

  test('is read by every batch: a hold that is written in mid-run keeps what is left', async () => {
    const world = await mappedWorld([
      'CREATE TABLE `Message` (id int NOT NULL PRIMARY KEY, at bigint, contact int)',
      `INSERT INTO \`Message\` SELECT seq, ${old}, seq % 10 FROM seq_1_to_300`,
    ]);
    const gone = new Set<string>();
    const shop = await world.workshop(mapped({ holdList: { contact: 'contact' }, walk: 'key' }), {
      async after(number) {
        if (number !== 5) return;
        await world.client.query(hold('contact', '7'));
        for (const key of await world.keys(
          'SELECT seq FROM seq_1_to_300 WHERE seq NOT IN (SELECT id FROM `Message`)',
        ))
          gone.add(key);
      },
    });
    const run = await shop.collect();
    expect(gone.size).toBeGreaterThan(0);
    const held = Array.from({ length: 30 }, (_, at) => String(at * 10 + 7)).filter((key) => !gone.has(key));
    expect(held.length).toBeGreaterThan(10);
    expect(await world.keys('SELECT id FROM `Message`')).toEqual(new Set(held));
    expect(run).toMatchObject({ state: 'complete', messagesDeleted: 300 - held.length });
  });

  test('past locked rows too: what is held and locked is neither taken nor waited for', async () => {
    const world = await mappedWorld([
      'CREATE TABLE `Message` (id int NOT NULL PRIMARY KEY, at bigint)',
      `INSERT INTO \`Message\` SELECT seq, ${old} FROM seq_1_to_100`,
    ]);
    await world.client.query(hold('key', '5', '50'));
    await world.client.query('START TRANSACTION');
    await world.client.query('UPDATE `Message` SET at = at WHERE id IN (5, 6)');
    const shop = await world.workshop(mapped(), {
      async after(number) {
        if (number === 8) await world.client.query('COMMIT');
      },
    });
    const run = await shop.collect();
    expect(shop.gaveUp).toContain('locked');
    expect(run).toMatchObject({ state: 'complete', messagesDeleted: 98, errors: [] });
    expect(await world.keys('SELECT id FROM `Message`')).toEqual(new Set(['5', '50']));
  });

  test('knows a key as the database writes it, whether a message has it, and what can be no key', async () => {
    const world = await mappedWorld([
      'CREATE TABLE `Message` (id bigint unsigned NOT NULL PRIMARY KEY, at bigint)',
      `INSERT INTO \`Message\` VALUES (18446744073709551615, ${old})`,
      `CREATE TABLE pairs (a varchar(9) COLLATE utf8mb4_unicode_ci, b binary(2), at bigint, PRIMARY KEY (a, b))`,
      `INSERT INTO pairs VALUES ('B7', x'0aff', ${old})`,
    ]);
    const { holds } = world.store;
    const pairs = mapped({ table: { schema: null, name: 'pairs' }, key: ['a', 'b'] });
    expect(await holds.keyOf(mapped(), ['018446744073709551615'])).toEqual({
      kind: 'key',
      value: '18446744073709551615',
      isThere: true,
    });
    expect(await holds.keyOf(mapped(), ['7'])).toEqual({ kind: 'key', value: '7', isThere: false });
    // Found without regard to case, and held as the row has it: the list compares byte by byte.
    expect(await holds.keyOf(pairs, ['b7', '0aff'])).toEqual({
      kind: 'key',
      value: 'B7\u001f0AFF',
      isThere: true,
    });
    for (const value of ['abc', '', '1.5'])
      expect(await holds.keyOf(mapped(), [value]), value).toMatchObject({ kind: 'unfit' });
    expect(await holds.keyOf(pairs, ['b7', 'xyz'])).toMatchObject({ kind: 'unfit' });
    // And it is so held: the only message of each stays.
    for (const [mapping, values] of [
      [mapped(), ['18446744073709551615']],
      [pairs, ['b7', '0aff']],
    ] as const) {
      const key = await holds.keyOf(mapping, values);
      if (key.kind === 'key') await holds.add({ kind: 'key', value: key.value }, 'test');
      expect(await world.collect(mapping)).toMatchObject({ state: 'complete', messagesDeleted: 0 });
    }
  });
});

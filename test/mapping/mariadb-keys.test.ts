import { expect, test } from 'vitest';
import { describeMariaDb } from '../engines.js';
import { mapped, mappedWorld, numbers, old, young } from './mariadb-world.js';
import { onMariadb } from '../harness/mysql-family.js';

/** Every third message is young. */
const at = `IF(n % 3 = 0, ${young}, ${old})`;

describeMariaDb('keys of any table on MariaDB', () => {
  const uuids: readonly (readonly [string, string])[] = [
    [
      'uuid',
      `INSERT(INSERT(INSERT(INSERT(LEFT(SHA2(n, 256), 32), 21, 0, '-'), 17, 0, '-'), 13, 0, '-'), 9, 0, '-')`,
    ],
  ];
  test.each<readonly [string, string]>([
    ['int', 'n - 150'],
    ['bigint', '-9223372036854775808 + n * 2'],
    ['bigint unsigned', '18446744073709551615 - n * 3'],
    ['tinyint unsigned', 'n % 255 '],
    ['varchar(40) COLLATE utf8mb4_unicode_ci', `CONCAT('Kéy ß', CHAR(65 + n % 26), n)`],
    ['varchar(40) COLLATE utf8mb4_bin', `CONCAT(IF(n % 2, 'a', 'A'), n DIV 2, '😀''\\\\')`],
    ['varchar(40) CHARACTER SET latin1 COLLATE latin1_german1_ci', `CONCAT('ä', n)`],
    ['char(26) CHARACTER SET ascii COLLATE ascii_bin', 'LEFT(LEFT(SHA2(n, 256), 32), 26)'],
    ...(onMariadb ? uuids : []),
    ['binary(16)', 'UNHEX(LEFT(SHA2(n, 256), 32))'],
    ['varbinary(20)', `CONCAT(CHAR(n % 256), x'00', n)`],
    ['decimal(30,4)', 'n + 0.0625'],
  ])('a key of type %s is walked from its least value to its greatest', async (type, value) => {
    const world = await mappedWorld([
      `CREATE TABLE \`Message\` (id ${type} NOT NULL PRIMARY KEY, at bigint)`,
      `INSERT IGNORE INTO \`Message\` SELECT ${value}, ${at} FROM ${numbers}`,
    ]);
    await world.expectCollected(mapped(), 'HEX(id)', `at > UNIX_TIMESTAMP() - 3600`);
  });

  test('the least and the greatest value of a signed key are collected', async () => {
    const world = await mappedWorld([
      'CREATE TABLE `Message` (id bigint NOT NULL PRIMARY KEY, at bigint)',
      `INSERT INTO \`Message\` VALUES (-9223372036854775808, ${old}), (0, ${young}), (9223372036854775807, ${old})`,
    ]);
    await world.expectCollected(mapped(), 'id', 'id = 0');
  });

  test('a composite key, mixed case and reserved words need nothing but their names', async () => {
    const world = await mappedWorld([
      `CREATE TABLE \`Message\` (\`key\` varchar(10) COLLATE utf8mb4_unicode_ci NOT NULL, \`Order\` bigint unsigned NOT NULL,
         \`timestamp\` bigint, \`user\` int, UNIQUE KEY \`by\` (\`key\`, \`Order\`))`,
      `INSERT INTO \`Message\` SELECT CONCAT('K', n % 7), 18446744073709551615 - n, ${at}, n % 5 FROM ${numbers}`,
      'CREATE TABLE `Select` (`group` varchar(10) COLLATE utf8mb4_unicode_ci, `Index` bigint unsigned, KEY (`Index`, `group`))',
      'INSERT INTO `Select` SELECT `key`, `Order` FROM `Message`',
    ]);
    const mapping = mapped({
      key: ['key', 'Order'],
      age: { column: 'timestamp', unit: 'epoch_s', zone: null },
      processed: 'm.`user` <> 4',
      dependents: [
        {
          table: { schema: null, name: 'Select' },
          match: [
            { column: 'group', message: 'key' },
            { column: 'Index', message: 'Order' },
          ],
          action: 'delete',
        },
      ],
    });
    const run = await world.expectCollected(
      mapping,
      '`Order`',
      '`timestamp` > UNIX_TIMESTAMP() - 3600 OR `user` = 4',
    );
    expect(run.dependentsDeleted).toEqual({ Select: run.messagesDeleted });
    expect(await world.keys('SELECT `Index` FROM `Select`')).toEqual(
      await world.keys('SELECT `Order` FROM `Message`'),
    );
  });

  test('a table in another database of the server', async () => {
    const other = await mappedWorld([
      'CREATE TABLE `Message` (id int NOT NULL PRIMARY KEY, at bigint)',
      `INSERT INTO \`Message\` SELECT n, ${at} FROM ${numbers}`,
    ]);
    const world = await mappedWorld([]);
    const schema = new URL(other.url).pathname.slice(1);
    await world.expectCollected(
      mapped({ table: { schema, name: 'Message' } }),
      'id',
      `at > UNIX_TIMESTAMP() - 3600`,
    );
  });

  test("somebody else's messages table is neither refused nor joined by one of ours", async () => {
    const world = await mappedWorld([
      'CREATE TABLE messages (id int NOT NULL PRIMARY KEY, at bigint)',
      `INSERT INTO messages SELECT n, ${at} FROM ${numbers}`,
    ]);
    const tables = await world.keys(
      `SELECT TABLE_NAME FROM information_schema.TABLES WHERE TABLE_SCHEMA = DATABASE() AND TABLE_NAME NOT LIKE 'message\\_gc\\_%'`,
    );
    expect(tables).toEqual(new Set(['messages']));
    expect(
      await world.count(
        `SELECT count(*) FROM information_schema.TABLES WHERE TABLE_SCHEMA = DATABASE() AND TABLE_NAME = 'message_gc_ledger'`,
      ),
    ).toBe(1);
    await world.expectCollected(
      mapped({ table: { schema: null, name: 'messages' } }),
      'id',
      'at > UNIX_TIMESTAMP() - 3600',
    );
    // Without the word that the table is not ours it is refused as before.
    await expect(world.store.prepare({ migrate: true })).rejects.toThrow('message-gc did not make');
  });
});

import { expect, onTestFinished, test } from 'vitest';
import type { Dependent } from '../../src/core/mapping.js';
import { capabilitiesOf } from '../../src/storage/mysql/capabilities.js';
import { rowsWithKeys } from '../../src/storage/mysql/key-rows.js';
import { Keys } from '../../src/storage/mysql/keys.js';
import { describeMariaDb } from '../engines.js';
import { mariadbClient } from '../harness/mariadb-database.js';
import { onMariadb } from '../harness/mysql-family.js';
import { type MappedWorld, mapped, mappedWorld, old, young } from './mariadb-world.js';

const messages = 12_000;

/** Two receipts each of 12,000 messages, every third young; the statistics speak of the first 20 of each table. */
const fixture = (fresh: boolean): readonly string[] => [
  'CREATE TABLE `Message` (id bigint NOT NULL PRIMARY KEY, at bigint) STATS_PERSISTENT=1 STATS_AUTO_RECALC=0',
  `CREATE TABLE receipts (id bigint AUTO_INCREMENT PRIMARY KEY, message bigint, part int NOT NULL DEFAULT 1,
     KEY by_message (message), KEY by_both (message, part),
     FOREIGN KEY (message) REFERENCES \`Message\` (id)) STATS_PERSISTENT=1 STATS_AUTO_RECALC=0`,
  ...[`seq_1_to_20`, `seq_21_to_${messages}`].flatMap((some, turn) => [
    `INSERT INTO \`Message\` SELECT seq, IF(seq % 3 = 0, ${young}, ${old}) FROM ${some}`,
    `INSERT INTO receipts (message) SELECT a.seq FROM ${some} a, seq_1_to_2 b`,
    ...(turn === 0 || fresh ? ['ANALYZE TABLE `Message`, receipts'] : []),
  ]),
  // Whoever opens them next reads the statistics that are stored.
  'FLUSH TABLES',
];

type Step = { readonly table: string | null; readonly type: string | null; readonly key: string | null };

async function stepOf(world: MappedWorld, sql: string, table: string): Promise<Step | undefined> {
  // A session of its own, like those of a run.
  const client = await mariadbClient(world.url);
  onTestFinished(() => client.end());
  const lists = onMariadb ? 'in_predicate_conversion_threshold = 0, ' : '';
  await client.query(`SET SESSION ${lists}optimizer_switch = 'index_merge=off'`);
  const { rows } = await client.query(`EXPLAIN ${sql}`);
  return (rows as Step[]).find((row) => row.table === table);
}

const some = (count: number): Keys =>
  new Keys(
    ['id', 'part'],
    Array.from({ length: count }, (_, n) => ({ c0: 2 + n * 3, c1: 1 })),
  );
const can = capabilitiesOf(onMariadb ? '10.11.2-MariaDB' : '8.0.36');
const byMessage = { mine: 'd.message', theirs: 'id', type: 'bigint' };
const byPart = { mine: 'd.part', theirs: 'part', type: 'int' };

describeMariaDb('statistics that are older than the rows, on MariaDB', () => {
  for (const foreignKeys of ['messages_first', 'checked'] as const) {
    for (const action of ['delete', 'set_null'] as const) {
      test(`two workers never refuse each other (${foreignKeys}, ${action})`, async () => {
        const world = await mappedWorld(fixture(false));
        const list = Array.from({ length: 400 }, (_, n) => 2 + n * 3).join();
        const plain = `DELETE d FROM receipts AS d FORCE INDEX (by_message) WHERE d.message IN (${list})`;
        // The whole of the table, or of an index: from 11 on the latter.
        expect((await stepOf(world, plain, 'd'))?.type, 'the trap').toMatch(/^(ALL|index)$/);
        const dependent: Dependent = {
          table: { schema: null, name: 'receipts' },
          match: [{ column: 'message', message: 'id' }],
          action,
        };
        const staying = await world.keys('SELECT id FROM `Message` WHERE id % 3 = 0');
        const receipts = await world.keys('SELECT id FROM receipts WHERE message % 3 = 0');
        const shop = await world.workshop(mapped({ foreignKeys, dependents: [dependent] }), {
          workers: 2,
          size: 400,
        });
        const run = await shop.collect();
        expect(run).toMatchObject({
          state: 'complete',
          errors: [],
          messagesDeleted: (messages / 3) * 2,
          dependentsDeleted: { receipts: (messages / 3) * 4 },
        });
        expect(run.plan?.foreignKeys).toBe(foreignKeys);
        expect(shop.answers.filter(({ kind }) => kind === 'swept').length).toBeGreaterThan(20);
        expect(shop.answers.filter(({ kind }) => kind !== 'swept')).toEqual([]);
        expect(await world.keys('SELECT id FROM `Message`')).toEqual(staying);
        expect(await world.keys('SELECT id FROM receipts WHERE message IS NOT NULL')).toEqual(receipts);
        expect(await world.count('SELECT count(*) FROM receipts')).toBe(
          action === 'delete' ? receipts.size : messages * 2,
        );
      }, 60_000);
    }
  }

  test.each([true, false])('each key is looked up by the index, statistics fresh: %s', async (fresh) => {
    const world = await mappedWorld(fixture(fresh));
    for (const [index, pairs] of [
      ['by_message', [byMessage]],
      ['by_both', [byMessage, byPart]],
    ] as const) {
      for (const count of [1, 2, 400, 3_000]) {
        const rows = rowsWithKeys({ can }, some(count), pairs, `receipts AS d FORCE INDEX (${index})`);
        for (const sql of [
          `DELETE d FROM ${rows?.from} WHERE ${rows?.where}`,
          `UPDATE ${rows?.from} SET d.message = NULL WHERE ${rows?.where}`,
          `SELECT d.id FROM ${rows?.from} WHERE ${rows?.where} FOR UPDATE NOWAIT`,
        ]) {
          expect(await stepOf(world, sql, 'd'), `${count} keys: ${sql.slice(0, 40)}`).toMatchObject({
            type: 'ref',
            key: index,
          });
        }
      }
    }
  });

  test('a number that the column cannot hold finds nothing, one of 64 bits what it names', async () => {
    const world = await mappedWorld([
      'CREATE TABLE numbers (id int PRIMARY KEY, t tinyint, i int, u bigint unsigned, KEY (t), KEY (i), KEY (u))',
      `INSERT INTO numbers VALUES (1, 127, 2147483647, 18446744073709551615), (2, -128, -2147483648, 9223372036854775807),
         (3, 5, 5, 5), (4, 0, 0, 0), (5, -1, -1, 9007199254740993)`,
    ]);
    const values = ['300', '-300', '4294967301', '18446744073709551615', '9007199254740993', '-1', '5'];
    for (const [column, type] of [
      ['t', 'tinyint'],
      ['i', 'int'],
      ['u', 'bigint'],
    ] as const) {
      for (const value of values) {
        const keys = new Keys(['id'], [{ c0: value }, { c0: '77' }, { c0: value }, { c0: null }]);
        const pair = { mine: `d.${column}`, theirs: 'id', type };
        const rows = rowsWithKeys({ can }, keys, [pair], `numbers AS d FORCE INDEX (${column})`);
        const found = await world.keys(`SELECT d.id FROM ${rows?.from} WHERE ${rows?.where}`);
        expect(found, `${column} = ${value}`).toEqual(
          await world.keys(`SELECT id FROM numbers WHERE CAST(${column} AS CHAR) = '${value}'`),
        );
      }
    }
  });
});

test('MySQL has row constructors since 8.0.19; before, and for texts, it is a list', () => {
  const written = (version: string, type: string) =>
    rowsWithKeys(
      { can: capabilitiesOf(version) },
      some(2),
      [{ ...byMessage, type }],
      'receipts AS d FORCE INDEX (x)',
    );
  expect(written('8.0.19', 'bigint')).toEqual({
    from: '(VALUES ROW(2),ROW(5)) AS message_gc_keys (message_gc_k0) STRAIGHT_JOIN receipts AS d FORCE INDEX (x) ON d.message = message_gc_keys.message_gc_k0',
    where: 'true',
  });
  expect(written('8.4.2', 'bigint')?.from).toContain('VALUES ROW(2)');
  expect(written('8.0.18', 'bigint')).toEqual({
    from: 'receipts AS d FORCE INDEX (x)',
    where: 'd.message IN (2,5)',
  });
  expect(written('10.11.2-MariaDB', 'varchar')?.where).toBe(`d.message IN ('2','5')`);
  expect(
    rowsWithKeys({ can }, new Keys(['id'], [{ c0: null }]), [byMessage], 'receipts AS d'),
    'a NULL refers to nothing',
  ).toBeNull();
});

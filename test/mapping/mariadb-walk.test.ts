import { expect, onTestFinished, test } from 'vitest';
import { describeMariaDb } from '../engines.js';
import { mariadbConnection } from '../harness/mariadb-database.js';
import { type MappedWorld, mapped, mappedWorld, old, young } from './mariadb-world.js';

/** 4,000 messages in random order of age; every `share`-th is old. */
const messages = (
  share: number,
  key = 'id bigint NOT NULL PRIMARY KEY',
  value = 'seq',
): readonly string[] => [
  `CREATE TABLE \`Message\` (${key}, at bigint, note int NOT NULL DEFAULT 0, KEY by_age (at))`,
  `INSERT INTO \`Message\` SELECT ${value}, IF(seq % ${share} = 0, ${old} - seq * 7 % 1009, ${young} + seq % 30), 0 FROM seq_1_to_4000`,
  'ANALYZE TABLE `Message`',
];

const explained = async (world: MappedWorld, sql: string): Promise<Record<string, unknown>> =>
  ((await world.client.query(`EXPLAIN ${sql}`)).rows as Record<string, unknown>[])[0] ?? {};

describeMariaDb('the order of a walk on MariaDB', () => {
  test('few old messages among many are walked along the index of their age', async () => {
    const world = await mappedWorld(messages(100));
    const run = await world.expectCollected(mapped(), 'id', 'at > UNIX_TIMESTAMP() - 3600');
    expect(run.plan?.walk).toBe('age');
    expect(run.plan?.why).toMatch(/^order of age by the index by_age: about \d+ of \d+ rows are old enough/);
  });

  test('many old messages are walked in the order in which they lie', async () => {
    const world = await mappedWorld(messages(2));
    const run = await world.expectCollected(mapped(), 'id', 'at > UNIX_TIMESTAMP() - 3600');
    expect(run.plan?.walk).toBe('key');
  });

  test('the first probe of a run finds the oldest message by the index', async () => {
    const world = await mappedWorld(messages(2));
    const seen = await explained(
      world,
      'SELECT 1 FROM `Message` AS m WHERE (m.at <= UNIX_TIMESTAMP() - 3600 AND m.at > 0 AND (true)) ORDER BY m.at LIMIT 1',
    );
    expect(seen).toMatchObject({ type: 'range', key: 'by_age' });
    expect(String(seen['Extra'])).not.toMatch(/filesort|temporary/);
  });

  test('the operator chooses the walk; what InnoDB has not is refused', async () => {
    const world = await mappedWorld([...messages(2), 'ALTER TABLE `Message` ADD KEY note (note)']);
    expect((await world.plan(mapped({ walk: 'age' }))).plan).toMatchObject({ walk: 'age' });
    expect((await world.plan(mapped({ walk: 'key' }))).plan.why).toMatch('and the mapping says so');
    await expect(world.plan(mapped({ walk: 'blocks' }))).rejects.toThrow('which only PostgreSQL knows');
    await world.client.query('ALTER TABLE `Message` DROP KEY by_age, ADD KEY other (at, note)');
    await expect(world.plan(mapped({ walk: 'age' }))).rejects.toThrow(
      'no index of Message has the order (at, id): CREATE INDEX `Message_at` ON `Message` (`at`, `id`)',
    );
    expect((await world.plan(mapped())).plan.walk).toBe('key');
  });

  test.each([
    ['varchar(40) COLLATE utf8mb4_unicode_ci', `CONCAT('k', LEFT(SHA2(seq, 256), 32))`],
    ['binary(16)', 'UNHEX(LEFT(SHA2(seq, 256), 32))'],
    ['bigint unsigned', '18446744073709551615 - seq'],
  ])(
    'by age with a key of type %s, with dependents, many of one age, and several workers',
    async (type, value) => {
      const world = await mappedWorld([
        ...messages(3, `id ${type} NOT NULL PRIMARY KEY`, value),
        'UPDATE `Message` SET at = at DIV 1000 * 1000',
        `CREATE TABLE receipts (id int AUTO_INCREMENT PRIMARY KEY, message ${type}, FOREIGN KEY (message) REFERENCES \`Message\` (id))`,
        'INSERT INTO receipts (message) SELECT id FROM `Message`',
      ]);
      const mapping = mapped({
        walk: 'age',
        dependents: [
          {
            table: { schema: null, name: 'receipts' },
            match: [{ column: 'message', message: 'id' }],
            action: 'delete',
          },
        ],
      });
      const run = await world.expectCollected(mapping, 'HEX(id)', 'at > UNIX_TIMESTAMP() - 3600', {
        size: 100,
        workers: 2,
      });
      expect(run.plan?.walk).toBe('age');
      expect(run.dependentsDeleted).toEqual({ receipts: run.messagesDeleted });
    },
  );

  test('a writer that inserts, updates and moves rows meanwhile: no row too many goes, no untouched one stays', async () => {
    const world = await mappedWorld(messages(2));
    const before = await world.keys('SELECT id FROM `Message`');
    const eligible = await world.keys('SELECT id FROM `Message` WHERE at <= UNIX_TIMESTAMP() - 3600');
    const writer = await mariadbConnection(world.url);
    onTestFinished(() => writer.end());
    const touched = new Set<string>();
    let isOver = false;
    let seed = 7;
    const random = (below: number): number => {
      seed = (seed * 1_103_515_245 + 12_345) % 2_147_483_648;
      return 1 + (seed % below);
    };
    const writing = (async () => {
      for (let n = 5_000; !isOver; n += 1) {
        const id = random(4_000);
        touched.add(String(id)).add(String(n));
        // Younger, older, changed in another column, and new.
        await writer.query(`UPDATE \`Message\` SET at = ${young} WHERE id = ?`, [id]);
        const other = random(4_000);
        touched.add(String(other));
        await writer.query(`UPDATE \`Message\` SET at = ${old} - ? WHERE id = ?`, [random(900), other]);
        await writer.query(`UPDATE \`Message\` SET note = note + 1 WHERE id = ?`, [random(4_000)]);
        await writer.query(`INSERT INTO \`Message\` (id, at) VALUES (?, ${young})`, [n]);
      }
    })();
    const run = await world.collect(mapped({ walk: 'age' }), { size: 20, workers: 2 }).finally(() => {
      isOver = true;
    });
    await writing;
    expect(run).toMatchObject({ state: 'complete', errors: [] });
    expect(touched.size, 'rows that the writer touched').toBeGreaterThan(50);
    const after = await world.keys('SELECT id FROM `Message`');
    const left = [...eligible].filter((key) => after.has(key) && !touched.has(key));
    expect(left, 'eligible, untouched and still there').toEqual([]);
    const lost = [...before].filter((key) => !after.has(key) && !eligible.has(key) && !touched.has(key));
    expect(lost, 'gone and never eligible').toEqual([]);
  });
});

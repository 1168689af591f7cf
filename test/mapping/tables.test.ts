import { expect, test } from 'vitest';
import { describePostgres } from '../engines.js';
import { lettersMapping, mappingWorld, minus, type MappingWorld } from './world.js';

describePostgres('a table of somebody else', () => {
  test('named messages, without any record of ours, is neither refused nor joined by tables of ours', async () => {
    const world = await mappingWorld(`CREATE TABLE messages (id bigint PRIMARY KEY, at timestamptz);
      INSERT INTO messages SELECT g, now() - g * interval '1 minute' FROM generate_series(1, 200) g`);
    const mapping = lettersMapping({ table: { schema: null, name: 'messages' } });
    const run = await (await world.shop(mapping)).collect();
    expect(run).toMatchObject({ state: 'complete', messagesDeleted: 141 });
    expect(await world.keys('pg_tables', 'tablename', `schemaname = 'public'`)).toEqual(
      new Set(['messages']),
    );
    expect(await world.ask(`SELECT FROM message_gc.setting WHERE name = 'own_tables'`)).toEqual([]);
  });

  /** Keys of 300 rows, every third old. */
  const keys: readonly (readonly [string, string, string, readonly string[]])[] = [
    ['smallint', 'id smallint PRIMARY KEY', 'g - 150', ['id']],
    ['integer', 'id integer PRIMARY KEY', 'g * 7', ['id']],
    ['bigint', 'id bigint PRIMARY KEY', '9007199254740993 + g', ['id']],
    ['uuid', 'id uuid PRIMARY KEY', 'md5(g::text)::uuid', ['id']],
    ['numeric', 'id numeric PRIMARY KEY', 'g / 7.0', ['id']],
    ['varchar', 'id varchar(40) PRIMARY KEY', `'k' || md5(g::text)`, ['id']],
    ['char', 'id char(12) PRIMARY KEY', `'x' || g`, ['id']],
    ['text in C', 'id text COLLATE "C" PRIMARY KEY', `chr(64 + g % 60) || g`, ['id']],
    ['text in a language', 'id text COLLATE "de-x-icu" PRIMARY KEY', `chr(64 + g % 60) || 'Ä' || g`, ['id']],
    ['text without case', 'id text COLLATE nocase PRIMARY KEY', `chr(65 + g % 58) || g`, ['id']],
    [
      'several columns, mixed case and reserved words',
      '"Order" integer NOT NULL, "user" text COLLATE nocase NOT NULL, PRIMARY KEY ("user", "Order")',
      `g % 17, 'U' || g`,
      ['user', 'Order'],
    ],
  ];

  test.each(keys)(
    'with a key of %s is collected exactly, also around a locked row',
    async (_name, column, value, key) => {
      const world = await mappingWorld(`
      CREATE COLLATION nocase (provider = icu, locale = 'und-u-ks-level2', deterministic = false);
      CREATE SCHEMA "My App"; CREATE TABLE "My App"."Group" (${column}, "At" timestamptz);
      INSERT INTO "My App"."Group" SELECT ${value}, now() - CASE WHEN g % 3 = 0 THEN interval '2 hours' ELSE interval '1 minute' END
        FROM generate_series(1, 300) g`);
      const table = '"My App"."Group"';
      const text = key.map((name) => `"${name}"::text`).join(` || '/' || `);
      const all = await world.keys(table, text);
      const old = await world.keys(table, text, `"At" < now() - interval '1 hour'`);
      expect(old.size).toBe(100);
      const application = await world.session();
      await application.query('BEGIN');
      await application.query(
        `SELECT FROM ${table} WHERE "At" < now() - interval '1 hour' LIMIT 2 FOR UPDATE`,
      );
      const mapping = lettersMapping({
        table: { schema: 'My App', name: 'Group' },
        key,
        age: { column: 'At', unit: 'timestamptz', zone: null },
      });
      const shop = await world.shop(mapping, {
        after: async (_number, answer) => {
          if (answer.kind === 'locked') await application.query('ROLLBACK');
        },
      });
      const run = await shop.collect();
      expect(shop.gaveUp).toContain('locked');
      expect(run).toMatchObject({ state: 'complete', messagesDeleted: 100 });
      expect(await world.keys(table, text)).toEqual(minus(all, old));
    },
  );

  /** Ages in every unit: two hours, a minute, none, zero, before everything, and a day to come. */
  const epochs = [
    ['epoch_s', 'integer', 1n],
    ['epoch_s', 'bigint', 1n],
    ['epoch_s', 'numeric', 1n],
    ['epoch_s', 'double precision', 1n],
    ['epoch_ms', 'bigint', 1_000n],
    ['epoch_ms', 'double precision', 1_000n],
    ['epoch_us', 'bigint', 1_000_000n],
    ['epoch_us', 'numeric(20,3)', 1_000_000n],
    ['epoch_ns', 'bigint', 1_000_000_000n],
    ['epoch_ns', 'numeric', 1_000_000_000n],
  ] as const;

  async function expectOnlyOld(world: MappingWorld, mapping: ReturnType<typeof lettersMapping>) {
    const all = await world.keys('letters');
    const plan = (await world.store.planner.plan({ mapping, retentionSeconds: 3_600 })).plan;
    expect(plan.walk).toBe(mapping.walk);
    const run = await (await world.shop(mapping)).collect();
    expect(run).toMatchObject({ state: 'complete', messagesDeleted: 100 });
    expect(await world.keys('letters')).toEqual(
      minus(all, new Set(Array.from({ length: 100 }, (_, index) => String(index + 1)))),
    );
  }

  /** Beside a range of keys the condition is written in other words than in the order of the age. */
  const walks = ['age', 'key'] as const;

  test.each(walks.flatMap((walk) => epochs.map(([unit, type, units]) => [walk, unit, type, units] as const)))(
    'walked by %s, with ages in %s in a column of type %s loses what is old, and nothing without an age',
    async (walk, unit, type, units) => {
      const isWhole = /int/.test(type);
      const age = (seconds: string): string =>
        `(extract(epoch FROM now())::numeric ${seconds}) * ${units}${isWhole ? '' : ' + 0.25'}`;
      const world = await mappingWorld(`CREATE TABLE letters (id integer PRIMARY KEY, at ${type});
      INSERT INTO letters SELECT g, ${age('- 7200 - g')} FROM generate_series(1, 100) g;
      INSERT INTO letters SELECT 200 + g, ${age('- 60')} FROM generate_series(1, 20) g;
      INSERT INTO letters SELECT 300 + g, ${age('+ 86400')} FROM generate_series(1, 20) g;
      INSERT INTO letters VALUES (400, NULL), (401, 0), (402, -5)
        ${isWhole ? '' : `, (403, 'NaN')${type.includes('(') ? '' : `, (404, '-Infinity'), (405, 'Infinity')`}`};
      CREATE INDEX ON letters (at)`);
      await expectOnlyOld(world, lettersMapping({ age: { column: 'at', unit, zone: null }, walk }));
    },
  );

  const clocks = [
    ['timestamptz', 'timestamptz', null, 'now()'],
    ['datetime', 'timestamp', 'UTC', `now() AT TIME ZONE 'UTC'`],
    ['datetime', 'timestamp', '+05:30', `now() AT TIME ZONE 'Asia/Kolkata'`],
    ['datetime', 'timestamp', '-08:00', `now() AT TIME ZONE 'UTC' - interval '8 hours'`],
    ['datetime', 'timestamp', 'Asia/Tokyo', `now() AT TIME ZONE 'Asia/Tokyo'`],
  ] as const;

  test.each(
    walks.flatMap((walk) => clocks.map(([unit, type, zone, now]) => [walk, unit, type, zone, now] as const)),
  )(
    'walked by %s, with ages in %s (%s, zone %s) loses what is old, and nothing without an age',
    async (walk, unit, type, zone, now) => {
      const world = await mappingWorld(`CREATE TABLE letters (id integer PRIMARY KEY, at ${type});
      INSERT INTO letters SELECT g, ${now} - interval '62 minutes' - g * interval '1 second' FROM generate_series(1, 100) g;
      INSERT INTO letters SELECT 200 + g, ${now} - interval '58 minutes' FROM generate_series(1, 20) g;
      INSERT INTO letters SELECT 300 + g, ${now} + interval '1 day' FROM generate_series(1, 20) g;
      INSERT INTO letters VALUES (400, NULL), (401, '-infinity'), (402, 'infinity');
      CREATE INDEX ON letters (at)`);
      await expectOnlyOld(world, lettersMapping({ age: { column: 'at', unit, zone }, walk }));
    },
  );

  test('with clock readings in a zone loses nothing of the hour that comes twice when the clock is set back', async () => {
    const { oldEnoughSql } = await import('../../src/storage/postgres/eligible.js');
    const { Parameters } = await import('../../src/storage/postgres/range.js');
    const world = await mappingWorld('CREATE TABLE letters (id integer PRIMARY KEY, at timestamp)');
    const mapping = lettersMapping({ age: { column: 'at', unit: 'datetime', zone: 'Europe/Berlin' } });
    const isOld = async (reading: string, horizon: string): Promise<boolean> => {
      const parameters = new Parameters();
      const condition = oldEnoughSql(mapping, horizon, parameters);
      const [row] = await world.ask<{ old: boolean }>(
        `SELECT ${condition} AS old FROM (SELECT '${reading}'::timestamp AS at) m`,
        parameters.values,
      );
      return row?.old === true;
    };
    // On 25 October 2026 at 01:00 UTC the clock goes back from 3 to 2. 00:45 UTC is the first 02:45.
    const first = '2026-10-25T00:45:00.000000Z';
    expect(await isOld('2026-10-25 02:30', first)).toBe(false);
    expect(await isOld('2026-10-25 01:30', first)).toBe(true);
    expect(await isOld('2026-10-25 02:30', '2026-10-25T01:45:00.000000Z')).toBe(true);
    expect(await isOld('2026-06-25 02:44', '2026-06-25T00:45:00.000000Z')).toBe(true);
    expect(await isOld('2026-06-25 02:46', '2026-06-25T00:45:00.000000Z')).toBe(false);
  });

  test.each(
    epochs
      .map(([unit, type]) => [unit, type] as const)
      .concat([['timestamptz' as never, 'timestamptz' as never]]),
  )('with ages in %s (%s) is asked for the oldest by an index on the age', async (unit, type) => {
    const { eligibleSql } = await import('../../src/storage/postgres/eligible.js');
    const { Parameters } = await import('../../src/storage/postgres/range.js');
    const world = await mappingWorld(`CREATE TABLE letters (id integer PRIMARY KEY, at ${type}, body text);
        INSERT INTO letters SELECT g, ${type === ('timestamptz' as string) ? `now() - g * interval '1 minute'` : 'g * 1000'}, repeat('x', 200) FROM generate_series(1, 20000) g;
        CREATE INDEX letters_at ON letters (at); ANALYZE letters`);
    const mapping = lettersMapping({ age: { column: 'at', unit: unit as 'epoch_s', zone: null } });
    const parameters = new Parameters();
    const where = eligibleSql({ mapping, retentionSeconds: 0 }, '1970-01-01T00:00:10.000000Z', parameters);
    const rows = await world.ask<{ 'QUERY PLAN': string }>(
      `EXPLAIN SELECT 1 FROM letters m WHERE ${where} ORDER BY m.at LIMIT 1`,
      parameters.values,
    );
    const text = rows.map((row) => row['QUERY PLAN']).join('\n');
    expect(text).toMatch(/letters_at/);
    expect(text).toMatch(/Index Cond: .*at <=/);
  });
});

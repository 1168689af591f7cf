import { expect, test } from 'vitest';
import type { Mapping } from '../../src/core/mapping.js';
import { describePostgres } from '../engines.js';
import { lettersMapping, mappingWorld, minus } from './world.js';

const table = `CREATE TABLE letters (id integer PRIMARY KEY, code text, at timestamptz, sent bigint);
  INSERT INTO letters SELECT g, 'c' || g, now() - interval '2 hours', 1 FROM generate_series(1, 100) g;`;
const reply = { table: { schema: null, name: 'letters' }, match: [{ column: 'reply_to', message: 'id' }] };
const stamps = { table: { schema: null, name: 'stamps' }, match: [{ column: 'letter', message: 'id' }] };

describePostgres('a run that could not be exact', () => {
  const refused: readonly (readonly [string, string, Partial<Mapping>, RegExp])[] = [
    [
      'a view',
      `CREATE VIEW v AS SELECT * FROM letters`,
      { table: { schema: null, name: 'v' } },
      /v is a view/,
    ],
    [
      'a materialized view',
      `CREATE MATERIALIZED VIEW v AS SELECT * FROM letters`,
      { table: { schema: null, name: 'v' } },
      /is a materialized view/,
    ],
    [
      'a table that is not there',
      '',
      { table: { schema: null, name: 'leters' } },
      /no table leters; did you mean "letters"/,
    ],
    [
      'a schema that is not there',
      '',
      { table: { schema: 'publik', name: 'letters' } },
      /no table publik\.letters; did you mean "public\.letters"/,
    ],
    ['a key that is not there', '', { key: ['idd'] }, /no column idd in letters; did you mean "id"/],
    [
      'an age that is not there',
      '',
      { age: { column: 'att', unit: 'timestamptz', zone: null } },
      /no column att .*"at"/,
    ],
    ['a key that may be NULL', 'CREATE UNIQUE INDEX ON letters (code)', { key: ['code'] }, /may be NULL/],
    [
      'a key that is not unique',
      'ALTER TABLE letters ALTER code SET NOT NULL',
      { key: ['code'] },
      /is not unique.*\(id\)/,
    ],
    [
      'a key that is unique in part',
      'ALTER TABLE letters ALTER code SET NOT NULL; CREATE UNIQUE INDEX ON letters (code) WHERE id > 5',
      { key: ['code'] },
      /is not unique/,
    ],
    [
      'a key whose uniqueness is deferred',
      'ALTER TABLE letters ALTER code SET NOT NULL; ALTER TABLE letters ADD UNIQUE (code) DEFERRABLE',
      { key: ['code'] },
      /is not unique/,
    ],
    [
      'a key in another order',
      'ALTER TABLE letters ALTER code SET NOT NULL; CREATE UNIQUE INDEX ON letters (code, id)',
      { key: ['id', 'code'] },
      /write it as \(code, id\)/,
    ],
    [
      'an age of another type',
      '',
      { age: { column: 'sent', unit: 'timestamptz', zone: null } },
      /is of type bigint, .*epoch_s/,
    ],
    [
      'an age that is no time',
      '',
      { age: { column: 'code', unit: 'datetime', zone: 'UTC' } },
      /is of type text/,
    ],
    [
      'a zone that nobody knows',
      'ALTER TABLE letters ALTER at TYPE timestamp',
      { age: { column: 'at', unit: 'datetime', zone: 'Mars/Olympus' } },
      /knows no time zone/,
    ],
    [
      'a walk by age without an index',
      '',
      { walk: 'age' },
      /CREATE INDEX CONCURRENTLY ON "letters" \("at"\)/,
    ],
    [
      'a reference to itself with CASCADE that nobody names',
      'ALTER TABLE letters ADD reply_to integer REFERENCES letters (id) ON DELETE CASCADE',
      {},
      /letters_reply_to_fkey .*however young.*action: set_null/,
    ],
    [
      'a reference to itself that would be deleted',
      'ALTER TABLE letters ADD reply_to integer REFERENCES letters (id) ON DELETE CASCADE',
      { dependents: [{ ...reply, action: 'delete' }] },
      /Say set_null/,
    ],
    [
      'a reference to itself with CASCADE that is left to it',
      'ALTER TABLE letters ADD reply_to integer REFERENCES letters (id) ON DELETE CASCADE',
      { dependents: [{ ...reply, action: 'leave_to_fk' }] },
      /say set_null instead of leave_to_fk/,
    ],
    [
      'a foreign key with NO ACTION that nobody names',
      'CREATE TABLE stamps (letter integer REFERENCES letters)',
      {},
      /stamps_letter_fkey of stamps .*NO ACTION.*match: \{ letter: id \}/,
    ],
    [
      'a foreign key with CASCADE that nobody names',
      'CREATE TABLE stamps (letter integer REFERENCES letters ON DELETE CASCADE)',
      {},
      /stamps_letter_fkey of stamps .*nobody counts/,
    ],
    [
      'dependents that cannot stay',
      'CREATE TABLE stamps (letter integer REFERENCES letters ON DELETE CASCADE)',
      { dependents: [{ ...stamps, action: 'keep' }] },
      /instead of keep/,
    ],
    [
      'dependents that are left to a foreign key which does nothing',
      'CREATE TABLE stamps (letter integer REFERENCES letters)',
      { dependents: [{ ...stamps, action: 'leave_to_fk' }] },
      /does nothing by itself/,
    ],
    [
      'dependents that are left to no foreign key',
      'CREATE TABLE stamps (letter integer)',
      { dependents: [{ ...stamps, action: 'leave_to_fk' }] },
      /there is none from letter to id/,
    ],
    ['a predicate of another type', '', { processed: 'm.code > 5' }, /operator does not exist/],
  ];

  test.each(refused)('is refused at once: %s', async (_what, more, change, words) => {
    const world = await mappingWorld(`${table} ${more}`);
    const run = await (await world.shop(lettersMapping(change))).collect();
    expect(run).toMatchObject({ state: 'failed', messagesDeleted: 0 });
    await expect(
      world.store.planner.plan({ mapping: lettersMapping(change), retentionSeconds: 3_600 }),
    ).rejects.toThrow(words);
    expect((await world.keys('letters')).size).toBe(100);
  });

  test.each([
    ['dropped', 'DROP TABLE letters'],
    ['altered', 'ALTER TABLE letters RENAME at TO made_at'],
    ['given another type', 'ALTER TABLE letters ALTER at TYPE bigint USING 5'],
    [
      'replaced by one whose dependents nobody counts',
      `ALTER TABLE letters RENAME TO old_letters; CREATE TABLE letters (id integer PRIMARY KEY, at timestamptz);
       INSERT INTO letters SELECT g, now() - interval '2 hours' FROM generate_series(1, 100) g;
       CREATE TABLE stamps (letter integer REFERENCES letters ON DELETE CASCADE); INSERT INTO stamps SELECT id FROM letters`,
    ],
    [
      'referred to by a new foreign key whose rows nobody counts',
      `CREATE TABLE stamps (letter integer REFERENCES letters ON DELETE CASCADE); INSERT INTO stamps SELECT id FROM letters`,
    ],
  ])('ends as failed with its true count when the table is %s in mid-run', async (what, change) => {
    const world = await mappingWorld(table);
    const shop = await world.shop(lettersMapping(), {
      after: async (number) => {
        if (number === 2) await world.ask(change);
      },
    });
    const run = await shop.collect(60_000);
    expect(run).toMatchObject({ state: 'failed', messagesDeleted: 50 });
    expect(run.errors).toHaveLength(1);
    if (what.startsWith('re')) {
      const stamped = await world.keys('stamps', 'letter');
      expect(stamped.size).toBe(what.startsWith('replaced') ? 100 : 50);
      expect(await world.keys('letters')).toEqual(stamped);
    } else if (what !== 'dropped') {
      const gone = new Set(Array.from({ length: 50 }, (_, index) => String(index + 1)));
      const all = new Set(Array.from({ length: 100 }, (_, index) => String(index + 1)));
      expect(await world.keys('letters')).toEqual(minus(all, gone));
    }
  });
});

import { expect, test } from 'vitest';
import type { Dependent } from '../../src/core/mapping.js';
import { describePostgres } from '../engines.js';
import { until } from '../harness/wait.js';
import { lettersMapping, mappingWorld, minus } from './world.js';

const named = (
  name: string,
  column: string,
  message: string,
  action: Dependent['action'],
  below?: Dependent[],
): Dependent => ({
  table: { schema: null, name },
  match: [{ column, message }],
  action,
  ...(below === undefined ? {} : { dependents: below }),
});

describePostgres('what goes with a message of somebody else', () => {
  /** 40 letters, odd ones old; two pages each, two stamps on each page, by the page's own number. */
  const tables = `CREATE TABLE letters (id integer PRIMARY KEY, at timestamptz, thread text);
    INSERT INTO letters SELECT g, now() - CASE WHEN g % 2 = 1 THEN interval '2 hours' ELSE interval '1 minute' END, 't' || g
      FROM generate_series(1, 40) g;
    CREATE TABLE pages (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, letter integer NOT NULL REFERENCES letters, no integer UNIQUE);
    INSERT INTO pages (letter, no) SELECT g, 2 * g + k FROM generate_series(1, 40) g, generate_series(0, 1) k;
    CREATE TABLE stamps (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, page integer REFERENCES pages (no));
    INSERT INTO stamps (page) SELECT no FROM pages, generate_series(1, 2)`;
  const old = 'SELECT id FROM letters WHERE id % 2 = 1';

  test.each([
    ['checked', 'delete'],
    ['messages_first', 'delete'],
    ['checked', 'set_null'],
    ['messages_first', 'set_null'],
  ] as const)('goes with what goes with it, two levels down (%s, %s)', async (foreignKeys, action) => {
    const world = await mappingWorld(tables);
    const pages = await world.keys('pages', 'id', `letter IN (${old})`);
    const stamps = await world.keys(
      'stamps',
      'id',
      `page IN (SELECT no FROM pages WHERE letter IN (${old}))`,
    );
    const [allPages, allStamps] = [await world.keys('pages'), await world.keys('stamps')];
    const dependents = [named('pages', 'letter', 'id', 'delete', [named('stamps', 'page', 'no', action)])];
    const run = await (await world.shop(lettersMapping({ dependents, foreignKeys }), { size: 9 })).collect();
    expect(run).toMatchObject({
      state: 'complete',
      plan: { foreignKeys },
      messagesDeleted: 20,
      dependentsDeleted: { pages: 40, stamps: 80 },
    });
    expect(await world.keys('pages')).toEqual(minus(allPages, pages));
    if (action === 'delete') expect(await world.keys('stamps')).toEqual(minus(allStamps, stamps));
    else {
      expect(await world.keys('stamps')).toEqual(allStamps);
      expect(await world.keys('stamps', 'id', 'page IS NULL')).toEqual(stamps);
    }
  });

  test.each(['checked', 'messages_first'] as const)(
    'is left whole when the application holds a row two levels down (%s)',
    async (foreignKeys) => {
      const world = await mappingWorld(tables);
      const application = await world.session();
      await application.query(`BEGIN; SELECT FROM stamps WHERE page = 15 LIMIT 1 FOR UPDATE`);
      const dependents = [
        named('pages', 'letter', 'id', 'delete', [named('stamps', 'page', 'no', 'delete')]),
      ];
      const shop = await world.shop(lettersMapping({ dependents, foreignKeys }));
      const { runId } = await shop.coreapp.startRun({ requestId: 'd'.repeat(32), by: 'admin' });
      await until(
        'the run to wait for the locked row',
        20_000,
        async () => (await world.store.ledger.run(runId))?.state === 'waiting',
      );
      expect(await world.keys('letters', 'id', 'id % 2 = 1')).toEqual(new Set(['7']));
      expect(await world.keys('pages', 'no', `letter IN (${old})`)).toEqual(new Set(['14', '15']));
      expect((await world.keys('stamps', 'id', 'page IN (14, 15)')).size).toBe(4);
      await application.query('ROLLBACK');
      expect(await shop.ended()).toMatchObject({
        state: 'complete',
        messagesDeleted: 20,
        dependentsDeleted: { pages: 40, stamps: 80 },
      });
    },
  );

  test.each(['pages', 'stamps'])(
    'that refers to a second level by a foreign key of its own keeps the checks on: a new one into %s in mid-run, too',
    async (into) => {
      const world = await mappingWorld(tables);
      const dependents = [
        named('pages', 'letter', 'id', 'delete', [named('stamps', 'page', 'no', 'delete')]),
      ];
      const mapping = lettersMapping({ dependents, foreignKeys: 'messages_first' });
      const seen: string[] = [];
      const shop = await world.shop(mapping, {
        size: 9,
        after: async (number) => {
          if (number === 1)
            await world.ask(`CREATE TABLE marks (at_row bigint REFERENCES ${into} (id) ON DELETE SET NULL);
              INSERT INTO marks SELECT id FROM ${into}`);
          seen.push((await world.store.ledger.runs(1))[0]?.plan?.foreignKeys ?? '');
        },
      });
      const run = await shop.collect();
      expect(run).toMatchObject({ state: 'complete', messagesDeleted: 20 });
      expect(seen[0]).toBe('messages_first');
      expect(run.plan?.foreignKeys).toBe('checked');
      expect(run.plan?.why).toContain('marks_at_row_fkey of marks is not named');
      expect(await world.keys('marks', 'at_row', `at_row NOT IN (SELECT id FROM ${into})`)).toEqual(
        new Set(),
      );
    },
  );

  test('is left to its foreign key where the mapping says so, and stays where nothing forbids it', async () => {
    const world = await mappingWorld(`CREATE TABLE letters (id integer PRIMARY KEY, at timestamptz);
      INSERT INTO letters SELECT g, now() - CASE WHEN g % 2 = 1 THEN interval '2 hours' ELSE interval '1 minute' END FROM generate_series(1, 40) g;
      CREATE TABLE tags (letter integer REFERENCES letters ON DELETE CASCADE); INSERT INTO tags SELECT id FROM letters;
      CREATE TABLE log (letter integer); INSERT INTO log SELECT id FROM letters`);
    const dependents = [named('tags', 'letter', 'id', 'leave_to_fk'), named('log', 'letter', 'id', 'keep')];
    const mapping = lettersMapping({ dependents, foreignKeys: 'messages_first' });
    const all = await world.keys('letters');
    const run = await (await world.shop(mapping)).collect();
    expect(run).toMatchObject({
      state: 'complete',
      messagesDeleted: 20,
      dependentsDeleted: {},
      plan: { foreignKeys: 'checked' },
    });
    expect(await world.keys('tags', 'letter')).toEqual(await world.keys('letters'));
    expect(await world.keys('log', 'letter')).toEqual(all);
  });

  test.each(['checked', 'messages_first'] as const)(
    'goes by a reference of several columns, in another order and of other types (%s)',
    async (foreignKeys) => {
      const world = await mappingWorld(
        `CREATE TABLE letters (tenant text COLLATE "C", id bigint, ref uuid, at timestamptz, PRIMARY KEY (tenant, id));
        INSERT INTO letters SELECT 'T' || t, g, md5(t || '-' || g)::uuid, now() - CASE WHEN g % 2 = 1 THEN interval '2 hours' ELSE interval '1 minute' END
          FROM generate_series(1, 20) g, generate_series(1, 3) t;
        CREATE TABLE pages (no integer, letter bigint, tenant text, FOREIGN KEY (letter, tenant) REFERENCES letters (id, tenant) MATCH SIMPLE);
        `.replace(
          'FOREIGN KEY (letter, tenant) REFERENCES letters (id, tenant) MATCH SIMPLE',
          'FOREIGN KEY (tenant, letter) REFERENCES letters (tenant, id)',
        ) +
          `INSERT INTO pages SELECT 1, id, tenant FROM letters;
        CREATE TABLE notes (about text); INSERT INTO notes SELECT ref FROM letters`,
      );
      const dependents: Dependent[] = [
        {
          table: { schema: null, name: 'pages' },
          match: [
            { column: 'letter', message: 'id' },
            { column: 'tenant', message: 'tenant' },
          ],
          action: 'delete',
        },
        named('notes', 'about', 'ref', 'delete'),
      ];
      const mapping = lettersMapping({ key: ['tenant', 'id'], dependents, foreignKeys });
      const run = await (await world.shop(mapping, { size: 11 })).collect();
      expect(run).toMatchObject({
        state: 'complete',
        messagesDeleted: 30,
        dependentsDeleted: { pages: 30, notes: 30 },
        plan: { foreignKeys },
      });
      const left = await world.keys('letters', `tenant || id`);
      expect(left.size).toBe(30);
      expect(await world.keys('pages', `tenant || letter`)).toEqual(left);
      expect(await world.keys('notes', 'about')).toEqual(await world.keys('letters', 'ref'));
    },
  );

  test.each(['checked', 'messages_first'] as const)(
    'may be the evidence that the message is done with: it goes in the same transaction (%s)',
    async (foreignKeys) => {
      const world = await mappingWorld(tables);
      await world.ask(`DELETE FROM stamps; DELETE FROM pages WHERE letter % 5 = 0`);
      const all = await world.keys('letters');
      const gone = await world.keys('letters', 'id', 'id % 2 = 1 AND id % 5 <> 0');
      const mapping = lettersMapping({
        processed: 'EXISTS (SELECT FROM pages p WHERE p.letter = m.id)',
        dependents: [named('pages', 'letter', 'id', 'delete', [named('stamps', 'page', 'no', 'delete')])],
        foreignKeys,
      });
      const run = await (await world.shop(mapping, { size: 9 })).collect();
      expect(run).toMatchObject({ state: 'complete', messagesDeleted: gone.size });
      expect(await world.keys('letters')).toEqual(minus(all, gone));
    },
  );
});

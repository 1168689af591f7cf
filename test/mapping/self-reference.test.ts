import type pg from 'pg';
import { expect, test } from 'vitest';
import { describePostgres } from '../engines.js';
import { until } from '../harness/wait.js';
import { lettersMapping, mappingWorld, minus, type MappingWorld } from './world.js';

/** A reply refers to a message of its own table with ON DELETE CASCADE: a young reply must not die with an old message. */
describePostgres('a reference of the messages to themselves', () => {
  /** 60 letters, odd ones old; each refers to the one two before and the one before it: old and young to old. */
  const tables = `CREATE TABLE letters (id integer PRIMARY KEY, at timestamptz,
      reply_to integer REFERENCES letters (id) ON DELETE CASCADE);
    CREATE INDEX ON letters (reply_to);
    INSERT INTO letters SELECT g, now() - CASE WHEN g % 2 = 1 THEN interval '2 hours' ELSE interval '1 minute' END,
      CASE WHEN g > 2 THEN g - 1 - g % 3 % 2 END FROM generate_series(1, 60) g`;
  const dependents = [
    {
      table: { schema: null, name: 'letters' },
      match: [{ column: 'reply_to', message: 'id' }],
      action: 'set_null' as const,
    },
  ];

  const state = async (world: MappingWorld) =>
    new Map(
      (
        await world.ask<{ id: number; reply: number | null }>('SELECT id, reply_to AS reply FROM letters')
      ).map(({ id, reply }) => [id, reply]),
    );

  test.each(['checked', 'messages_first'] as const)(
    'is cleared in the messages that stay, and only the old go (%s)',
    async (foreignKeys) => {
      const world = await mappingWorld(tables);
      const before = await state(world);
      const old = await world.keys('letters', 'id', `at < now() - interval '1 hour'`);
      const shop = await world.shop(lettersMapping({ dependents, foreignKeys }), { size: 7 });
      const run = await shop.collect();
      expect(run).toMatchObject({ state: 'complete', messagesDeleted: 30, plan: { foreignKeys } });
      const after = await state(world);
      expect(new Set([...after.keys()].map(String))).toEqual(
        minus(new Set([...before.keys()].map(String)), old),
      );
      for (const [id, reply] of after) {
        const was = before.get(id) ?? null;
        expect([id, reply]).toEqual([id, was !== null && old.has(String(was)) ? null : was]);
      }
      expect(run.dependentsDeleted['letters']).toBeGreaterThan(0);
    },
  );

  async function isWaiting(world: MappingWorld, session: pg.Client): Promise<boolean> {
    const [row] = await world.ask<{ waits: boolean }>(
      `SELECT wait_event_type = 'Lock' AS waits FROM pg_stat_activity WHERE pid = $1`,
      [(session as unknown as { readonly processID: number }).processID],
    );
    return row?.waits === true;
  }

  test.each([
    ['checked', false],
    ['messages_first', false],
    ['checked', true],
  ] as const)(
    'that is committed between the lock and the clearing waits and is refused by its own check (%s, skipping locked rows: %s)',
    async (foreignKeys, skipLocked) => {
      const world = await mappingWorld(tables);
      const proxy = await world.proxy();
      const { store, facts } = await world.openAgain(proxy.urlFor(world.url));
      const application = await world.session();
      const holder = await world.session();
      if (skipLocked) {
        await holder.query('BEGIN; SELECT FROM letters WHERE id = 59 FOR UPDATE');
      }
      const shop = await world.shop(lettersMapping({ dependents, foreignKeys }), {
        store,
        facts,
        size: 1_000,
      });
      let trap = proxy.arm({ when: 'statement', match: /UPDATE "letters" AS d/, action: 'hold' });
      await shop.coreapp.startRun({ requestId: 'e'.repeat(32), by: 'admin' });
      const ending = shop.ended();
      const outcomes: string[] = [];
      let waited = 0;
      // A machine that is too busy makes a batch give up after half a second: then it comes again.
      for (
        let id = 1_000;
        outcomes.filter((words) => words === '23503').length === 0 && id < 1_010;
        id += 1
      ) {
        const hit = await trap.waitForHit(10_000);
        let isOver = false;
        const inserting = application
          .query(`INSERT INTO letters VALUES (${id}, now(), 1)`)
          .then(
            () => outcomes.push('written'),
            (error: pg.DatabaseError) => outcomes.push(error.code ?? ''),
          )
          .finally(() => {
            isOver = true;
          });
        await until('the reply to wait or to be there', 5_000, async () => {
          if (await isWaiting(world, application)) {
            waited += 1;
            return true;
          }
          return isOver;
        });
        trap = proxy.arm({ when: 'statement', match: /UPDATE "letters" AS d/, action: 'hold' });
        hit.release();
        await inserting;
      }
      trap.disarm?.();
      await holder.query('ROLLBACK').catch(() => undefined);
      const run = await ending;
      expect(waited).toBeGreaterThan(0);
      expect(outcomes).toContain('23503');
      expect(run.state).toBe('complete');
      expect(run.messagesDeleted).toBe(30);
      const written = outcomes.filter((words) => words === 'written').length;
      expect((await world.keys('letters', 'id', 'id >= 1000')).size).toBe(written);
      expect((await world.keys('letters', 'id', 'id < 1000')).size).toBe(30);
    },
  );

  test('left to a foreign key that clears it by itself is obeyed, uncounted', async () => {
    const world = await mappingWorld(tables.replace('ON DELETE CASCADE', 'ON DELETE SET NULL'));
    const run = await (
      await world.shop(
        lettersMapping({ dependents: dependents.map((one) => ({ ...one, action: 'leave_to_fk' as const })) }),
      )
    ).collect();
    expect(run).toMatchObject({ state: 'complete', messagesDeleted: 30, dependentsDeleted: {} });
    expect((await world.keys('letters')).size).toBe(30);
  });

  test('of several columns is cleared in those that can be', async () => {
    const world =
      await mappingWorld(`CREATE TABLE letters (tenant integer NOT NULL, id integer NOT NULL, at timestamptz,
        reply_to integer, PRIMARY KEY (tenant, id), FOREIGN KEY (tenant, reply_to) REFERENCES letters (tenant, id) ON DELETE CASCADE);
      INSERT INTO letters SELECT t, g, now() - CASE WHEN g % 2 = 1 THEN interval '2 hours' ELSE interval '1 minute' END,
        CASE WHEN g % 2 = 0 THEN g - 1 END FROM generate_series(1, 30) g, generate_series(1, 2) t`);
    const run = await (
      await world.shop(
        lettersMapping({
          key: ['tenant', 'id'],
          dependents: [
            {
              table: { schema: null, name: 'letters' },
              match: [
                { column: 'tenant', message: 'tenant' },
                { column: 'reply_to', message: 'id' },
              ],
              action: 'set_null',
            },
          ],
        }),
        { size: 7 },
      )
    ).collect();
    expect(run).toMatchObject({
      state: 'complete',
      messagesDeleted: 30,
      dependentsDeleted: { letters: 30 },
    });
    expect(await world.keys('letters', `tenant || '/' || id || '/' || coalesce(reply_to, 0)`)).toEqual(
      new Set([1, 2].flatMap((t) => Array.from({ length: 15 }, (_, i) => `${t}/${2 * i + 2}/0`))),
    );
  });
});

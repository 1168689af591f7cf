import { expect, test } from 'vitest';
import { describePostgres } from '../engines.js';
import { lettersMapping, mappingWorld, minus } from './world.js';

describePostgres('the walk in the order of the age', () => {
  /** 12,000 letters on 3,000 pages, random keys; `few` of them old, all with the same few ages. */
  const tables = (
    few: number,
  ) => `CREATE TABLE letters (id uuid PRIMARY KEY, at timestamptz, body text, seen integer DEFAULT 0);
    ALTER TABLE letters ALTER body SET STORAGE PLAIN;
    INSERT INTO letters SELECT md5(g::text)::uuid, now() - CASE WHEN g <= ${few} THEN interval '2 hours' + g % 5 * interval '1 second' ELSE interval '1 minute' END, repeat('x', 1800)
      FROM generate_series(1, 12000) g ORDER BY md5('o' || g);
    CREATE INDEX ON letters (at); ANALYZE letters`;

  test('is chosen where few messages are old and an index begins with the age; the mapping may say otherwise', async () => {
    const world = await mappingWorld(tables(300));
    const planOf = async (walk: 'key' | 'age' | 'blocks' | null) =>
      (await world.store.planner.plan({ mapping: lettersMapping({ walk }), retentionSeconds: 3_600 })).plan;
    const chosen = await planOf(null);
    expect(chosen).toMatchObject({ walk: 'age', look: false });
    expect(chosen.why).toMatch(/about \d+ of 12000 messages are old enough/);
    for (const walk of ['key', 'age', 'blocks'] as const) {
      expect(await planOf(walk)).toMatchObject({
        walk,
        why: expect.stringContaining('the mapping says so') as string,
      });
    }
    await world.ask('DROP INDEX letters_at_idx');
    expect(await planOf(null)).toMatchObject({ walk: 'blocks' });
  });

  test('is not chosen where many are old', async () => {
    const world = await mappingWorld(tables(6_000));
    const { plan } = await world.store.planner.plan({ mapping: lettersMapping(), retentionSeconds: 3_600 });
    expect(plan.walk).toBe('blocks');
  });

  test.each([1, 2])(
    'takes all that was old and untouched while rows are inserted, updated and moved (%s workers)',
    async (workers) => {
      const world = await mappingWorld(tables(500));
      const old = await world.keys('letters', 'id', `at < now() - interval '1 hour'`);
      const all = await world.keys('letters');
      const writer = await world.session();
      const [younger, late] = [new Set<string>(), new Set<string>()];
      let writes = 0;
      const shop = await world.shop(lettersMapping(), {
        size: 20,
        workers,
        after: async (number) => {
          if (number > 20) return;
          // Moved to other blocks; made younger; set back to be old only now; new.
          await writer.query(`UPDATE letters SET seen = seen + 1, body = repeat('y', 1900) WHERE id IN
            (SELECT id FROM letters WHERE at < now() - interval '1 hour' ORDER BY md5(id::text) LIMIT 5 FOR UPDATE SKIP LOCKED)`);
          const made = await writer.query<{ id: string }>(`UPDATE letters SET at = now() WHERE id IN
            (SELECT id FROM letters WHERE at < now() - interval '1 hour' ORDER BY md5('y' || id) LIMIT 2 FOR UPDATE SKIP LOCKED) RETURNING id::text AS id`);
          for (const { id } of made.rows) younger.add(id);
          const back = await writer.query<{
            id: string;
          }>(`UPDATE letters SET at = now() - interval '3 hours' WHERE id IN
            (SELECT id FROM letters WHERE at > now() - interval '30 minutes' AND seen = 0 LIMIT 2) RETURNING id::text AS id`);
          const fresh = await writer.query<{ id: string }>(
            `INSERT INTO letters (id, at, body) VALUES (gen_random_uuid(), now() - interval '2 hours' - interval '2 seconds', 'n') RETURNING id::text AS id`,
          );
          for (const { id } of [...back.rows, ...fresh.rows]) late.add(id);
          writes += 1;
        },
      });
      const run = await shop.collect();
      expect(writes).toBeGreaterThan(5);
      expect(run).toMatchObject({ state: 'complete', plan: { walk: 'age' } });
      const left = await world.keys('letters');
      for (const id of old) {
        if (!younger.has(id) && left.has(id))
          throw new Error(`${id} was old and untouched, and is still there`);
      }
      for (const id of younger) if (!left.has(id)) throw new Error(`${id} was young when it was deleted`);
      for (const id of minus(all, old)) {
        if (!late.has(id) && !left.has(id)) throw new Error(`${id} was never old, and is gone`);
      }
      const gone = [...all, ...late].filter((id) => !left.has(id));
      expect(run.messagesDeleted).toBe(new Set(gone).size);
    },
  );
});

import { expect, test } from 'vitest';
import { describePostgres } from '../engines.js';
import { until } from '../harness/wait.js';
import { lettersMapping, mappingWorld, minus } from './world.js';

describePostgres('the hold list', () => {
  const tables = `CREATE TABLE letters (id integer PRIMARY KEY, at timestamptz, contact text);
    INSERT INTO letters SELECT g, now() - interval '2 hours', 'c' || g % 50 FROM generate_series(1, 3000) g`;
  const mapping = lettersMapping({ holdList: { contact: 'contact' } });

  test('keeps what it names, by key and by contact, until it is taken off', async () => {
    const world = await mappingWorld(tables);
    const { holds } = world.store;
    await holds.add({ kind: 'key', value: '17' }, 'ann');
    await holds.add({ kind: 'key', value: '17' }, 'ben');
    await holds.add({ kind: 'contact', value: 'c3' }, 'ann');
    expect((await holds.list()).map(({ kind, value, by }) => [kind, value, by])).toEqual([
      ['key', '17', 'ann'],
      ['contact', 'c3', 'ann'],
    ]);
    const kept = await world.keys('letters', 'id', `id = 17 OR contact = 'c3'`);
    const run = await (await world.shop(mapping, { size: 500 })).collect();
    expect(run).toMatchObject({ state: 'complete', messagesDeleted: 3_000 - kept.size });
    expect(await world.keys('letters')).toEqual(kept);
    // All that is left is held: there is nothing to do.
    const policy = { mapping, retentionSeconds: 3_600 };
    expect((await world.store.planner.plan(policy)).kind).toBe('nothing');
    expect(await holds.remove({ kind: 'contact', value: 'c3' })).toBe(true);
    expect(await holds.remove({ kind: 'contact', value: 'c3' })).toBe(false);
    expect(await (await world.shop(mapping)).collect()).toMatchObject({ messagesDeleted: kept.size - 1 });
    expect(await world.keys('letters')).toEqual(new Set(['17']));
  });

  test('knows a key as the database writes it, whether a message has it, and what can be no key', async () => {
    const world = await mappingWorld(`${tables};
      CREATE TABLE pairs (a integer, b text, at timestamptz, PRIMARY KEY (a, b));
      INSERT INTO pairs VALUES (7, 'b7', now())`);
    const { holds } = world.store;
    const pairs = lettersMapping({ table: { schema: null, name: 'pairs' }, key: ['a', 'b'] });
    expect(await holds.keyOf(mapping, ['017'])).toEqual({ kind: 'key', value: '17', isThere: true });
    expect(await holds.keyOf(mapping, ['3001'])).toEqual({ kind: 'key', value: '3001', isThere: false });
    expect(await holds.keyOf(pairs, ['07', 'b7'])).toEqual({
      kind: 'key',
      value: '7\u001fb7',
      isThere: true,
    });
    expect(await holds.keyOf(pairs, ['7', 'B7'])).toMatchObject({ isThere: false });
    for (const value of ['abc', '', '99999999999'])
      expect(await holds.keyOf(mapping, [value]), value).toMatchObject({ kind: 'unfit' });
  });

  test('knows keys of several columns, uuids in any case and keys without case', async () => {
    const world =
      await mappingWorld(`CREATE COLLATION nocase (provider = icu, locale = 'und-u-ks-level2', deterministic = false);
      CREATE TABLE pairs (a integer, b text, at timestamptz, PRIMARY KEY (a, b));
      INSERT INTO pairs SELECT g, 'b' || g, now() - interval '2 hours' FROM generate_series(1, 20) g;
      CREATE TABLE uuids (id uuid PRIMARY KEY, at timestamptz);
      INSERT INTO uuids SELECT md5(g::text)::uuid, now() - interval '2 hours' FROM generate_series(1, 20) g;
      CREATE TABLE names (id text COLLATE nocase PRIMARY KEY, at timestamptz);
      INSERT INTO names SELECT 'Name' || g, now() - interval '2 hours' FROM generate_series(1, 20) g`);
    const [uuid = ''] = await world.keys('uuids');
    for (const value of ['7\u001fb7', uuid.toUpperCase(), 'nAME4'])
      await world.store.holds.add({ kind: 'key', value }, 'ann');
    for (const [name, key, left] of [
      ['pairs', ['a', 'b'], '7'],
      ['uuids', ['id'], uuid],
      ['names', ['id'], 'Name4'],
    ] as const) {
      const change = lettersMapping({ table: { schema: null, name }, key });
      const run = await (await world.shop(change)).collect();
      expect(run).toMatchObject({ state: 'complete', messagesDeleted: 19 });
      expect(await world.keys(name, key[0])).toEqual(new Set([left]));
    }
  });

  test.each(['none', 'checked'] as const)(
    'protects from the moment that its addition is answered, whatever batches are under way (%s)',
    async (mode) => {
      const world = await mappingWorld(`${tables};
        ${mode === 'none' ? '' : 'CREATE TABLE stamps (letter integer REFERENCES letters); INSERT INTO stamps SELECT id FROM letters'}`);
      const dependents =
        mode === 'none'
          ? []
          : [
              {
                table: { schema: null, name: 'stamps' },
                match: [{ column: 'letter', message: 'id' }],
                action: 'delete' as const,
              },
            ];
      const safe = new Set<string>();
      let isOver = false;
      const shop = await world.shop({ ...mapping, dependents }, { size: 15, workers: 2 });
      const { runId } = await shop.coreapp.startRun({ requestId: 'c'.repeat(32), by: 'admin' });
      const ending = shop.ended().finally(() => {
        isOver = true;
      });
      let added = 0;
      for (let number = 0; number < 50 && !isOver; number += 1) {
        await world.store.holds.add({ kind: 'contact', value: `c${(number * 7) % 50}` }, 'ann');
        const there = await world.keys('letters', 'id', `contact = 'c${(number * 7) % 50}'`);
        for (const id of there) safe.add(id);
        if (there.size > 0 && (await world.store.ledger.run(runId))?.state !== 'complete') added += 1;
        const free = [...(await world.keys('letters'))].filter((id) => !safe.has(id)).pop();
        if (free === undefined) continue;
        await world.store.holds.add({ kind: 'key', value: free }, 'ann');
        for (const id of await world.keys('letters', 'id', `id = ${free}`)) safe.add(id);
      }
      const run = await ending;
      expect(added).toBeGreaterThan(2);
      const left = await world.keys('letters');
      expect(minus(safe, left)).toEqual(new Set());
      expect(left).toEqual(safe);
      expect(run).toMatchObject({ state: 'complete', messagesDeleted: 3_000 - left.size });
    },
  );

  test('is waited for by name: the addition answers after the batch that did not see it has ended', async () => {
    const world = await mappingWorld(tables);
    const proxy = await world.proxy();
    const { store, facts } = await world.openAgain(proxy.urlFor(world.url));
    const shop = await world.shop(mapping, { store, facts, size: 100 });
    const trap = proxy.arm({ when: 'statement', match: /DELETE FROM "letters"/, action: 'hold' });
    await shop.coreapp.startRun({ requestId: 'b'.repeat(32), by: 'admin' });
    const hit = await trap.waitForHit(10_000);
    let answered = false;
    const adding = world.store.holds.add({ kind: 'key', value: '2999' }, 'ann').then(() => {
      answered = true;
    });
    await until('the addition to wait for the batch', 5_000, async () => {
      const waiting = await world.ask(
        `SELECT FROM pg_stat_activity WHERE application_name = 'message-gc' AND wait_event_type = 'Lock'`,
      );
      return waiting.length > 0;
    });
    expect(answered).toBe(false);
    hit.release();
    await adding;
    expect(await world.keys('letters', 'id', 'id = 2999')).toEqual(new Set(['2999']));
    await shop.ended();
    expect(await world.keys('letters')).toEqual(new Set(['2999']));
  });

  test('is read by a batch that had to wait for its span as it is after the wait', async () => {
    const world = await mappingWorld(tables);
    const holder = await world.session();
    const shop = await world.shop(mapping, {
      size: 100,
      after: async (number) => {
        if (number !== 3) return;
        // As a transaction whose COMMIT was lost: the next batch begins, waits for it, and reads the list after it.
        await holder.query('BEGIN');
        await holder.query(`SELECT FROM message_gc.span FOR UPDATE`);
        void until('the batch to wait for its span', 5_000, async () => {
          const waiting = await world.ask(
            `SELECT FROM pg_stat_activity WHERE application_name = 'message-gc' AND wait_event_type = 'Lock'`,
          );
          return waiting.length > 0;
        }).then(async () => {
          await holder.query(
            `INSERT INTO message_gc.hold VALUES ('key', '350', 'ann', now()), ('contact', 'c7', 'ann', now())`,
          );
          await holder.query('COMMIT');
        });
      },
    });
    const run = await shop.collect();
    expect(run.state).toBe('complete');
    expect(await world.keys('letters', 'id', 'id > 300')).toEqual(
      await world.keys('letters', 'id', `id = 350 OR contact = 'c7' AND id > 300`),
    );
    expect(await world.keys('letters', 'id', 'id = 350')).toEqual(new Set(['350']));
    expect(await world.keys('letters')).toEqual(
      new Set(['350', ...Array.from({ length: 54 }, (_, index) => String(index * 50 + 307))]),
    );
  });
});

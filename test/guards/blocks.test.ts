import { afterAll, expect, test } from 'vitest';
import { newId } from '../../src/core/node-name.js';
import type { Mapping } from '../../src/core/mapping.js';
import type { Policy } from '../../src/core/policy.js';
import { describePostgres } from '../engines.js';
import { until } from '../harness/wait.js';
import { type Options, workshop } from './collect.js';
import { dropTemplate, guardWorld, type GuardWorld, hasParameterGrants } from './world.js';

/**
 * The walk by heap blocks: chosen where the table does not follow its key, and followed by a look, because an UPDATE
 * moves a row to a block that was already walked or lies behind the frozen end.
 */
describePostgres('the walk by heap blocks', () => {
  afterAll(dropTemplate);

  const mapping: Mapping = {
    store: 'letters',
    table: { schema: null, name: 'letters' },
    key: ['id'],
    age: { column: 'done_at', unit: 'timestamptz', zone: null },
    processed: 'true',
    holds: [],
    holdList: null,
    walk: null,
    dependents: [],
    foreignKeys: 'messages_first',
  };
  const eligibleNow = `done_at < now() - interval '1 hour'`;
  const policy: Policy = { mapping, retentionSeconds: 3_600 };

  type Letters = GuardWorld & {
    keys(where?: string): Promise<ReadonlySet<string>>;
    /** Keys of the letters that a run which began now would have to delete. */
    readonly eligible: ReadonlySet<string>;
    readonly all: ReadonlySet<string>;
    blocks(): Promise<number>;
  };

  /**
   * 6,000 letters of about 1,800 bytes, four to a block: the least table that is worth a walk by blocks. Every second
   * is eligible; with `firstHalf` those in the table's first half.
   */
  async function letters(
    world: GuardWorld,
    options: { readonly key?: 'uuid' | 'bigint'; readonly firstHalf?: boolean } = {},
  ): Promise<Letters> {
    const key = options.key ?? 'uuid';
    const id = key === 'uuid' ? 'md5(g::text)::uuid' : '(g::bigint * 7919) % 6007';
    await world.ask(`CREATE TABLE letters (id ${key} PRIMARY KEY, done_at timestamptz, body text NOT NULL);
      ALTER TABLE letters ALTER body SET STORAGE PLAIN;
      INSERT INTO letters SELECT ${id},
          CASE WHEN ${options.firstHalf === true ? 'g <= 3000' : 'g % 2 = 0'} THEN now() - interval '2 hours'
            WHEN g % 4 = 1 THEN now() END, repeat('x', 1800)
        FROM generate_series(1, 6000) g;
      CREATE INDEX ON letters (done_at); ANALYZE letters`);
    const keys = async (where = 'true'): Promise<ReadonlySet<string>> =>
      new Set(
        (await world.ask<{ id: string }>(`SELECT id::text AS id FROM letters WHERE ${where}`)).map(
          (row) => row.id,
        ),
      );
    return {
      ...world,
      policy,
      keys,
      eligible: await keys(eligibleNow),
      all: await keys(),
      blocks: async () =>
        (await world.ask<{ n: number }>(`SELECT (pg_relation_size('letters') / 8192)::int AS n`))[0]?.n ?? 0,
    };
  }

  async function collectExactly(world: Letters, options: Partial<Options> = {}) {
    const shop = await workshop({ store: world.store, facts: world.facts, policy, size: 100, ...options });
    const run = await shop.collect();
    expect(run).toMatchObject({ state: 'complete', errors: [], messagesDeleted: world.eligible.size });
    expect(await world.keys()).toEqual(new Set([...world.all].filter((key) => !world.eligible.has(key))));
    expect(shop.counted.messages).toBe(world.eligible.size);
    // A walk that began anew has other bounds than those of round 0.
    const broken = (await world.invariants()).filter((words) => !words.startsWith('round 0'));
    expect(broken).toEqual([]);
    const [{ looks, rounds } = { looks: 0, rounds: 0 }] = await world.ask<{ looks: number; rounds: number }>(
      `SELECT (SELECT count(*)::int FROM message_gc.span WHERE kind = 'look' AND state = 'done') AS looks,
         (SELECT round + 1 FROM message_gc.run) AS rounds`,
    );
    return { run, shop, looks, rounds };
  }

  /**
   * Writes the table anew without what was deleted. (VACUUM FULL and CLUSTER keep the rows that went while somebody
   * was writing, even in another database of the server, and so do not always make the table smaller.)
   */
  const packed = `ALTER TABLE letters ALTER done_at TYPE timestamptz USING done_at + interval '0'`;

  test('is chosen for a key in random order, in batches of blocks, and a look follows it', async () => {
    const world = await letters(await guardWorld());
    expect(await world.blocks()).toBeGreaterThan(1_024);
    const { run, shop, looks, rounds } = await collectExactly(world);
    expect(run.plan).toMatchObject({ walk: 'blocks', foreignKeys: 'none' });
    expect(run.plan?.why).toMatch(/the table does not follow the key \(correlation -?0\.\d/);
    expect(shop.answers.length).toBeGreaterThan(10);
    for (const answer of shop.answers) expect(answer).toMatchObject({ kind: 'swept' });
    expect({ looks, rounds }).toEqual({ looks: 1, rounds: 1 });
  });

  test('is not chosen where the table has a child, follows its key or is small', async () => {
    const world = await letters(await guardWorld());
    const why = async (): Promise<string> => (await world.store.planner.plan(policy)).plan.why;
    await world.ask('CREATE TABLE more () INHERITS (letters)');
    expect(await why()).toContain('key order: the table has partitions, parents or children');
    await world.ask('DROP TABLE more');
    await world.ask('CLUSTER letters USING letters_pkey');
    await world.ask('ANALYZE letters');
    expect(await why()).toContain('key order: the table follows it (correlation 1.00)');
    await world.ask('DELETE FROM letters WHERE done_at IS NOT NULL');
    await world.ask(packed);
    expect(await why()).toContain('key order: the table is small');
  });

  test('finds the rows that an UPDATE moved behind the frozen end, and into blocks that were already walked', async () => {
    const world = await letters(await guardWorld());
    const blocks = await world.blocks();
    const moved = { behind: 0, back: 0 };
    const place = async (condition: string): Promise<number> =>
      (
        await world.ask<{ n: number }>(
          `SELECT count(*)::int AS n FROM letters WHERE ${eligibleNow} AND ${condition}`,
        )
      )[0]?.n ?? 0;
    const { shop, looks, rounds } = await collectExactly(world, {
      after: async (number) => {
        if (number === 3) {
          // No block has room yet: the new versions go to new blocks.
          await world.ask(`UPDATE letters SET body = body WHERE ${eligibleNow} AND ctid > '(1300,0)'`);
          moved.behind = await place(`ctid >= '(${blocks},0)'`);
        }
        if (number === 5) {
          // Makes room where the walk was (soon: a heartbeat's snapshot may be in the way); the next versions go there.
          await until('rows to move into blocks that were walked', 10_000, async () => {
            await world.ask('VACUUM letters');
            await world.ask(`UPDATE letters SET body = body WHERE ${eligibleNow} AND ctid > '(1000,0)'`);
            moved.back = await place(`ctid < '(500,0)'`);
            return moved.back > 0;
          });
        }
      },
    });
    expect(moved.behind).toBeGreaterThan(100);
    expect(moved.back).toBeGreaterThan(0);
    expect(rounds).toBeGreaterThan(1);
    expect(looks).toBe(rounds);
    expect(shop.gaveUp).not.toContain('plan_changed');
  });

  test.each([
    ['VACUUM FULL letters', 'uuid', 2_900],
    ['CLUSTER letters USING letters_pkey', 'uuid', 2_900],
    // Late, the rest of the table is small and is walked by its key from then on.
    [packed, 'uuid', 700],
    [packed, 'bigint', 700],
  ] as const)(
    'begins anew when the table is rewritten in mid-run: %s, %s key, with %i letters left',
    async (statement, key, left) => {
      const world = await letters(await guardWorld(), { key });
      let at = 0;
      const { run, shop, rounds } = await collectExactly(world, {
        after: async (number) => {
          if (at > 0 || (await world.keys(eligibleNow)).size > left) return;
          at = number;
          await world.ask(statement);
        },
      });
      expect(shop.answers[at]).toMatchObject({ kind: 'plan_changed' });
      expect(run.plan?.walk).toBe(left > 1_000 ? 'blocks' : 'key');
      expect(rounds).toBeGreaterThan(1);
    },
  );

  test.each(['uuid', 'bigint'] as const)(
    'comes to its end when the table is rewritten after the last eligible row is gone (%s key)',
    async (key) => {
      const world = await letters(await guardWorld(), { key, firstHalf: true });
      let isRewritten = false;
      const { run, shop } = await collectExactly(world, {
        after: async () => {
          if (isRewritten || (await world.keys(eligibleNow)).size > 0) return;
          isRewritten = true;
          await world.ask(packed);
        },
      });
      expect(shop.gaveUp).toContain('plan_changed');
      expect(run.plan?.walk).toBe('key');
    },
  );

  test('stands still in the middle of the look while the run is paused, and goes on from there', async () => {
    const world = await letters(await guardWorld());
    const { ledger } = world.store;
    let looked = 0;
    const shop = await workshop({
      store: world.store,
      facts: world.facts,
      policy,
      size: 100,
      lookUnits: 100,
      after: async (number) => {
        // Something must be left for the look, at the end of the table.
        if (number === 3)
          await world.ask(`UPDATE letters SET body = body WHERE ${eligibleNow} AND ctid > '(1300,0)'`);
      },
      beforeLook: async () => {
        looked += 1;
        if (looked === 3) await ledger.steer({ paused: true, by: 'an operator' });
      },
    });
    const { runId } = await shop.coreapp.startRun({ requestId: newId(), by: 'admin' });
    const look = () =>
      world.ask<{ state: string; batches: number }>(
        `SELECT state, batches FROM message_gc.span WHERE kind = 'look' AND round = 0`,
      );
    await until(
      'the look to stand still',
      20_000,
      () => shop.coreapp.progress(runId)?.reason.code === 'paused',
    );
    await until('the look to be given back', 20_000, async () => (await look())[0]?.state === 'open');
    expect(await look()).toEqual([{ state: 'open', batches: 3 }]);
    await ledger.steer({ paused: false, by: 'an operator' });
    expect(await shop.ended()).toMatchObject({ state: 'complete', messagesDeleted: world.eligible.size });
    expect(await world.keys(eligibleNow)).toEqual(new Set());
    // 1,500 blocks and more in slices of 100.
    expect(looked).toBeGreaterThan(10);
  });

  test('counts what has moved from where the walk began, also when it is planned anew on the way', async ({
    skip,
  }) => {
    skip(!(await hasParameterGrants()), 'before PostgreSQL 15 no count is believed');
    const world = await letters(await guardWorld());
    const moves = async () =>
      (
        await world.ask<{ moves: string | null }>(
          `SELECT plan::jsonb -> 'guards' ->> 'moves' AS moves FROM message_gc.run`,
        )
      )[0]?.moves;
    let before: string | null | undefined;
    const { shop } = await collectExactly(world, {
      after: async (number) => {
        if (number !== 3) return;
        before = await moves();
        await world.ask(`UPDATE letters SET body = body WHERE ${eligibleNow} AND ctid > '(1300,0)';
          SELECT pg_stat_force_next_flush()`);
        await world.ask('CREATE TABLE notes (letter uuid REFERENCES letters ON DELETE SET NULL)');
      },
    });
    expect(shop.gaveUp).toContain('plan_changed');
    expect(before).toMatch(/^\d+\//);
    expect(await moves()).toBe(before);
  });

  test('does not believe the count where batches themselves write to messages that stay', async ({
    skip,
  }) => {
    skip(!(await hasParameterGrants()), 'before PostgreSQL 15 no count is believed');
    const world = await letters(await guardWorld());
    const moves = async () => (await world.store.planner.plan(policy)).plan.guards['moves'];
    expect(await moves()).toMatch(/^\d+\//);
    await world.ask(`CREATE FUNCTION touch() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN RETURN NULL; END$$;
      CREATE TRIGGER touch AFTER DELETE ON letters FOR EACH ROW EXECUTE FUNCTION touch()`);
    expect(await moves()).toBeUndefined();
    await world.ask(
      'DROP TRIGGER touch ON letters; ALTER TABLE letters ADD reply_to uuid REFERENCES letters ON DELETE SET NULL',
    );
    const answers = [
      { table: mapping.table, match: [{ column: 'reply_to', message: 'id' }], action: 'set_null' },
    ] as const;
    const withReplies = { ...policy, mapping: { ...mapping, dependents: answers } };
    expect((await world.store.planner.plan(withReplies)).plan.guards['moves']).toBeUndefined();
  });

  test('walks a table again that is rewritten during the look', async () => {
    const world = await letters(await guardWorld());
    let looked = 0;
    const { rounds, shop } = await collectExactly(world, {
      lookUnits: 100,
      after: async (number) => {
        // Something must be left for the look, at the end of the table.
        if (number === 3)
          await world.ask(`UPDATE letters SET body = body WHERE ${eligibleNow} AND ctid > '(1300,0)'`);
      },
      beforeLook: async () => {
        looked += 1;
        // Without its gaps the table ends before the place that the look has come to.
        if (looked === 12) await world.ask(packed);
      },
    });
    expect(looked).toBeGreaterThanOrEqual(12);
    expect(shop.gaveUp).toContain('plan_changed');
    expect(rounds).toBeGreaterThan(1);
  });
});

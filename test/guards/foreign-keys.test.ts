import { afterAll, beforeAll, expect, test } from 'vitest';
import { StoreError } from '../../src/core/errors.js';
import type { BatchAnswer } from '../../src/core/ports.js';
import type { RunView } from '../../src/core/run-view.js';
import { describePostgres } from '../engines.js';
import { batch, insertOld, plannedRun, registered, take } from '../conformance/drive.js';
import { workshop } from './collect.js';
import { dropTemplate, guardWorld, type GuardWorld, hasParameterGrants } from './world.js';

/**
 * Messages go first, with the server's checks left out, under five conditions (storage/postgres/foreign-keys.ts). One
 * test or more for each letter; with its guard taken out, each of them finds what the guard prevents: rows that refer
 * to a message which is gone, or an application's trigger that was passed over. (`npm run mutants` takes them out.)
 */
describePostgres('messages first', () => {
  let knowsGrants = true;
  beforeAll(async () => {
    knowsGrants = await hasParameterGrants();
  });
  afterAll(dropTemplate);

  /** A run over our own tables: exactly the eligible messages are gone, and no receipt without its message is left. */
  async function collectExactly(world: GuardWorld, options: Partial<Parameters<typeof workshop>[0]> = {}) {
    const before = await world.messageKeys();
    const eligible = await world.eligibleKeys();
    expect(eligible.size).toBeGreaterThan(0);
    const shop = await workshop({ store: world.store, facts: world.facts, policy: world.policy, ...options });
    const run = await shop.collect();
    expect(run).toMatchObject({ state: 'complete', errors: [], messagesDeleted: eligible.size });
    expect(await world.messageKeys()).toEqual(new Set([...before].filter((key) => !eligible.has(key))));
    expect(await world.orphanReceipts()).toBe(0);
    expect(await world.invariants()).toEqual([]);
    return { run, shop, eligible };
  }

  /** 60 messages with a receipt each, every third still young. */
  async function fill(world: GuardWorld): Promise<readonly string[]> {
    return world.insertMessages(
      Array.from({ length: 60 }, (_, i) => ({ processedAgoSeconds: i % 3 === 2 ? 60 : 7_200, receipts: 1 })),
    );
  }

  function expectChecked(run: RunView, why: string | RegExp): void {
    expect(run.plan?.foreignKeys).toBe('checked');
    expect(run.plan?.why).toMatch(why);
  }

  /** Rows that refer to a message which is gone. */
  const orphanNotes = async (world: GuardWorld): Promise<number> =>
    (
      await world.ask(
        'SELECT FROM notes n WHERE NOT EXISTS (SELECT FROM messages m WHERE m.id = n.message_id)',
      )
    ).length;

  const orphanScans = async (world: GuardWorld): Promise<number> =>
    (
      await world.ask(
        'SELECT FROM scans s WHERE NOT EXISTS (SELECT FROM message_receipts r WHERE r.id = s.receipt_id)',
      )
    ).length;

  /** A table that the mapping does not know, with a row for every message. */
  const notes = `CREATE TABLE notes (message_id bigint NOT NULL REFERENCES messages (id) ON DELETE CASCADE);
    INSERT INTO notes SELECT id FROM messages`;

  /** An application that writes down what was deleted. */
  const burials = `CREATE TABLE burials (message_id bigint NOT NULL);
    CREATE FUNCTION bury() RETURNS trigger LANGUAGE plpgsql AS
      $$BEGIN INSERT INTO burials VALUES (OLD.id); RETURN OLD; END$$`;

  async function buried(world: GuardWorld): Promise<ReadonlySet<string>> {
    const rows = await world.ask<{ id: string }>('SELECT message_id::text AS id FROM burials');
    expect(new Set(rows.map(({ id }) => id)).size).toBe(rows.length);
    return new Set(rows.map(({ id }) => id));
  }

  test('are used where nothing stands against it', async () => {
    const world = await guardWorld();
    await fill(world);
    const { run } = await collectExactly(world);
    expect(run.plan).toMatchObject({ foreignKeys: 'messages_first' });
    expect(run.dependentsDeleted).toEqual({ message_receipts: 40 });
  });

  test('(a) a foreign key into the messages that the mapping does not name keeps the checks on, and no row refers to nothing', async () => {
    const world = await guardWorld();
    await fill(world);
    await world.ask(notes);
    const { run } = await collectExactly(world);
    expect(await orphanNotes(world)).toBe(0);
    expect(await world.ask('SELECT FROM notes')).toHaveLength(20);
    expectChecked(run, 'notes_message_id_fkey of notes is not named');
  });

  test('(a) a foreign key into a table of dependents keeps the checks on as well', async () => {
    const world = await guardWorld();
    await fill(world);
    await world.ask(`CREATE TABLE scans (receipt_id bigint REFERENCES message_receipts (id) ON DELETE CASCADE);
      INSERT INTO scans SELECT id FROM message_receipts`);
    const { run } = await collectExactly(world);
    expect(await orphanScans(world)).toBe(0);
    expectChecked(run, 'scans_receipt_id_fkey of scans is not named');
  });

  test('(a) an unnamed foreign key that forbids the deletion is refused at once, and obeyed when it comes later', async () => {
    const world = await guardWorld();
    const keys = await insertOld(world, 20);
    const node = await registered(world);
    const run = await plannedRun(world, node);
    const span = await take(world, run, node);
    await world.ask(`CREATE TABLE invoices (message_id bigint NOT NULL REFERENCES messages (id));
      INSERT INTO invoices VALUES (${keys[7]})`);
    await expect(world.store.planner.plan(world.policy)).rejects.toMatchObject({
      kind: 'unfit',
      message: expect.stringContaining('invoices_message_id_fkey of invoices') as string,
    });
    expect(await batch(world, run, node, span)).toMatchObject({ kind: 'plan_changed' });
    expect(await world.messageKeys()).toEqual(new Set(keys));
    expect(await world.receiptCount()).toBe(20);
    const checked = {
      ...world.policy,
      mapping: { ...world.policy.mapping, foreignKeys: 'checked' as const },
    };
    const again = {
      ...run,
      policy: checked,
      plan: run.plan === null ? null : { ...run.plan, foreignKeys: 'checked' as const },
    };
    await expect(batch({ ...world, policy: checked }, again, node, span)).rejects.toMatchObject({
      kind: 'reference',
    });
    expect(await world.messageKeys()).toEqual(new Set(keys));
    expect(await world.receiptCount()).toBe(20);
  });

  test('(a) a dependent that is to be cleared must be nullable, or the checks stay on', async () => {
    const world = await guardWorld();
    await fill(world);
    await world.ask('CREATE TABLE media (message_id bigint NOT NULL REFERENCES messages (id))');
    const media = {
      table: { schema: null, name: 'media' },
      match: [{ column: 'message_id', message: 'id' }],
      action: 'set_null',
    } as const;
    const policy = {
      ...world.policy,
      mapping: { ...world.policy.mapping, dependents: [...world.policy.mapping.dependents, media] },
    };
    const { plan } = await world.store.planner.plan(policy);
    expect(plan.foreignKeys).toBe('checked');
    await world.ask('ALTER TABLE media ALTER message_id DROP NOT NULL');
    expect((await world.store.planner.plan(policy)).plan.foreignKeys).toBe('messages_first');
  });

  test('(b) a trigger of the application fires for every message that goes', async () => {
    const world = await guardWorld();
    await fill(world);
    await world.ask(`${burials};
      CREATE TRIGGER bury AFTER DELETE ON messages FOR EACH ROW EXECUTE FUNCTION bury()`);
    const { run, eligible } = await collectExactly(world);
    expect(await buried(world)).toEqual(eligible);
    expectChecked(run, 'trigger bury on messages');
  });

  test('(b) a trigger of the application fires for every dependent that goes', async () => {
    const world = await guardWorld();
    await fill(world);
    const receipts = await world.ask<{ id: string }>(
      `SELECT r.id::text AS id FROM message_receipts r JOIN messages m ON m.id = r.message_id
       WHERE m.processed_at < now() - interval '1 hour'`,
    );
    await world.ask(`${burials};
      CREATE TRIGGER bury AFTER DELETE ON message_receipts FOR EACH ROW EXECUTE FUNCTION bury()`);
    const { run } = await collectExactly(world);
    expect(await buried(world)).toEqual(new Set(receipts.map(({ id }) => id)));
    expectChecked(run, 'trigger bury on message_receipts');
  });

  test('(b) a trigger that is disabled stands against nothing, and one for replicas does', async () => {
    const world = await guardWorld();
    await fill(world);
    await world.ask(`${burials};
      CREATE TRIGGER bury AFTER DELETE ON messages FOR EACH ROW EXECUTE FUNCTION bury();
      ALTER TABLE messages DISABLE TRIGGER bury`);
    expect((await world.store.planner.plan(world.policy)).plan.foreignKeys).toBe('messages_first');
    // In replica role this one would fire, though it fires for nobody else's DELETE.
    await world.ask('ALTER TABLE messages ENABLE REPLICA TRIGGER bury');
    expect((await world.store.planner.plan(world.policy)).plan.foreignKeys).toBe('checked');
    await collectExactly(world);
    expect(await buried(world)).toEqual(new Set());
  });

  test('(b) a rule of the application acts for every message that goes', async () => {
    const world = await guardWorld();
    await fill(world);
    await world.ask(`${burials};
      CREATE RULE bury AS ON DELETE TO messages DO ALSO INSERT INTO burials VALUES (OLD.id)`);
    const { run, eligible } = await collectExactly(world);
    expect(await buried(world)).toEqual(eligible);
    expectChecked(run, 'rule bury on messages');
  });

  test('(b) what refers to an inheritance child goes with its rows', async () => {
    const world = await guardWorld();
    await fill(world);
    await world.ask(`CREATE TABLE old_messages (PRIMARY KEY (id)) INHERITS (messages);
      INSERT INTO old_messages (id, direction, state, contact, processed_at)
        SELECT 10000 + g, 'outbound', 'read', '49', now() - interval '2 hours' FROM generate_series(1, 5) g;
      CREATE TABLE notes (message_id bigint NOT NULL REFERENCES old_messages (id) ON DELETE CASCADE);
      INSERT INTO notes SELECT id FROM old_messages`);
    const { run } = await collectExactly(world);
    expect(await orphanNotes(world)).toBe(0);
    expectChecked(run, 'inheritance child old_messages');
  });

  test.each(['message_receipts', 'messages'])(
    '(c) a policy that hides rows of %s from us is an error and not a filter',
    async (table) => {
      const world = await guardWorld();
      const keys = await fill(world);
      const { name, url } = await world.plainUser();
      // Without the privilege of (d) a hidden receipt would meet its foreign key; with it nothing else stands guard.
      if (knowsGrants) await world.ask(`GRANT SET ON PARAMETER session_replication_role TO ${name}`);
      await world.ask(`ALTER TABLE ${table} ENABLE ROW LEVEL SECURITY;
        CREATE POLICY visible ON ${table} USING (id % 5 <> 0)`);
      const opened = await world.openAgain(url);
      const shop = await workshop({ ...opened, policy: world.policy });
      const run = await shop.collect();
      expect(await world.orphanReceipts()).toBe(0);
      expect(run).toMatchObject({ state: 'failed', messagesDeleted: 0, dependentsDeleted: {} });
      expect(run.errors).toEqual([
        {
          code: 1014,
          details:
            table === 'messages'
              ? 'Failed to fetch processed messages to delete'
              : expect.stringContaining('row-level security'),
        },
      ]);
      expect(await world.messageKeys()).toEqual(new Set(keys));
      expect(await world.receiptCount()).toBe(60);
    },
  );

  test('(d) without the privilege the checks stay on and the plan says which statement grants it; with it they are left out', async () => {
    const world = await guardWorld();
    await fill(world);
    const { name, url } = await world.plainUser();
    const opened = await world.openAgain(url);
    const { run } = await collectExactly(world, opened);
    expectChecked(
      run,
      knowsGrants
        ? `GRANT SET ON PARAMETER session_replication_role TO ${name}`
        : 'only a superuser set session_replication_role',
    );
    expect(run.dependentsDeleted).toEqual({ message_receipts: 40 });
    if (!knowsGrants) return;
    await insertOld(world, 10);
    await world.ask(`GRANT SET ON PARAMETER session_replication_role TO ${name}`);
    const again = await collectExactly(world, opened);
    expect(again.run.plan?.foreignKeys).toBe('messages_first');
  });

  test('(e) a foreign key that is added in mid-run is noticed by the next batch, and no row refers to nothing', async () => {
    const world = await guardWorld();
    await fill(world);
    const { run, shop } = await collectExactly(world, {
      size: 10,
      after: async (number) => {
        if (number === 2) await world.ask(notes);
      },
    });
    expect(await orphanNotes(world)).toBe(0);
    expect(shop.answers[0]).toMatchObject({ kind: 'swept' });
    expect(shop.answers[2]).toMatchObject({ kind: 'plan_changed' });
    expect(shop.gaveUp).toContain('plan_changed');
    expectChecked(run, 'notes_message_id_fkey');
  });

  test('(e) a trigger that is created in mid-run fires for every message that goes after it', async () => {
    const world = await guardWorld();
    await fill(world);
    let left: ReadonlySet<string> = new Set();
    const { run, shop } = await collectExactly(world, {
      size: 10,
      after: async (number) => {
        if (number !== 2) return;
        await world.ask(`${burials};
          CREATE TRIGGER bury AFTER DELETE ON messages FOR EACH ROW EXECUTE FUNCTION bury()`);
        left = await world.eligibleKeys();
      },
    });
    expect(left.size).toBeGreaterThan(0);
    expect(await buried(world)).toEqual(left);
    expect(shop.gaveUp).toContain('plan_changed');
    expectChecked(run, 'trigger bury on messages');
  });

  /** A batch of a planned run that stands still at a statement while a foreign key is added. */
  async function addedAt(
    world: GuardWorld,
    statement: RegExp,
    skipLocked: boolean,
    foreignKey: { readonly of: string; readonly column: string; readonly into: string },
  ): Promise<BatchAnswer> {
    const { of, column, into } = foreignKey;
    const node = await registered(world);
    const run = await plannedRun(world, node);
    expect(run.plan?.foreignKeys).toBe('messages_first');
    if (run.plan === null) throw new Error('The run has no plan.');
    const span = await take(world, run, node);
    const proxy = await world.proxy();
    const { store } = await world.openAgain(proxy.urlFor(world.url));
    const request = {
      run,
      policy: world.policy,
      plan: run.plan,
      span,
      node,
      size: 100,
      skipGap: false,
      yields: false,
    };
    for (let tries = 1; ; tries += 1) {
      const trap = proxy.arm({ when: 'statement', match: statement, action: 'hold' });
      const answering = store.sweep.batch({ ...request, skipLocked, leaseMs: 30_000 });
      // Awaited below; should something else fail first, that is what the test shall say.
      answering.catch(() => undefined);
      const hit = await trap.waitForHit(5_000);
      await world.ask(`ALTER TABLE ${of} ADD CONSTRAINT late FOREIGN KEY (${column})
        REFERENCES ${into} (id) ON DELETE CASCADE`);
      hit.release();
      const answer = await answering.catch((error: unknown) => error);
      if (!(answer instanceof StoreError)) return answer as BatchAnswer;
      // The machine was too busy: the batch's half second was over before it could notice anything.
      if (answer.kind !== 'slow' || tries === 10) throw answer;
      await world.ask(`ALTER TABLE ${of} DROP CONSTRAINT late`);
    }
  }

  test.each([false, true])(
    '(e) a foreign key that is added right before the DELETE rolls the batch back (skipping locked rows: %s)',
    async (skipLocked) => {
      const world = await guardWorld();
      const keys = await insertOld(world, 20);
      await world.ask('CREATE TABLE notes AS SELECT id AS message_id FROM messages');
      const late = { of: 'notes', column: 'message_id', into: 'messages' };
      const answer = await addedAt(world, /DELETE FROM "messages"/, skipLocked, late);
      expect(await orphanNotes(world)).toBe(0);
      expect(answer).toMatchObject({ kind: 'plan_changed' });
      expect(await world.messageKeys()).toEqual(new Set(keys));
    },
  );

  test.each([false, true])(
    '(e) so does one into the dependents, right before they are deleted (skipping locked rows: %s)',
    async (skipLocked) => {
      const world = await guardWorld();
      const keys = await insertOld(world, 20);
      await world.ask('CREATE TABLE scans AS SELECT id AS receipt_id FROM message_receipts');
      const late = { of: 'scans', column: 'receipt_id', into: 'message_receipts' };
      const answer = await addedAt(world, /DELETE FROM "message_receipts"/, skipLocked, late);
      expect(await orphanScans(world)).toBe(0);
      expect(answer).toMatchObject({ kind: 'plan_changed' });
      expect(await world.messageKeys()).toEqual(new Set(keys));
      expect(await world.receiptCount()).toBe(20);
    },
  );

  test('a dependent whose name means another table in mid-run leaves no reference behind', async () => {
    const world = await guardWorld();
    await insertOld(world, 60, 1);
    const shop = await workshop({
      ...world,
      size: 10,
      after: async (number) => {
        if (number !== 2) return;
        await world.ask(`BEGIN; ALTER TABLE message_receipts RENAME TO receipts_before;
          CREATE TABLE message_receipts (LIKE receipts_before INCLUDING ALL); COMMIT`);
      },
    });
    const run = await shop.collect();
    expect(shop.gaveUp).toContain('plan_changed');
    const left = await world.messageKeys();
    expect(left.size).toBeLessThan(60);
    expect(run).toMatchObject({ state: 'failed', messagesDeleted: 60 - left.size });
    expect(run.errors[0]?.details).toContain('receipts_before');
    const orphans = await world.ask(
      'SELECT 1 FROM receipts_before r LEFT JOIN messages m ON m.id = r.message_id WHERE m.id IS NULL',
    );
    expect(orphans).toEqual([]);
  });
});

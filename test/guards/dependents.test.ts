import type pg from 'pg';
import { afterAll, expect, test } from 'vitest';
import { StoreError } from '../../src/core/errors.js';
import type { Dependent, Mapping } from '../../src/core/mapping.js';
import type { Policy } from '../../src/core/policy.js';
import type { BatchAnswer } from '../../src/core/ports.js';
import { describePostgres } from '../engines.js';
import { finish, insertOld, plannedRun, registered, take, viewOf } from '../conformance/drive.js';
import { until } from '../harness/wait.js';
import { workshop } from './collect.js';
import { dropTemplate, guardWorld, type GuardWorld } from './world.js';

/** What goes with a message, whichever way the foreign keys are treated, and what must not go. */
describePostgres('dependents', () => {
  afterAll(dropTemplate);

  const modes = ['checked', 'messages_first'] as const;

  function withMapping(world: GuardWorld, change: Partial<Mapping>): Policy {
    return { ...world.policy, mapping: { ...world.policy.mapping, ...change } };
  }

  function named(table: string, action: Dependent['action']): Dependent {
    return {
      table: { schema: null, name: table },
      match: [{ column: 'message_id', message: 'id' }],
      action,
    };
  }

  const numberOf = async (world: GuardWorld, sql: string): Promise<number> =>
    (await world.ask<{ n: number }>(`SELECT count(*)::int AS n ${sql}`))[0]?.n ?? -1;

  test('of which a reference cannot be cleared as a whole, where it must be (MATCH FULL), keep the checks on', async () => {
    const world = await guardWorld();
    await world.ask(`DROP TABLE message_receipts;
      ALTER TABLE messages ADD tenant int NOT NULL DEFAULT 1, ADD UNIQUE (tenant, id);
      CREATE TABLE media (tenant int NOT NULL, message_id bigint,
        CONSTRAINT whole FOREIGN KEY (tenant, message_id) REFERENCES messages (tenant, id) MATCH FULL)`);
    const match = [
      { column: 'tenant', message: 'tenant' },
      { column: 'message_id', message: 'id' },
    ];
    const media = { table: { schema: null, name: 'media' }, match, action: 'set_null' } as const;
    const plan = async () =>
      (await world.store.planner.plan(withMapping(world, { dependents: [media] }))).plan.foreignKeys;
    expect(await plan()).toBe('checked');
    await world.ask('ALTER TABLE media ALTER tenant DROP NOT NULL');
    expect(await plan()).toBe('messages_first');
  });

  test('with the checks on they go level by level, in the order of the mapping, and are counted by table', async () => {
    const world = await guardWorld();
    await world.insertMessages(
      Array.from({ length: 60 }, (_, i) => ({ processedAgoSeconds: i % 2 === 0 ? 7_200 : 60, receipts: 2 })),
    );
    await world.ask(`
      CREATE TABLE scans (receipt_id bigint NOT NULL REFERENCES message_receipts (id),
        message_id bigint NOT NULL REFERENCES messages (id));
      INSERT INTO scans SELECT id, message_id FROM message_receipts WHERE id % 3 = 0;
      CREATE TABLE media (id bigint GENERATED ALWAYS AS IDENTITY, message_id bigint REFERENCES messages (id));
      INSERT INTO media (message_id) SELECT id FROM messages WHERE id % 3 = 0`);
    const eligible = [...(await world.eligibleKeys())];
    const staying = new Set([...(await world.messageKeys())].filter((key) => !eligible.includes(key)));
    const of = (table: string) => `FROM ${table} WHERE message_id = ANY('{${eligible.join(',')}}')`;
    const expected = {
      scans: await numberOf(world, of('scans')),
      message_receipts: await numberOf(world, of('message_receipts')),
      media: await numberOf(world, of('media')),
    };
    const media = await numberOf(world, 'FROM media');
    // The receipts' own dependents first: the other way round the server refuses.
    const dependents = [
      named('scans', 'delete'),
      named('message_receipts', 'delete'),
      named('media', 'set_null'),
    ];
    const shop = await workshop({ ...world, policy: withMapping(world, { dependents }), size: 20 });
    const run = await shop.collect();
    expect(run).toMatchObject({ state: 'complete', messagesDeleted: 30, dependentsDeleted: expected });
    expect(run.plan?.foreignKeys).toBe('checked');
    expect(Object.values(expected).every((count) => count > 0)).toBe(true);
    expect(await world.messageKeys()).toEqual(staying);
    expect(await numberOf(world, of('scans'))).toBe(0);
    expect(await numberOf(world, of('message_receipts'))).toBe(0);
    expect(await numberOf(world, 'FROM media')).toBe(media);
    expect(await numberOf(world, 'FROM media WHERE message_id IS NULL')).toBe(expected.media);
    expect(await world.invariants()).toEqual([]);
  });

  /** Sessions of ours that wait for a lock. */
  async function isWaiting(world: GuardWorld, session: pg.Client): Promise<boolean> {
    const [row] = await world.ask<{ waits: boolean }>(
      `SELECT wait_event_type = 'Lock' AS waits FROM pg_stat_activity WHERE pid = $1`,
      [(session as unknown as { readonly processID: number }).processID],
    );
    return row?.waits === true;
  }

  for (const mode of modes) {
    test.each(['message_receipts', 'messages'])(
      `a row of %s that the application holds parks its message, and nothing of it is half deleted (${mode})`,
      async (table) => {
        const world = await guardWorld();
        const keys = await world.insertMessages(
          Array.from({ length: 40 }, () => ({ processedAgoSeconds: 7_200, receipts: 3 })),
        );
        const held = [keys[3], keys[21]];
        const application = await world.session();
        await application.query('BEGIN');
        await application.query(
          table === 'messages'
            ? 'SELECT FROM messages WHERE id = ANY($1::bigint[]) FOR UPDATE'
            : // One receipt of each: the other two are free.
              `SELECT FROM message_receipts WHERE id IN
                 (SELECT max(id) FROM message_receipts WHERE message_id = ANY($1::bigint[]) GROUP BY message_id) FOR UPDATE`,
          [held],
        );
        const shop = await workshop({
          ...world,
          policy: withMapping(world, { foreignKeys: mode }),
          size: 15,
        });
        const { runId } = await shop.coreapp.startRun({ requestId: 'f'.repeat(32), by: 'admin' });
        await until(
          'the run to wait for the locked rows',
          20_000,
          async () => (await world.store.ledger.run(runId))?.state === 'waiting',
        );
        // Read again: a view is made of several statements, and its counts may be from before the last batch.
        const waiting = await viewOf(world, { id: runId });
        expect(waiting.plan?.foreignKeys).toBe(mode);
        expect(waiting.parked).toBe(2);
        expect(await world.messageKeys()).toEqual(new Set(held));
        expect(await world.receiptCount()).toBe(6);
        expect(waiting).toMatchObject({ messagesDeleted: 38, dependentsDeleted: { message_receipts: 114 } });
        expect(shop.gaveUp).toContain('locked');
        expect(await world.invariants()).toEqual([]);

        await application.query('ROLLBACK');
        expect(await shop.ended()).toMatchObject({
          state: 'complete',
          messagesDeleted: 40,
          dependentsDeleted: { message_receipts: 120 },
          parked: 0,
        });
        expect(shop.counted).toEqual({ messages: 40, dependents: 120 });
        expect(await world.messageKeys()).toEqual(new Set());
        expect(await world.receiptCount()).toBe(0);
        expect(await world.invariants()).toEqual([]);
      },
    );
  }

  /** One batch after another, each standing still before a statement while `meanwhile` happens, until one is through. */
  async function heldBatch(
    world: GuardWorld,
    policy: Policy,
    statement: RegExp,
    skipLocked: boolean,
    meanwhile: () => Promise<void>,
  ): Promise<BatchAnswer> {
    const node = await registered(world);
    const run = await plannedRun({ ...world, policy }, node);
    if (run.plan === null) throw new Error('The run has no plan.');
    const span = await take(world, run, node);
    const proxy = await world.proxy();
    const { store } = await world.openAgain(proxy.urlFor(world.url));
    const request = {
      run,
      policy,
      plan: run.plan,
      span,
      node,
      size: 100,
      skipGap: false,
      yields: false,
      skipLocked,
    };
    for (let tries = 1; ; tries += 1) {
      const trap = proxy.arm({ when: 'statement', match: statement, action: 'hold' });
      const answering = store.sweep.batch({ ...request, leaseMs: 30_000 });
      answering.catch(() => undefined);
      const hit = await trap.waitForHit(5_000);
      await meanwhile();
      hit.release();
      const answer = await answering.catch((error: unknown) => error);
      if (!(answer instanceof StoreError)) return answer as BatchAnswer;
      // The machine was too busy: the batch's half second was over.
      if (answer.kind !== 'slow' || tries === 10) throw answer;
    }
  }

  for (const mode of modes) {
    test.each([false, true])(
      `a dependent that comes while its message is being deleted waits and is refused (${mode}, skipping locked rows: %s)`,
      async (skipLocked) => {
        const world = await guardWorld();
        const keys = await insertOld(world, 20);
        // Were its message not locked by then, the server would cascade it away, and nobody would count it.
        await world.ask(`ALTER TABLE message_receipts DROP CONSTRAINT message_receipts_message_id_fkey,
          ADD FOREIGN KEY (message_id) REFERENCES messages (id) ON DELETE CASCADE`);
        const policy = withMapping(world, { foreignKeys: mode });
        const application = await world.session();
        let written = 0;
        const refusals: unknown[] = [];
        let inserting: Promise<void> = Promise.resolve();
        const second = mode === 'checked' ? /DELETE FROM "messages"/ : /DELETE FROM "message_receipts"/;
        const answer = await heldBatch(world, policy, second, skipLocked, async () => {
          await inserting;
          let isOver = false;
          inserting = application
            .query(`INSERT INTO message_receipts (message_id, status) VALUES ($1, 'read')`, [keys[5]])
            .then(
              () => void (written += 1),
              (error: pg.DatabaseError) => void refusals.push(error.code),
            )
            .finally(() => {
              isOver = true;
            });
          await until(
            'the application to have its receipt or to wait',
            5_000,
            async () => isOver || (await isWaiting(world, application)),
          );
        });
        await inserting;
        expect(answer).toMatchObject({ kind: 'swept', deleted: 20 });
        const counted = answer.kind === 'swept' ? answer.dependents['message_receipts'] : undefined;
        expect(counted).toBe(20 + written - (await world.receiptCount()));
        expect(refusals).toEqual(['23503']);
        expect(await world.orphanReceipts()).toBe(0);
        expect(await world.messageKeys()).toEqual(new Set());
      },
    );
  }

  test.each([false, true])(
    'a hold that is set between the lock and the DELETE is obeyed: the predicate is repeated (skipping locked rows: %s)',
    async (skipLocked) => {
      const world = await guardWorld();
      const keys = await insertOld(world, 20);
      await world.ask('CREATE TABLE holds (message_id bigint)');
      const policy = withMapping(world, {
        foreignKeys: 'checked',
        processed: 'NOT EXISTS (SELECT FROM holds h WHERE h.message_id = m.id)',
      });
      const batch = heldBatch(world, policy, /DELETE FROM "messages"/, skipLocked, async () => {
        await world.ask(`DELETE FROM holds; INSERT INTO holds VALUES (${keys[7]})`);
      });
      await expect(batch).rejects.toMatchObject({ kind: 'conflict' });
      expect(await world.messageKeys()).toEqual(new Set(keys));
      expect(await world.receiptCount()).toBe(20);
      const [run, node] = [await world.store.ledger.active(), await registered(world)];
      if (run === null) throw new Error('The run is gone.');
      await world.ask(`UPDATE message_gc.span SET lease_until = now() - interval '1 second'`);
      expect(await finish({ ...world, policy }, run, node)).toBe(19);
      expect(await world.messageKeys()).toEqual(new Set([keys[7]]));
      expect(await viewOf(world, run)).toMatchObject({ dependentsDeleted: { message_receipts: 19 } });
    },
  );

  test('a message that a trigger keeps from being deleted ends the run as failed, soon and with its true count', async () => {
    const world = await guardWorld();
    const keys = await insertOld(world, 40);
    await world.ask(`
      CREATE FUNCTION keep() RETURNS trigger LANGUAGE plpgsql AS
        $$BEGIN IF OLD.id = ${keys[30]} THEN RETURN NULL; END IF; RETURN OLD; END$$;
      CREATE TRIGGER keep BEFORE DELETE ON messages FOR EACH ROW EXECUTE FUNCTION keep()`);
    const shop = await workshop({ ...world, size: 10 });
    const run = await shop.collect(40_000);
    const left = await world.messageKeys();
    expect(run).toMatchObject({ state: 'failed', messagesDeleted: 40 - left.size });
    expect(run.errors[0]?.details).toContain('a trigger or rule stands in the way');
    expect(left.has(keys[30] ?? '')).toBe(true);
    expect(await world.receiptCount()).toBe(left.size);
    expect(await world.invariants()).toEqual([]);
  });
});

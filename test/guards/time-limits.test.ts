import type { PoolClient } from 'pg';
import { afterAll, describe, expect, onTestFinished, test } from 'vitest';
import { LockBudget } from '../../src/storage/postgres/lock-budget.js';
import { openServer } from '../../src/storage/postgres/session.js';
import { describePostgres } from '../engines.js';
import {
  batch,
  expectSound,
  finish,
  insertOld,
  leaseMs,
  plannedRun,
  registered,
  sweptBatch,
  take,
  viewOf,
} from '../conformance/drive.js';
import { commitOfBatch } from '../harness/pg-proxy.js';
import { dropTemplate, guardWorld, type GuardWorld } from './world.js';

/** The application is never the victim: nothing of ours waits long, holds long or holds idly. */
describe('the limits of a batch', () => {
  function budgetOf(deadlockTimeoutMs: number, hasTimeLimits = true) {
    const asked: string[] = [];
    const client = {
      query: async (text: string) => {
        asked.push(text);
      },
    } as unknown as PoolClient;
    return { asked, budget: new LockBudget(client, hasTimeLimits, deadlockTimeoutMs) };
  }

  test.each([
    [1_000, 500, 100],
    [10_000, 500, 100],
    [600, 300, 60],
    [100, 50, 10],
    [1, 10, 1],
  ])(
    'follow the deadlock_timeout: of %i ms, D is %i ms and a lock is waited for %i ms',
    (of, total, wait) => {
      const { budget } = budgetOf(of);
      expect({ total: budget.totalMs, wait: budget.lockWaitMs }).toEqual({ total, wait });
    },
  );

  test('before every further statement the time limit is what is left of D, and at its end the batch gives up', async () => {
    const { asked, budget } = budgetOf(100);
    await budget.limit();
    expect(asked, 'nothing is held yet').toEqual([]);
    budget.start();
    let failure: unknown = null;
    const lefts: number[] = [];
    while (failure === null) {
      const before = budget.totalMs - budget.heldMs();
      failure = await budget.limit().then(
        () => null,
        (error: unknown) => error,
      );
      if (failure !== null) break;
      const [, left = 'none'] = /^SET LOCAL statement_timeout = '(\d+)ms'$/.exec(asked.at(-1) ?? '') ?? [];
      expect(Number(left)).toBeLessThanOrEqual(before);
      lefts.push(Number(left));
    }
    expect(failure).toMatchObject({ kind: 'slow', nativeCode: 'BUDGET' });
    expect(budget.heldMs()).toBeGreaterThan(49);
    expect(lefts).toEqual([...lefts].sort((a, b) => b - a));
    expect(Math.min(...lefts)).toBeGreaterThan(0);
  });

  test('are not set where the engine knows none', async () => {
    const { asked, budget } = budgetOf(100, false);
    budget.start();
    await budget.limit();
    expect(asked).toEqual([]);
  });
});

describePostgres('sessions of ours', () => {
  afterAll(dropTemplate);

  test('are all ended by the server when they are idle in a transaction, and know no filter of rows', async () => {
    const world = await guardWorld();
    const sessions = openServer(world.url, 1);
    onTestFinished(() => sessions.close());
    for (const pool of [sessions.control, sessions.sweep]) {
      const client = await pool.connect();
      const { rows } = await client.query<{ name: string; setting: string }>(
        `SELECT name, current_setting(name) AS setting FROM pg_settings
         WHERE name IN ('idle_in_transaction_session_timeout', 'row_security', 'TimeZone', 'DateStyle')`,
      );
      client.release();
      expect(Object.fromEntries(rows.map(({ name, setting }) => [name, setting]))).toEqual({
        idle_in_transaction_session_timeout: '2s',
        row_security: 'off',
        TimeZone: 'UTC',
        DateStyle: expect.stringContaining('ISO') as string,
      });
    }
  });

  test('that stand still before COMMIT make the application wait for three seconds at most, and count nothing', async () => {
    const world = await guardWorld();
    const keys = await insertOld(world, 20);
    const proxy = await world.proxy();
    const { store } = await world.openAgain(proxy.urlFor(world.url));
    const node = await registered(world);
    const run = await plannedRun(world, node);
    const span = await take(world, run, node);
    const trap = proxy.arm({ when: 'statement', match: commitOfBatch(proxy), action: 'hold' });
    const frozen = batch({ ...world, store, invariants: async () => [] }, run, node, span);
    frozen.catch(() => undefined);
    await trap.waitForHit(5_000);
    const application = await world.session();
    await application.query(`SET statement_timeout = '6s'`);
    const from = performance.now();
    await application.query('UPDATE messages SET processed_at = NULL WHERE id = $1', [keys[4]]);
    expect(performance.now() - from).toBeLessThan(3_000);
    await expect(frozen).rejects.toMatchObject({ nativeCode: '25P03' });
    expect(await world.messageKeys()).toEqual(new Set(keys));
    await world.expireLease(span);
    expect(await finish({ ...world, store }, run, node)).toBe(19);
    expect(await viewOf(world, run)).toMatchObject({ messagesDeleted: 19 });
  });

  /** A planned run with a span in hand, over messages that a predicate takes its time for. */
  async function slowBatch(world: GuardWorld, foreignKeys: 'checked' | 'messages_first', slow: string) {
    const policy = {
      ...world.policy,
      mapping: {
        ...world.policy.mapping,
        foreignKeys,
        processed: `${world.policy.mapping.processed}${slow}`,
      },
    };
    const node = await registered(world);
    const run = await plannedRun({ ...world, policy }, node);
    return { world: { ...world, policy }, run, node, span: await take(world, run, node) };
  }

  test.each(['checked', 'messages_first'] as const)(
    'give a statement up that takes longer than D, and hold nothing any more (%s)',
    async (mode) => {
      const world = await guardWorld();
      const keys = await insertOld(world, 80);
      // Eighty rows of 60 ms: nearly five seconds.
      const slow = await slowBatch(world, mode, ' AND pg_sleep(0.06) IS NOT NULL');
      const from = performance.now();
      await expect(batch(slow.world, slow.run, slow.node, slow.span)).rejects.toMatchObject({ kind: 'slow' });
      expect(performance.now() - from).toBeLessThan(2_500);
      await expectNothingHeld(world);
      expect(await world.messageKeys()).toEqual(new Set(keys));
      // Two rows, even asked for twice, are 240 ms: so small a batch gets through, on the same session.
      expect((await sweptBatch(slow.world, slow.run, slow.node, slow.span, 2)).deleted).toBe(2);
    },
  );

  test('give a later statement only what an earlier one has left of D', async () => {
    const world = await guardWorld();
    const keys = await insertOld(world, 4);
    // 4 × 60 ms to lock the messages, then 4 × 80 ms to delete the receipts: each within D, not both.
    await world.ask(`
      CREATE FUNCTION linger() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN PERFORM pg_sleep(0.08); RETURN OLD; END$$;
      CREATE TRIGGER linger BEFORE DELETE ON message_receipts FOR EACH ROW EXECUTE FUNCTION linger()`);
    const slow = await slowBatch(world, 'checked', ' AND pg_sleep(0.06) IS NOT NULL');
    const proxy = await world.proxy();
    const { store } = await world.openAgain(proxy.urlFor(world.url));
    const limits = (): readonly number[] =>
      proxy.seen.flatMap(({ text }) =>
        [...text.matchAll(/^SET LOCAL statement_timeout = '(\d+)ms'$/g)].map(([, ms]) => Number(ms)),
      );
    // On a machine that is too busy even the lock may take longer than D; then there is no later statement.
    for (let tries = 0; limits().length === 0 && tries < 10; tries += 1) {
      const late = batch({ ...slow.world, store }, slow.run, slow.node, slow.span);
      await expect(late).rejects.toMatchObject({ kind: 'slow' });
    }
    expect(limits().length).toBeGreaterThan(0);
    expect(Math.max(...limits())).toBeLessThanOrEqual(500 - 240);
    await expectNothingHeld(world);
    expect(await world.messageKeys()).toEqual(new Set(keys));
    expect(await world.receiptCount()).toBe(4);
  });

  test('wait for a lock of the application for a tenth of a second, then let everything go', async () => {
    const world = await guardWorld();
    const keys = await insertOld(world, 20);
    const application = await world.session();
    await application.query('BEGIN');
    await application.query('SELECT FROM messages WHERE id = $1 FOR UPDATE', [keys[19]]);
    const node = await registered(world);
    const run = await plannedRun(world, node);
    const span = await take(world, run, node);
    expect(await batch(world, run, node, span)).toEqual({ kind: 'locked' });
    await expectNothingHeld(world, keys[19]);
    // The same session takes the same range; nothing of the first attempt is left in it.
    if (run.plan === null) throw new Error('The run has no plan.');
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
    const answer = await world.store.sweep.batch({ ...request, skipLocked: true, leaseMs });
    expect(answer).toMatchObject({ kind: 'swept', deleted: 19, skipped: 1 });
    await application.query('ROLLBACK');
    await world.ask(`UPDATE message_gc.span SET due_at = now()`);
    expect(await finish(world, run, node)).toBe(1);
    expect(await world.messageKeys()).toEqual(new Set());
    await expectSound(world);
  });

  test('let everything go after a batch that was given up because its plan changed', async () => {
    const world = await guardWorld();
    const keys = await insertOld(world, 20);
    const node = await registered(world);
    const run = await plannedRun(world, node);
    const span = await take(world, run, node);
    await world.ask('CREATE TABLE notes (message_id bigint REFERENCES messages (id))');
    expect(await batch(world, run, node, span)).toMatchObject({ kind: 'plan_changed' });
    await expectNothingHeld(world);
    expect(await world.messageKeys()).toEqual(new Set(keys));
    await world.ask('DROP TABLE notes');
    expect(await sweptBatch(world, run, node, span)).toMatchObject({ deleted: 20, before: { deleted: 0 } });
    expect(await viewOf(world, run)).toMatchObject({ messagesDeleted: 20 });
  });

  /** Every row (but one that the test holds itself) can be locked at once, and no session is in a transaction. */
  async function expectNothingHeld(world: GuardWorld, except = '-1'): Promise<void> {
    const free = await world.ask('SELECT id FROM messages WHERE id <> $1 FOR UPDATE SKIP LOCKED', [except]);
    const [all] = await world.ask<{ n: number }>('SELECT count(*)::int AS n FROM messages WHERE id <> $1', [
      except,
    ]);
    expect(free).toHaveLength(all?.n ?? -1);
    const open = await world.ask(
      `SELECT state, query FROM pg_stat_activity
       WHERE datname = current_database() AND application_name = 'message-gc' AND state LIKE 'idle in transaction%'`,
    );
    expect(open).toEqual([]);
  }
});

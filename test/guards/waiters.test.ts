import { afterAll, expect, onTestFinished, test } from 'vitest';
import type { BatchAnswer } from '../../src/core/ports.js';
import type { Run, Span } from '../../src/core/run.js';
import type { NodeIdentity, Store } from '../../src/core/ports.js';
import { describePostgres } from '../engines.js';
import {
  expectSound,
  finish,
  insertOld,
  leaseMs,
  plannedRun,
  registered,
  take,
  viewOf,
} from '../conformance/drive.js';
import { commitOfBatch, type Seen } from '../harness/pg-proxy.js';
import { until } from '../harness/wait.js';
import { dropTemplate, guardWorld, type GuardWorld } from './world.js';

/** A batch that takes long ends as soon as somebody waits for it, and nothing else is ever ended with it. */
describePostgres('a session of the application that waits for a batch', () => {
  afterAll(dropTemplate);

  /** Receipts whose deletion takes its time, so that a batch holds its messages for long. */
  async function lingering(rows: number, msEach: number) {
    const world = await guardWorld();
    const keys = await insertOld(world, rows);
    await world.ask(`
      CREATE FUNCTION linger() RETURNS trigger LANGUAGE plpgsql AS
        $$BEGIN PERFORM pg_sleep(${msEach / 1_000}); RETURN OLD; END$$;
      CREATE TRIGGER linger BEFORE DELETE ON message_receipts FOR EACH ROW EXECUTE FUNCTION linger()`);
    const node = await registered(world);
    const run = await plannedRun(world, node);
    return { world, keys, node, run, span: await take(world, run, node) };
  }

  /** The same trigger, so that the plan still holds, and no lingering any more. */
  async function goOn(world: GuardWorld, span: Span): Promise<void> {
    await world.ask(
      `CREATE OR REPLACE FUNCTION linger() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN RETURN OLD; END$$`,
    );
    await world.expireLease(span);
  }

  function yielding(
    world: GuardWorld,
    { run, node, span, size }: { run: Run; node: NodeIdentity; span: Span; size: number },
    { store = world.store, yields = true }: { store?: Store; yields?: boolean } = {},
  ): Promise<BatchAnswer> {
    if (run.plan === null) throw new Error('The run has no plan.');
    return store.sweep.batch({
      run,
      policy: world.policy,
      plan: run.plan,
      span,
      node,
      size,
      skipGap: false,
      skipLocked: false,
      yields,
      leaseMs,
    });
  }

  /** Waits until the batch has rows, and then for one of them. */
  async function touch(world: GuardWorld, key: string | undefined): Promise<number> {
    const application = await world.session();
    await application.query(`SET lock_timeout = '10s'`);
    await until('the batch to hold rows', 5_000, async () => {
      const [held] = await world.ask<{ n: number }>(
        `SELECT count(*)::int AS n FROM pg_locks l JOIN pg_stat_activity a USING (pid)
         WHERE a.datname = (SELECT datname FROM pg_database WHERE datname = current_database())
           AND a.application_name = 'message-gc' AND l.relation = 'message_receipts'::regclass AND l.granted`,
      );
      return (held?.n ?? 0) > 0;
    });
    const from = performance.now();
    await application.query('UPDATE messages SET processed_at = NULL WHERE id = $1', [key]);
    return performance.now() - from;
  }

  test('makes the batch give everything back, and goes on; the batch is tried again and the number is exact', async () => {
    const { world, keys, ...batch } = await lingering(40, 11);
    const answer = yielding(world, { ...batch, size: 1_000 });
    await touch(world, keys[39]);
    expect(await answer).toEqual({ kind: 'waited_for', sessions: 1 });
    const [kept] = await world.ask<{ n: number }>(
      'SELECT count(*)::int AS n FROM messages WHERE processed_at IS NULL',
    );
    expect(kept?.n).toBe(1);
    expect(await world.messageKeys()).toEqual(new Set(keys));
    await expectSound(world);
    await goOn(world, batch.span);
    // The same session, and nothing of the cancel is left in it.
    expect(await finish(world, batch.run, batch.node)).toBe(39);
    expect(await viewOf(world, batch.run)).toMatchObject({ messagesDeleted: 39 });
  });

  test('waits for the end of a batch that cannot be made smaller', async () => {
    const { world, keys, ...batch } = await lingering(20, 11);
    const answer = yielding(world, { ...batch, size: 1_000 }, { yields: false });
    await touch(world, keys[19]);
    expect(await answer).toMatchObject({ kind: 'swept', deleted: 20 });
  });

  test('is not looked for while a batch is short', async () => {
    const world = await guardWorld();
    await insertOld(world, 20);
    const proxy = await world.proxy();
    const { store } = await world.openAgain(proxy.urlFor(world.url));
    const node = await registered(world);
    const run = await plannedRun(world, node);
    const span = await take(world, run, node);
    const held = proxy.arm({ when: 'statement', match: /DELETE FROM .*"messages"/, action: 'pass' });
    expect(await yielding(world, { run, node, span, size: 1_000 }, { store })).toMatchObject({ deleted: 20 });
    await held.waitForHit(1_000);
    expect(proxy.seen.filter(looks)).toEqual([]);
  });

  test('that comes when COMMIT is under way does not end the batch: its outcome stays known', async () => {
    const world = await guardWorld();
    const keys = await insertOld(world, 20);
    // COMMIT takes half a second, with every lock still held.
    await world.ask(`
      CREATE FUNCTION linger() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN PERFORM pg_sleep(0.4); RETURN NULL; END$$;
      CREATE CONSTRAINT TRIGGER linger AFTER UPDATE ON message_gc.tally DEFERRABLE INITIALLY DEFERRED
        FOR EACH ROW EXECUTE FUNCTION linger();
      ALTER TABLE message_gc.tally ENABLE ALWAYS TRIGGER linger`);
    const proxy = await world.proxy();
    const { store } = await world.openAgain(proxy.urlFor(world.url));
    const node = await registered(world);
    const run = await plannedRun(world, node);
    const span = await take(world, run, node);
    const committing = proxy.arm({ when: 'statement', match: commitOfBatch(proxy), action: 'pass' });
    const answer = yielding(world, { run, node, span, size: 1_000 }, { store });
    await committing.waitForHit(5_000);
    await touch(world, keys[3]);
    expect(await answer).toMatchObject({ kind: 'swept', deleted: 20 });
    expect(proxy.seen.filter(({ text }) => text.includes('pg_cancel_backend'))).toEqual([]);
    expect(await finish(world, run, node)).toBe(0);
    expect(await viewOf(world, run)).toMatchObject({ messagesDeleted: 20 });
  });

  test('is left alone by a cancel that nobody answers: the session of the batch is thrown away, nothing is counted', async () => {
    const { world, keys, ...batch } = await lingering(40, 11);
    const proxy = await world.proxy();
    const { store } = await world.openAgain(proxy.urlFor(world.url));
    const cancelled = proxy.arm({
      when: 'statement',
      match: ({ text }) => text.includes('pg_cancel_backend'),
      action: 'hold',
      onHit: (hit) => hit.cut(),
    });
    const answer = yielding(world, { ...batch, size: 1_000 }, { store });
    answer.catch(() => undefined);
    await touch(world, keys[39]);
    await cancelled.waitForHit(1_000);
    await expect(answer).rejects.toMatchObject({ kind: 'unreachable', nativeCode: 'CANCEL' });
    expect(await world.messageKeys()).toEqual(new Set(keys));
    await expectSound(world);
    await goOn(world, batch.span);
    expect(await finish({ ...world, store }, batch.run, batch.node)).toBe(39);
  });

  test('of our own nodes is no reason to end a batch', async () => {
    const { world, ...batch } = await lingering(30, 11);
    const answer = yielding(world, { ...batch, size: 1_000 });
    const other = await world.session();
    await other.query(`SET application_name = 'message-gc'`);
    onTestFinished(() => other.query('ROLLBACK').then(() => undefined));
    await until('the batch to hold its span', 5_000, async () => {
      const free = await other.query('SELECT FROM message_gc.span FOR UPDATE SKIP LOCKED');
      return free.rowCount === 0;
    });
    await other.query('UPDATE message_gc.span SET attempts = attempts');
    expect(await answer).toMatchObject({ kind: 'swept', deleted: 30 });
  });
});

const looks = ({ text }: Seen): boolean => text.includes('pg_blocking_pids');

import { afterAll, expect, test } from 'vitest';
import { StoreError } from '../../src/core/errors.js';
import type { BatchAnswer, Store } from '../../src/core/ports.js';
import { describePostgres } from '../engines.js';
import {
  endComplete,
  finish,
  insertOld,
  leaseMs,
  plannedRun,
  registered,
  renderCallback,
  take,
  viewOf,
} from '../conformance/drive.js';
import { commitOfBatch, type PgProxy, type Seen, statements } from '../harness/pg-proxy.js';
import { until } from '../harness/wait.js';
import { workshop } from './collect.js';
import { dropTemplate, guardWorld, type GuardWorld } from './world.js';

/**
 * A connection that is lost in the middle of a transaction, at each place where its outcome matters. The rows, their
 * count and the cursor are one transaction, and so are the end and its callback: after every loss either all of it
 * happened or nothing did, and whoever goes on finds out which.
 */
describePostgres('a connection that is lost', () => {
  afterAll(dropTemplate);

  async function behindProxy(
    world: GuardWorld,
  ): Promise<{ proxy: PgProxy; store: Store; facts: GuardWorld['facts'] }> {
    const proxy = await world.proxy();
    return { proxy, ...(await world.openAgain(proxy.urlFor(world.url))) };
  }

  const tally = () => (seen: Seen) => /UPDATE message_gc\.tally SET deleted/.test(seen.text);

  test.each([
    ['when the rows are gone and their count is not written', 'statement', tally],
    ['before COMMIT reaches the server', 'statement', commitOfBatch],
    ['after COMMIT, before its answer', 'answer', commitOfBatch],
  ] as const)('%s leaves the count exact, and the run goes on', async (_words, when, match) => {
    const world = await guardWorld();
    await insertOld(world, 100, 2);
    const { proxy, store, facts } = await behindProxy(world);
    const trap = proxy.arm({ when, match: match(proxy), skip: 2, action: 'cut' });
    const shop = await workshop({ store, facts, policy: world.policy, size: 20 });
    const run = await shop.collect();
    expect(trap.hasHit()).toBe(true);
    expect(shop.gaveUp).toContain('unreachable');
    expect(run).toMatchObject({
      state: 'complete',
      messagesDeleted: 100,
      dependentsDeleted: { message_receipts: 200 },
    });
    expect(await world.messageKeys()).toEqual(new Set());
    expect(await world.receiptCount()).toBe(0);
    // What the process counted itself, for its meters and --max-rows, includes the batch whose answer was lost.
    expect(shop.counted.messages).toBe(100);
    expect(await world.invariants()).toEqual([]);
  });

  test('with a COMMIT that is still under way makes the next batch wait for it and see its outcome', async () => {
    const world = await guardWorld();
    const keys = await insertOld(world, 40, 2);
    const { proxy, store } = await behindProxy(world);
    // A COMMIT that takes a while: the lost transaction is neither over nor rolled back when the next batch begins.
    await world.ask(`
      CREATE FUNCTION linger() RETURNS trigger LANGUAGE plpgsql AS
        $$BEGIN IF NEW.batches = 1 THEN PERFORM pg_sleep(0.3); END IF; RETURN NULL; END$$;
      CREATE CONSTRAINT TRIGGER linger AFTER UPDATE ON message_gc.tally DEFERRABLE INITIALLY DEFERRED
        FOR EACH ROW EXECUTE FUNCTION linger();
      ALTER TABLE message_gc.tally ENABLE ALWAYS TRIGGER linger`);
    const node = await registered(world);
    const run = await plannedRun(world, node);
    if (run.plan === null) throw new Error('The run has no plan.');
    const span = await take(world, run, node);
    const request = {
      run,
      policy: world.policy,
      plan: run.plan,
      span,
      node,
      size: 10,
      skipGap: false,
      yields: false,
      leaseMs,
    };
    const trap = proxy.arm({
      when: 'statement',
      match: commitOfBatch(proxy),
      action: 'pass',
      // In the same tick: the server has the COMMIT, and nobody will hear its answer.
      onHit: (hit) => hit.cut(),
    });
    await expect(store.sweep.batch({ ...request, skipLocked: false })).rejects.toMatchObject({
      kind: 'unreachable',
    });
    expect(trap.hasHit()).toBe(true);
    expect(await world.messageKeys()).toEqual(new Set(keys));

    let next: BatchAnswer = { kind: 'locked' };
    for (let tries = 0; next.kind !== 'swept' && tries < 50; tries += 1) {
      next = await store.sweep
        .batch({ ...request, skipLocked: next.kind === 'locked' && tries > 0 })
        .catch((error: unknown): BatchAnswer => {
          if (!(error instanceof StoreError) || error.kind === 'unreachable') throw error;
          return { kind: 'locked' };
        });
    }
    // Whether the server carried the COMMIT out (it does, but for a machine so busy that its time ran out) is not
    // for us to say; the next batch must have seen what happened.
    const happened = 40 - (next.kind === 'swept' ? next.deleted : 0) - (await world.messageKeys()).size;
    expect(next).toMatchObject({ kind: 'swept', before: { deleted: happened } });
    await world.expireLease(span);
    await finish(world, run, node);
    expect(await endComplete(world, run)).toBe(true);
    expect(await viewOf(world, run)).toMatchObject({
      state: 'complete',
      messagesDeleted: 40,
      dependentsDeleted: { message_receipts: 80 },
    });
    expect(await world.invariants()).toEqual([]);
  });

  test.each([
    ['after its COMMIT, before the answer', 'answer'],
    ['before its COMMIT', 'statement'],
  ] as const)('at the end of a run, %s, leaves no run that is over and untold', async (_words, when) => {
    const world = await guardWorld();
    await insertOld(world, 10);
    const { proxy, store } = await behindProxy(world);
    const node = await registered(world);
    const run = await plannedRun(world, node);
    await finish(world, run, node);
    let ending = -1;
    const trap = proxy.arm({
      when,
      match: (seen) => {
        if (statements.ending(seen)) ending = seen.connection;
        return seen.connection === ending && statements.commit(seen);
      },
      action: 'cut',
    });
    await expect(endComplete({ ...world, store }, run)).rejects.toMatchObject({ kind: 'unreachable' });
    expect(trap.hasHit()).toBe(true);
    // The server learns of the cut by itself: until then the transaction is open.
    await until('the lost session to be gone', 10_000, async () => {
      const open = await world.ask(
        `SELECT FROM pg_stat_activity WHERE datname = current_database() AND state LIKE 'idle in transaction%'`,
      );
      return open.length === 0;
    });
    const told = [renderCallback({ node: null, messagesDeleted: 10, outcome: 'complete', error: null })];
    const bodies = async () => (await world.outboxRows()).map(({ body }) => body);
    const isOver = (await world.store.ledger.active()) === null;
    expect(isOver).toBe(when === 'answer');
    expect(await bodies()).toEqual(isOver ? told : []);
    // Asked again, as whoever lost the answer does: ended by "another", or ended now; told once in either case.
    expect(await endComplete({ ...world, store }, run)).toBe(!isOver);
    expect(await bodies()).toEqual(told);
    expect(await world.invariants()).toEqual([]);
  });
});

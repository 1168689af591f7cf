import { expect, it } from 'vitest';
import {
  ages,
  batch,
  dependentsOf,
  everything,
  finish,
  insertOld,
  leaseMs,
  plannedRun,
  registered,
  sweptBatch,
  take,
  viewOf,
} from './drive.js';
import type { InWorld } from './exercise-store.js';

export function sweepSentences(inWorld: InWorld): void {
  it(
    'each batch counts exactly what it deleted, with dependents apart',
    inWorld(async (world) => {
      const { old } = ages(world);
      await world.insertMessages(
        Array.from({ length: 30 }, (_, i) => ({
          processedAgoSeconds: i % 3 === 0 ? null : old,
          receipts: i % 4,
        })),
      );
      const node = await registered(world);
      const run = await plannedRun(world, node);
      const span = await take(world, run, node);
      let [messages, receipts] = [(await world.messageKeys()).size, await world.receiptCount()];
      let [deleted, batches, dependents] = [0, 0, 0];
      for (let done = false; !done; ) {
        const answer = await sweptBatch(world, run, node, span, 7);
        expect(answer.before).toEqual({ deleted, batches });
        const [messagesNow, receiptsNow] = [(await world.messageKeys()).size, await world.receiptCount()];
        expect(answer.deleted).toBe(messages - messagesNow);
        expect(dependentsOf(answer.dependents)).toBe(receipts - receiptsNow);
        expect(await world.orphanReceipts()).toBe(0);
        [messages, receipts] = [messagesNow, receiptsNow];
        deleted += answer.deleted;
        dependents += dependentsOf(answer.dependents);
        batches += 1;
        expect(batches).toBeLessThan(100);
        done = answer.spanDone;
      }
      expect(deleted).toBe(20);
      const view = await viewOf(world, run);
      expect(view.messagesDeleted).toBe(20);
      expect(dependentsOf(view.dependentsDeleted)).toBe(dependents);
      expect(view.batches).toBe(batches);
    }),
  );

  it(
    'messages that are not processed, too young or dated in the future stay',
    inWorld(async (world) => {
      const { old, young, future } = ages(world);
      const keys = await world.insertMessages(
        [null, old, young, future, old].map((processedAgoSeconds) => ({ processedAgoSeconds, receipts: 1 })),
      );
      const node = await registered(world);
      const run = await plannedRun(world, node);
      expect(await finish(world, run, node)).toBe(2);
      expect(await world.messageKeys()).toEqual(new Set([keys[0], keys[2], keys[3]]));
      expect(await world.receiptCount()).toBe(3);
    }),
  );

  it(
    'messages that arrive after the plan, above its range, stay for the next run',
    inWorld(async (world) => {
      const { young } = ages(world);
      await insertOld(world, 10);
      const node = await registered(world);
      const run = await plannedRun(world, node);
      const later = await world.insertMessages(
        Array.from({ length: 5 }, () => ({ processedAgoSeconds: young, receipts: 1 })),
      );
      expect(await finish(world, run, node)).toBe(10);
      expect(await world.messageKeys()).toEqual(new Set(later));
    }),
  );

  it(
    'a batch walks no more than it may, and the cursor never goes back',
    inWorld(async (world) => {
      await insertOld(world, 30);
      const node = await registered(world);
      const run = await plannedRun(world, node);
      const span = await take(world, run, node);
      const sizes: number[] = [];
      for (let done = false; !done; ) {
        const answer = await sweptBatch(world, run, node, span, 4);
        expect(answer.walked).toBeGreaterThanOrEqual(0);
        expect(answer.walked).toBeLessThanOrEqual(4);
        if (run.plan?.walk === 'key') expect(answer.deleted).toBeLessThanOrEqual(4);
        sizes.push(answer.deleted);
        expect(sizes.length).toBeLessThan(200);
        done = answer.spanDone;
      }
      expect(sizes.reduce((sum, size) => sum + size, 0)).toBe(30);
      expect((await viewOf(world, run)).share).toBe(1);
    }),
  );

  it(
    'skipping gaps loses no message',
    inWorld(async (world) => {
      const { old } = ages(world);
      await world.insertMessages(
        Array.from({ length: 30 }, (_, i) => ({
          processedAgoSeconds: i > 5 && i < 25 ? null : old,
          receipts: 0,
        })),
      );
      const node = await registered(world);
      const run = await plannedRun(world, node);
      if (run.plan === null) throw new Error('The run has no plan.');
      const span = await take(world, run, node);
      let deleted = 0;
      for (let step = 0, done = false; !done; step += 1) {
        const answer = await world.store.sweep.batch({
          run,
          policy: world.policy,
          plan: run.plan,
          span,
          node,
          size: 3,
          skipGap: true,
          yields: false,
          skipLocked: false,
          leaseMs,
        });
        if (answer.kind !== 'swept') throw new Error(`The batch answered ${answer.kind}.`);
        deleted += answer.deleted;
        expect(step).toBeLessThan(200);
        done = answer.spanDone;
      }
      expect(deleted).toBe(11);
    }),
  );

  it(
    'the batch of a paused run answers so and deletes nothing, until it is resumed',
    inWorld(async (world) => {
      const keys = await insertOld(world, 10);
      const node = await registered(world);
      const run = await plannedRun(world, node);
      const span = await take(world, run, node);
      await world.store.ledger.steer({ paused: true, by: 'admin' });
      expect(await batch(world, run, node, span)).toEqual({ kind: 'paused' });
      expect(await world.messageKeys()).toEqual(new Set(keys));
      expect((await viewOf(world, run)).state).toBe('paused');
      await world.store.ledger.steer({ paused: false, by: 'admin' });
      expect((await sweptBatch(world, run, node, span)).deleted).toBe(10);
    }),
  );

  it(
    'a changed rate reaches the next batch',
    inWorld(async (world) => {
      await insertOld(world, 10);
      const node = await registered(world);
      const run = await plannedRun(world, node);
      const span = await take(world, run, node);
      await world.store.ledger.steer({ maxRate: 123, by: 'admin' });
      expect((await sweptBatch(world, run, node, span)).maxRate).toBe(123);
    }),
  );

  it(
    'of two batches of one span at once, each message is counted by one',
    inWorld(async (world) => {
      await insertOld(world, 40);
      const node = await registered(world);
      const run = await plannedRun(world, node);
      const span = await take(world, run, node);
      const answers = await Promise.all([
        batch(world, run, node, span, 20),
        batch(world, run, node, span, 20),
      ]);
      const deleted = answers.reduce(
        (sum, answer) => sum + (answer.kind === 'swept' ? answer.deleted : 0),
        0,
      );
      expect((await world.messageKeys()).size).toBe(40 - deleted);
      expect(deleted).toBeGreaterThan(0);
    }),
  );

  it(
    'a span that is done has nothing more to give',
    inWorld(async (world) => {
      await insertOld(world, 10);
      const node = await registered(world);
      const run = await plannedRun(world, node);
      const span = await take(world, run, node);
      expect((await sweptBatch(world, run, node, span, 1_000)).spanDone).toBe(true);
      expect(await batch(world, run, node, span)).toEqual({ kind: 'lost' });
      await finish(world, run, node);
      expect(await world.store.ledger.take(run, node, everything, leaseMs)).toEqual({ kind: 'nothing_left' });
    }),
  );
}

import { expect, it } from 'vitest';
import { policyHash } from '../../src/core/policy.js';
import {
  batch,
  everything,
  expectSound,
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

export function spanSentences(inWorld: InWorld): void {
  it(
    'two nodes take disjoint spans, and together they do all of it',
    inWorld(async (world) => {
      await insertOld(world, 60);
      const [a, b] = [await registered(world), await registered(world)];
      const run = await plannedRun(world, a);
      const spanA = await take(world, run, a, { units: 10, share: 1, least: 1 });
      const spanB = await world.store.ledger.take(run, b, everything, leaseMs);
      // In a walk by blocks the whole table may be one unit, which only one of them can have.
      const deletedB =
        spanB.kind === 'span' && spanB.span.kind === 'walk'
          ? (await sweptBatch(world, run, b, spanB.span)).deleted
          : 0;
      if (spanB.kind === 'span') expect(spanB.span.no).not.toBe(spanA.no);
      const deletedA = (await sweptBatch(world, run, a, spanA)).deleted;
      const rest = await finish(world, run, a);
      expect(deletedA + deletedB + rest).toBe(60);
      if (run.plan?.walk === 'key') expect(Math.min(deletedA, deletedB)).toBeGreaterThan(0);
      const view = await viewOf(world, run);
      expect(view.nodes[a.name]?.messagesDeleted).toBe(deletedA + rest);
      expect(view.nodes[b.name]?.messagesDeleted ?? 0).toBe(deletedB);
    }),
  );

  it(
    'a share keeps only that part of what is left',
    inWorld(async (world) => {
      // Enough that a store may refuse to cut off crumbs (a thousand keys, say) and still has to cut.
      await insertOld(world, 4_000, 0);
      const [a, b] = [await registered(world), await registered(world)];
      const run = await plannedRun(world, a);
      const span = await take(world, run, a);
      const first = await sweptBatch(world, run, a, span, 10);
      await world.store.ledger.putBack(run, span, { units: 1_000_000, share: 0.5, least: 1 });
      await expectSound(world);
      const half = first.spanDone ? first : await sweptBatch(world, run, a, span, 10_000);
      const deleted = first === half ? first.deleted : first.deleted + half.deleted;
      if (run.plan?.walk === 'key') {
        expect(deleted).toBeGreaterThan(1_000);
        expect(deleted).toBeLessThan(3_000);
      }
      expect(deleted + (await finish(world, run, b, 10_000))).toBe(4_000);
    }),
  );

  it(
    'a leased span is given to nobody else while its lease lasts',
    inWorld(async (world) => {
      await insertOld(world, 10);
      const [a, b] = [await registered(world), await registered(world)];
      const run = await plannedRun(world, a);
      await take(world, run, a);
      const answer = await world.store.ledger.take(run, b, everything, leaseMs);
      expect(answer).toMatchObject({ kind: 'wait', onlyParked: false });
      if (answer.kind === 'wait') expect(answer.ms).toBeGreaterThan(0);
      expect((await viewOf(world, run)).nodes[a.name]?.state).toBe('working');
    }),
  );

  it(
    'a span that was taken over refuses its former owner, whose batch deletes nothing',
    inWorld(async (world) => {
      const keys = await insertOld(world, 10);
      const [a, b] = [await registered(world), await registered(world)];
      const run = await plannedRun(world, a);
      const before = await take(world, run, a);
      await world.expireLease(before);
      const after = await take(world, run, b);
      expect(after.no).toBe(before.no);
      expect(after.fence).toBeGreaterThan(before.fence);
      expect(after.attempts).toBe(before.attempts + 1);
      expect(await batch(world, run, a, before)).toEqual({ kind: 'lost' });
      expect(await world.messageKeys()).toEqual(new Set(keys));
      expect((await sweptBatch(world, run, b, after)).deleted).toBe(10);
    }),
  );

  it(
    'a lease that ran out and that nobody took is renewed by the next batch',
    inWorld(async (world) => {
      await insertOld(world, 10);
      const [a, b] = [await registered(world), await registered(world)];
      const run = await plannedRun(world, a);
      const span = await take(world, run, a);
      await world.expireLease(span);
      const first = await sweptBatch(world, run, a, span, 1);
      if (first.spanDone) return;
      expect((await world.store.ledger.take(run, b, everything, leaseMs)).kind).toBe('wait');
    }),
  );

  it(
    'a release makes the span takeable at once, and the former owner has lost it',
    inWorld(async (world) => {
      await insertOld(world, 10);
      const [a, b] = [await registered(world), await registered(world)];
      const run = await plannedRun(world, a);
      const held = await take(world, run, a);
      await world.store.ledger.release(held, 0, false);
      await expectSound(world);
      expect(await batch(world, run, a, held)).toEqual({ kind: 'lost' });
      const span = await take(world, run, b);
      expect(span).toMatchObject({ no: held.no, attempts: held.attempts });
      expect((await sweptBatch(world, run, b, span)).deleted).toBe(10);
    }),
  );

  it(
    'a span released with a wait is given out only when it is due, and a failure counts as an attempt',
    inWorld(async (world) => {
      await insertOld(world, 10);
      const node = await registered(world);
      const run = await plannedRun(world, node);
      const held = await take(world, run, node);
      await world.store.ledger.release(held, 60_000, true);
      const answer = await world.store.ledger.take(run, node, everything, leaseMs);
      expect(answer).toMatchObject({ kind: 'wait' });
      // Not due and still unfinished: the run must not be taken for done.
      expect(await world.store.ledger.end(run.id, completeQuietly)).toBe(false);
      await expectSound(world);
    }),
  );

  it(
    'a release by somebody who has lost the span changes nothing',
    inWorld(async (world) => {
      await insertOld(world, 10);
      const [a, b] = [await registered(world), await registered(world)];
      const run = await plannedRun(world, a);
      const lost = await take(world, run, a);
      await world.expireLease(lost);
      const span = await take(world, run, b);
      await world.store.ledger.release(lost, 0, true);
      expect((await sweptBatch(world, run, b, span)).deleted).toBe(10);
    }),
  );

  it(
    'what is put back is done by another, and counts once',
    inWorld(async (world) => {
      await insertOld(world, 40);
      const [a, b] = [await registered(world), await registered(world)];
      const run = await plannedRun(world, a);
      const held = await take(world, run, a);
      const split = await world.store.ledger.putBack(run, held, { units: 10, share: 1, least: 1 });
      await expectSound(world);
      if (run.plan?.walk === 'key') expect(split).toBe(true);
      const mine = await sweptBatch(world, run, a, held);
      expect(mine.spanDone).toBe(true);
      expect(mine.deleted + (await finish(world, run, b))).toBe(40);
    }),
  );

  it(
    'a span no longer than the chunk is not split, and a lost span cannot be',
    inWorld(async (world) => {
      await insertOld(world, 10);
      const node = await registered(world);
      const run = await plannedRun(world, node);
      const held = await take(world, run, node);
      expect(await world.store.ledger.putBack(run, held, everything)).toBe(false);
      await world.store.ledger.release(held, 0, false);
      expect(await world.store.ledger.putBack(run, held, { units: 1, share: 1, least: 1 })).toBe(false);
      await expectSound(world);
    }),
  );

  it(
    'registering again gives back what an earlier life of the node held',
    inWorld(async (world) => {
      await insertOld(world, 10);
      const earlier = await registered(world, 'wacore:0123456789ab');
      const run = await plannedRun(world, earlier);
      const held = await take(world, run, earlier);
      const later = await registered(world, earlier.name);
      await expectSound(world);
      expect(await batch(world, run, earlier, held)).toEqual({ kind: 'lost' });
      const span = await take(world, run, later);
      expect((await sweptBatch(world, run, later, span)).deleted).toBe(10);
    }),
  );

  it(
    'registering takes nothing from other nodes',
    inWorld(async (world) => {
      await insertOld(world, 10);
      const node = await registered(world);
      const run = await plannedRun(world, node);
      const held = await take(world, run, node);
      await registered(world);
      expect((await sweptBatch(world, run, node, held)).deleted).toBe(10);
    }),
  );

  it(
    "a displaced node's heartbeat answers false, and its leaving removes nobody",
    inWorld(async (world) => {
      const { ledger } = world.store;
      const earlier = await registered(world, 'wacore:0123456789ab');
      expect(await ledger.beat(earlier)).toBe(true);
      const later = await registered(world, earlier.name);
      expect(await ledger.beat(earlier)).toBe(false);
      expect(await ledger.beat(later)).toBe(true);
      await ledger.leave(earlier);
      expect(await ledger.nodes(60_000)).toEqual([
        { ...later, policyHash: policyHash(world.policy), silentMs: expect.any(Number) },
      ]);
      await ledger.leave(later);
      expect(await ledger.nodes(60_000)).toEqual([]);
    }),
  );
}

const completeQuietly = { outcome: 'complete', error: null, renderCallback: () => '', tell: true } as const;

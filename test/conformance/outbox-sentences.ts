import { expect, it } from 'vitest';
import type { Callback } from '../../src/core/ports.js';
import { endComplete, expectSound, registered, startRequest } from './drive.js';
import type { InWorld } from './exercise-store.js';
import type { World } from './world.js';

const claimMs = 600_000;

export function outboxSentences(inWorld: InWorld): void {
  it(
    'without callbacks nothing is due',
    inWorld(async (world) => {
      const { outbox } = world.store;
      expect(await outbox.claimDue(10, claimMs)).toEqual([]);
      expect(await outbox.nextDueMs()).toBeNull();
      expect(await outbox.waiting()).toBe(0);
    }),
  );

  it(
    'a claim gives the callback with its body, and the requests that joined its run',
    inWorld(async (world) => {
      const node = await registered(world);
      const [first, second] = [startRequest(node, world), startRequest(node, world)];
      await world.store.ledger.start(first);
      await world.store.ledger.start(second);
      await endComplete(world, { id: first.requestId });
      const [row] = await world.outboxRows();
      expect(await world.store.outbox.nextDueMs()).toBe(0);
      expect(await world.store.outbox.claimDue(10, claimMs)).toEqual([
        {
          id: row?.id,
          run: first.requestId,
          body: row?.body,
          attempts: 1,
          joinedRequests: [second.requestId],
        },
      ]);
    }),
  );

  it(
    'a callback of a run that began on another server waits for an operator',
    inWorld(async (world) => {
      const node = await registered(world);
      const request = startRequest(node, world, { server: 'where this database was copied from' });
      await world.store.ledger.start(request);
      await endComplete(world, { id: request.requestId });
      expect(await world.store.outbox.claimDue(10, claimMs)).toEqual([]);
      expect(await world.store.outbox.nextDueMs()).toBeNull();
      const [row] = await world.outboxRows();
      expect(row).toMatchObject({ state: 'waiting' });
      expect(await world.store.outbox.waiting()).toBe(1);
    }),
  );

  it(
    'a claim is exclusive, also when many ask at once',
    inWorld(async (world) => {
      await endedRuns(world, 5);
      const { outbox } = world.store;
      const claims = (await Promise.all(Array.from({ length: 6 }, () => outbox.claimDue(2, claimMs)))).flat();
      const ids = claims.map((callback) => callback.id);
      expect(new Set(ids).size).toBe(ids.length);
      const rest = await outbox.claimDue(10, claimMs);
      expect(new Set([...ids, ...rest.map((callback) => callback.id)]).size).toBe(5);
      expect(await outbox.claimDue(10, claimMs)).toEqual([]);
      expect(await outbox.waiting()).toBe(5);
    }),
  );

  it(
    'a refused callback is due again after its delay, with the same id and body',
    inWorld(async (world) => {
      const { outbox } = world.store;
      const first = await claimed(world);
      await outbox.refused(first, 60_000, 503, 'the receiver answered 503');
      expect(await outbox.claimDue(10, claimMs)).toEqual([]);
      const due = await outbox.nextDueMs();
      expect(due).toBeGreaterThan(30_000);
      expect(due).toBeLessThanOrEqual(60_000);
      expect(await outbox.forRun(first.run)).toEqual([
        {
          id: first.id,
          state: 'waiting',
          attempts: 1,
          lastStatus: 503,
          lastError: 'the receiver answered 503',
        },
      ]);
      await expectSound(world);
    }),
  );

  it(
    'a callback that is refused without a delay is claimed again as the next attempt',
    inWorld(async (world) => {
      const { outbox } = world.store;
      const first = await claimed(world);
      await outbox.refused(first, 0, null, 'connection refused');
      expect(await outbox.claimDue(10, claimMs)).toEqual([{ ...first, attempts: 2 }]);
    }),
  );

  it(
    'a claim that is renewed lasts, also one that had run out before anybody took it; what its sender has in hand is not claimed',
    inWorld(async (world) => {
      const { outbox } = world.store;
      const first = await claimed(world);
      await world.expireClaims();
      expect(await outbox.claimDue(10, claimMs, [first.id])).toEqual([]);
      await outbox.renew(first, claimMs);
      expect(await outbox.claimDue(10, claimMs)).toEqual([]);
      await world.expireClaims();
      expect(await outbox.claimDue(10, claimMs)).toEqual([{ ...first, attempts: 2 }]);
    }),
  );

  it(
    'a claim that is over is not renewed: another sender has it, it was refused, it was delivered',
    inWorld(async (world) => {
      const { outbox } = world.store;
      const first = await claimed(world);
      await world.expireClaims();
      const [second] = await outbox.claimDue(10, claimMs);
      await world.expireClaims();
      await outbox.renew(first, claimMs);
      const [third] = await outbox.claimDue(10, claimMs);
      expect(third).toEqual({ ...second, attempts: 3 });
      if (third === undefined) throw new Error('the third attempt was not claimed');
      await outbox.refused(third, 0, 500, 'refused');
      await outbox.renew(third, claimMs);
      const [fourth] = await outbox.claimDue(10, claimMs);
      expect(fourth).toEqual({ ...first, attempts: 4 });
      await outbox.delivered(first.id, 200);
      await outbox.renew({ ...first, attempts: 4 }, claimMs);
      expect(await outbox.waiting()).toBe(0);
    }),
  );

  it(
    'delivered is final: it is not claimed, refused or delivered again',
    inWorld(async (world) => {
      const { outbox } = world.store;
      const callback = await claimed(world);
      await outbox.delivered(callback.id, 200);
      await outbox.refused(callback, 0, 500, 'too late');
      await world.expireClaims();
      expect(await outbox.claimDue(10, claimMs)).toEqual([]);
      expect(await outbox.waiting()).toBe(0);
      expect(await outbox.nextDueMs()).toBeNull();
      expect(await outbox.forRun(callback.run)).toMatchObject([
        { state: 'delivered', attempts: 1, lastStatus: 200 },
      ]);
    }),
  );

  it(
    'a claim that ran out is claimable again, and its former holder can no longer refuse',
    inWorld(async (world) => {
      const { outbox } = world.store;
      const first = await claimed(world);
      expect(await outbox.claimDue(10, claimMs)).toEqual([]);
      await world.expireClaims();
      const [second, ...others] = await outbox.claimDue(10, claimMs);
      expect(others).toEqual([]);
      expect(second).toEqual({ ...first, attempts: 2 });
      await outbox.refused(first, 0, 500, 'from the first sender');
      expect(await outbox.claimDue(10, claimMs)).toEqual([]);
      // A 200 is a fact, whoever heard it.
      await outbox.delivered(first.id, 200);
      expect(await outbox.waiting()).toBe(0);
    }),
  );

  it(
    'while a callback is claimed the next one is due when the claim runs out',
    inWorld(async (world) => {
      await claimed(world);
      const due = await world.store.outbox.nextDueMs();
      expect(due).toBeGreaterThan(claimMs / 2);
      expect(due).toBeLessThanOrEqual(claimMs);
    }),
  );
}

async function endedRuns(world: World, count: number): Promise<void> {
  const node = await registered(world);
  for (let i = 0; i < count; i += 1) {
    const request = startRequest(node, world);
    await world.store.ledger.start(request);
    await endComplete(world, { id: request.requestId });
  }
}

async function claimed(world: World): Promise<Callback> {
  await endedRuns(world, 1);
  const [callback] = await world.store.outbox.claimDue(10, claimMs);
  if (callback === undefined) throw new Error('A callback was to be claimed, and none is due.');
  return callback;
}

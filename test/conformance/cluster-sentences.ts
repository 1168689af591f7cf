import { expect, it } from 'vitest';
import { endFailed, expectSound, registered, startRequest } from './drive.js';
import type { InWorld } from './exercise-store.js';
import type { World } from './world.js';

/** Longer than any test: a node that has registered in it lives. */
const liveMs = 600_000;
const [ours, theirs] = ['a'.repeat(16), 'b'.repeat(16)];

function join(world: World, fingerprint: string, withinMs = liveMs) {
  return world.store.ledger.joinCluster(() => fingerprint, withinMs);
}

export function clusterSentences(inWorld: InWorld): void {
  it(
    'a store belongs to the first cluster that comes, and its nodes join it whatever is going on',
    inWorld(async (world) => {
      expect(await world.cluster()).toBeNull();
      // What a single instance had begun is no obstacle: the store was nobody's.
      const node = await registered(world);
      await world.store.ledger.start(startRequest(node, world));
      for (const _start of [1, 2]) expect(await join(world, ours)).toEqual({ kind: 'joined' });
      expect(await world.cluster()).toBe(ours);
      await expectSound(world);
    }),
  );

  it(
    'the fingerprint is made of an id that the store keeps',
    inWorld(async (world) => {
      const seen: string[] = [];
      const fingerprintOf = (storeId: string) => {
        seen.push(storeId);
        return ours;
      };
      await world.store.ledger.joinCluster(fingerprintOf, liveMs);
      await world.store.ledger.joinCluster(fingerprintOf, liveMs);
      expect(seen[0]).toMatch(/^[0-9a-f]{32}$/);
      expect(new Set(seen).size).toBe(1);
    }),
  );

  it(
    'another cluster is kept out while a node lives, and takes the store when all have left',
    inWorld(async (world) => {
      await join(world, ours);
      const node = await registered(world, 'wacore2:00000000000b');
      const other = await registered(world, 'wacore1:00000000000a');
      const names = [other.name, node.name];
      expect(await join(world, theirs)).toEqual({ kind: 'foreign', nodes: names, run: null, callbacks: 0 });
      expect(await world.cluster()).toBe(ours);
      for (const one of [node, other]) await world.store.ledger.leave(one);
      expect(await join(world, theirs)).toEqual({ kind: 'adopted', before: ours });
      expect(await world.cluster()).toBe(theirs);
    }),
  );

  it(
    'a node that has been silent for too long keeps nobody out',
    inWorld(async (world) => {
      await join(world, ours);
      await registered(world);
      expect(await join(world, theirs, 0)).toEqual({ kind: 'adopted', before: ours });
    }),
  );

  it(
    'another cluster is kept out while a run is not over, and while its callback waits',
    inWorld(async (world) => {
      const { ledger, outbox } = world.store;
      await join(world, ours);
      const node = await registered(world);
      const { runId } = await ledger.start(startRequest(node, world));
      await ledger.leave(node);
      const kept = { kind: 'foreign', nodes: [] };
      expect(await join(world, theirs)).toEqual({ ...kept, run: runId, callbacks: 0 });
      await endFailed(world, { id: runId }, 'Cancelled by admin');
      expect(await join(world, theirs)).toEqual({ ...kept, run: null, callbacks: 1 });
      expect(await world.cluster()).toBe(ours);
      const [callback] = await outbox.claimDue(1, liveMs);
      await outbox.delivered(callback?.id ?? '', 200);
      expect(await join(world, theirs)).toEqual({ kind: 'adopted', before: ours });
      await expectSound(world);
    }),
  );

  it(
    'of two clusters that come to a new store at once one is the first, and the other finds it idle',
    inWorld(async (world) => {
      const answers = await Promise.all([join(world, ours), join(world, theirs)]);
      const [first, second] = answers[0]?.kind === 'joined' ? [ours, theirs] : [theirs, ours];
      expect(answers).toHaveLength(2);
      expect(answers).toContainEqual({ kind: 'joined' });
      expect(answers).toContainEqual({ kind: 'adopted', before: first });
      expect(await world.cluster()).toBe(second);
    }),
  );
}

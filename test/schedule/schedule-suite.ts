/** Collection by schedule through real processes, whatever server is under them. */
import { expect, test } from 'vitest';
import type { Instance } from '../harness/instance.js';
import { outcomeOf } from '../harness/collection.js';
import { until } from '../harness/wait.js';
import {
  collectingBy,
  hasEnded,
  notCollecting,
  patch,
  type ScheduleWorld,
  scheduledRuns,
  toldDeleted,
} from './world.js';

const everyOther = '*/2 * * * * *';

export function scheduleSuite(makeWorld: (rows: number) => Promise<ScheduleWorld>): void {
  const shared = { MESSAGE_GC_CLUSTER_SECRET: 'a secret of sixteen and more', WA_APP_MULTICONNECT: '1' };
  const coreapp = (world: ScheduleWorld, number: number): Promise<Instance> =>
    world.start(
      {
        ...shared,
        COREAPP_HOSTNAME: `wacore${number}`,
        MESSAGE_GC_NODE_ID: `00000000000${number}`,
        MESSAGE_GC_CONTROL_LISTEN: '127.0.0.1:0',
      },
      'coreapp',
    );

  /** Which runs the nodes asked for, by slot. */
  function runsBySlot(nodes: readonly Instance[]): ReadonlyMap<string, ReadonlySet<string>> {
    const found = new Map<string, Set<string>>();
    for (const { slot, run } of nodes.flatMap(({ lines }) => lines)) {
      if (typeof slot !== 'string' || typeof run !== 'string') continue;
      found.set(slot, (found.get(slot) ?? new Set()).add(run));
    }
    return found;
  }

  test('switched on, collects by itself from then on, and tells it', async () => {
    const world = await makeWorld(2_000);
    const instance = await world.start();
    // Every slot of this one that is not far ahead lies in the past.
    await patch(instance, collectingBy('0 0 * * *'));
    await patch(instance, { garbagecollector_schedule: { cron: everyOther } });
    const [first] = await until('a run by the schedule', 20_000, async () => {
      const runs = await scheduledRuns(instance);
      return runs.some(hasEnded) ? runs : null;
    });
    expect(first).toMatchObject({ state: 'complete' });
    await world.receiver.waitForAccepted(2, 30_000);
    await patch(instance, notCollecting);
    const gone = await world.oracle.expectGone({ before: world.before, gone: world.eligible });
    await until('every callback', 20_000, () => toldDeleted(world.receiver) === gone.size);
    for (const runs of runsBySlot([instance]).values()) expect(runs.size).toBe(1);
    await world.oracle.expectInvariants();
  });

  test('of two Coreapps every slot makes one run, in which both take part', async () => {
    const world = await makeWorld(2_000);
    const front = await world.start(shared, 'webapp');
    await patch(front, { heartbeat_interval: 1 });
    const nodes = [await coreapp(world, 2), await coreapp(world, 3)];
    const names = nodes.map(({ node }) => node);
    await patch(front, collectingBy(everyOther));
    await until('both nodes to have asked for the runs of three slots', 60_000, () =>
      nodes.every(({ lines }) => lines.filter(({ slot }) => typeof slot === 'string').length >= 3),
    );
    await patch(front, notCollecting);
    const runs = await until('every run to have ended', 30_000, async () => {
      const all = await scheduledRuns(front);
      return all.every(hasEnded) ? all : null;
    });
    for (const [slot, ids] of runsBySlot(nodes)) expect([slot, ids.size]).toEqual([slot, 1]);
    const acted = new Set([...runsBySlot(nodes).values()].flatMap((ids) => [...ids]));
    expect(new Set(runs.map(({ id }) => id))).toEqual(acted);

    const gone = await world.oracle.expectGone({ before: world.before, gone: world.eligible });
    await until('every callback', 30_000, () => toldDeleted(world.receiver) === gone.size);
    // The slots that both have asked for tell both, each once.
    const both = [...acted].filter((id) =>
      nodes.every(({ lines }) => lines.some(({ run, slot }) => run === id && slot !== undefined)),
    );
    expect(both.length).toBeGreaterThanOrEqual(2);
    for (const id of both) {
      const told = await until(`the callbacks of ${id}`, 20_000, () => {
        const mine = world.receiver.accepted.filter(({ headers }) => headers['x-request-id'] === id);
        return mine.length >= names.length ? mine : null;
      });
      expect(told).toHaveLength(names.length);
      expect(new Set(told.map((delivery) => outcomeOf(delivery).node))).toEqual(new Set(names));
    }
    await world.oracle.expectInvariants();
  });
}

import { afterAll, expect, test } from 'vitest';
import { outcomeOf } from '../harness/collection.js';
import { dropEmbeddedTemplates, embeddedWorld } from '../harness/embedded-world.js';
import type { Instance } from '../harness/instance.js';
import { within } from '../harness/wait.js';

/**
 * kill -9 on the embedded database, at the five points. There is no wire to listen on, so the process is killed when
 * its trace lines say where it stands. As on a server: a round counts only when it landed.
 */
const rows = 20_000;
const rounds = Number(process.env['MESSAGE_GC_KILL_ROUNDS_PER_POINT'] ?? '1');
const mostTries = 6;
const resumeMs = 90_000;

type Point = {
  readonly name: string;
  readonly step: string;
  /** Steps of this name that pass before the kill, so that batches have committed. */
  readonly skip: (round: number) => number;
  readonly landed: (gone: number, eligible: number) => boolean;
};

const inMidRun = (gone: number, eligible: number) => gone > 0 && gone < eligible;
const allGone = (gone: number, eligible: number) => gone === eligible;

const points: readonly Point[] = [
  { name: 'in a DELETE', step: 'deleting', skip: (round) => 1 + (round % 3), landed: inMidRun },
  {
    name: 'after DELETE, before COMMIT',
    step: 'deleted',
    skip: (round) => 1 + (round % 3),
    landed: inMidRun,
  },
  {
    name: 'COMMIT sent, answer lost',
    step: 'committing',
    skip: (round) => 1 + (round % 3),
    landed: inMidRun,
  },
  { name: 'in the ending transaction', step: 'ending', skip: () => 0, landed: allGone },
  { name: 'callback sent, answer lost', step: 'callback_sending', skip: () => 0, landed: allGone },
];

const landedKills = new Map<string, number>();
const triedKills = new Map<string, number>();

function killedAt(instance: Instance, point: Point, number: number): Promise<void> {
  let left = point.skip(number);
  return new Promise((resolve) => {
    const stop = instance.watch((line) => {
      if (line['step'] !== point.step) return;
      left -= 1;
      if (left >= 0) return;
      stop();
      instance.signal('SIGKILL');
      resolve();
    });
  });
}

async function round(point: Point, number: number): Promise<boolean> {
  const world = await embeddedWorld(rows);
  const instance = await world.start();
  const killed = killedAt(instance, point, number);
  // The callback that the killed process was sending may have arrived; it is refused, so that it must come again.
  if (point.step === 'callback_sending') world.receiver.mode = 'dropAnswer';
  await instance.collect();
  await within(`the step "${point.step}"`, 30_000, killed);
  await within('the killed process to end', 5_000, instance.ended);
  world.receiver.mode = 'ok';
  const gone = await world.ask(async (oracle) => {
    await oracle.expectInvariants();
    await oracle.expectNoOrphans();
    return world.before.size - (await oracle.messages());
  });
  if (!point.landed(gone, world.eligible.size)) return false;

  const again = await world.restart(instance);
  await world.receiver.waitForAccepted(1, resumeMs);
  again.terminate();
  const exit = await within('the process to stop', 10_000, again.ended);
  expect(exit).toEqual({ code: 0, signal: null });
  await world.ask(async (oracle) => {
    const all = await oracle.expectGone({ before: world.before, gone: world.eligible });
    const { byId, accepted } = world.receiver;
    expect(
      [...byId.values()].map((bodies) => bodies.size),
      'bodies per webhook-id',
    ).toEqual([1]);
    expect(accepted.map(outcomeOf)[0]).toEqual({ messages_deleted: all.size, status: 'complete' });
    await oracle.expectNoOrphans();
    await oracle.expectInvariants();
  });
  return true;
}

afterAll(async () => {
  const summary = points.map(
    ({ name }) => `${name}: ${landedKills.get(name) ?? 0} landed of ${triedKills.get(name) ?? 0}`,
  );
  console.log(`kill -9 on the embedded database, ${rows} rows — ${summary.join('; ')}`);
  await dropEmbeddedTemplates();
});

for (const point of points) {
  test(`an embedded database survives kill -9 ${point.name}, and the run goes on by itself to the exact number`, {
    timeout: 60_000 + rounds * 120_000,
  }, async () => {
    for (let landed = 0, tried = 0; landed < rounds; ) {
      tried += 1;
      expect(tried, `tries for a kill "${point.name}" that lands`).toBeLessThanOrEqual(rounds * mostTries);
      triedKills.set(point.name, tried);
      if (!(await round(point, tried))) continue;
      landed += 1;
      landedKills.set(point.name, landed);
    }
  });
}

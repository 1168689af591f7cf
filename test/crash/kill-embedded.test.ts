import { afterAll, expect, test } from 'vitest';
import { outcomeOf } from '../harness/collection.js';
import { dropEmbeddedTemplates, type EmbeddedWorld, embeddedWorld } from '../harness/embedded-world.js';
import type { Instance } from '../harness/instance.js';
import { within } from '../harness/wait.js';

/**
 * kill -9 on the embedded database, at the five points. There is no wire to listen on, so the process is killed when
 * its trace lines say where it stands, and a round counts only when it landed: the last line that the dead process
 * wrote is still that of its point, and what is gone fits to it. A round that missed is made again.
 */
const rows = 6_000;
/** Landed kills for each point: 1 in CI; `node scripts/kill-rounds.mjs 20` makes 4. */
const rounds = Number(process.env['MESSAGE_GC_KILL_ROUNDS_PER_POINT'] ?? '1');
/** Between two trace lines lies a millisecond or two: some kills come too late. */
const mostTries = 12;
const resumeMs = 90_000;

type Point = {
  readonly name: string;
  /** The trace line at which it is killed; null: when the callback arrives. */
  readonly step: string | null;
  /** Lines of this step that pass before the kill, so that batches have committed. */
  readonly skip: (round: number) => number;
  readonly landed: (gone: number, eligible: number) => boolean;
};

const inMidRun = (gone: number, eligible: number) => gone > 0 && gone < eligible;
const allGone = (gone: number, eligible: number) => gone === eligible;
const afterSome = (round: number) => 1 + (round % 3);

const points: readonly Point[] = [
  { name: 'in a DELETE', step: 'deleting', skip: afterSome, landed: inMidRun },
  { name: 'after DELETE, before COMMIT', step: 'deleted', skip: afterSome, landed: inMidRun },
  { name: 'COMMIT sent, answer lost', step: 'committing', skip: afterSome, landed: inMidRun },
  { name: 'in the ending transaction', step: 'ending', skip: () => 0, landed: allGone },
  { name: 'callback sent, answer lost', step: null, skip: () => 0, landed: allGone },
];

const landedKills = new Map<string, number>();
const triedKills = new Map<string, number>();

/** Resolves when the process was sent SIGKILL. */
function killedAt(world: EmbeddedWorld, instance: Instance, point: Point, number: number): Promise<void> {
  return new Promise((resolve) => {
    const strike = (): void => {
      instance.signal('SIGKILL');
      resolve();
    };
    if (point.step === null) {
      world.receiver.mode = 'dropAnswer';
      world.receiver.onDelivery = strike;
      return;
    }
    let left = point.skip(number);
    const stop = instance.watch((line) => {
      if (line['step'] !== point.step) return;
      left -= 1;
      if (left >= 0) return;
      stop();
      strike();
    });
  });
}

/** Whether the dead process stood where it was to be struck: it wrote no later line of its work. */
function stoodAt(instance: Instance, point: Point): boolean {
  if (point.step === null) return !instance.lines.some((line) => line['msg'] === 'callback delivered');
  return instance.lines.findLast((line) => line['step'] !== undefined)?.['step'] === point.step;
}

async function round(point: Point, number: number): Promise<boolean> {
  const world = await embeddedWorld(rows);
  const instance = await world.start({ MESSAGE_GC_PROFILE: 'full' });
  const killed = killedAt(world, instance, point, number);
  await instance.collect();
  await within(`the point "${point.name}"`, 30_000, killed);
  await within('the killed process to end', 5_000, instance.ended);
  world.receiver.mode = 'ok';
  world.receiver.onDelivery = () => undefined;
  if (!stoodAt(instance, point)) return false;
  // Of a copy: who opens the folder replays its log, and that is the restarted product's to do.
  const gone = await world.askCopy(async (oracle) => {
    await oracle.expectInvariants();
    await oracle.expectNoOrphans();
    return world.before.size - (await oracle.messages());
  });
  if (!point.landed(gone, world.eligible.size)) return false;

  // The long form waits until the dead process's claim runs out (10 s); that it does is also asked of every store.
  if (point.step === null && rounds === 1) await world.claimsRunOut();
  const again = await world.restart(instance);
  if (point.step !== null) {
    await again.waitForLine(
      'that the log was replayed',
      ({ msg }) => msg === 'the embedded database was not closed; its log was replayed',
      5_000,
    );
  }
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
    expect(accepted.map(outcomeOf)).toEqual([{ messages_deleted: all.size, status: 'complete' }]);
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

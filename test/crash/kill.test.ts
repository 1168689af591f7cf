import { afterAll, expect, test } from 'vitest';
import { outcomeOf, waitForRun } from '../harness/collection.js';
import type { Instance } from '../harness/instance.js';
import { commitOfBatch, statements, type Trap } from '../harness/pg-proxy.js';
import { within } from '../harness/wait.js';
import { dropTemplates, postgresWorld, type World } from '../harness/world.js';
import { describePostgres } from '../engines.js';

/**
 * kill -9 at five points. A round counts only when it landed: some eligible messages were gone and some were not
 * (for the last two points: all were gone, and the run or its callback was not over). A round that hit nothing is
 * made again, and after `mostTries` in vain the test fails, because a crash test that never crashes proves nothing.
 */
const rows = 30_000;
/** Landed kills for each point: 1 in CI; `node scripts/kill-rounds.mjs 20` makes 4. */
const rounds = Number(process.env['MESSAGE_GC_KILL_ROUNDS_PER_POINT'] ?? '1');
const mostTries = 6;
/** A claim of a callback outlives its sender by a minute at most; then the next process sends it. */
const resumeMs = 90_000;

type Point = {
  readonly name: string;
  /** Sets the trap before the PUT; resolves when the process was killed. */
  arm(world: World, instance: Instance, round: number): { killed(): Promise<void> };
  /** Whether the kill struck where it should, judged by what is gone now. */
  landed(gone: number, eligible: number): boolean;
};

function byTrap(world: World, instance: Instance, trap: Omit<Trap, 'onHit'>): { killed(): Promise<void> } {
  const armed = world.proxy.arm({ ...trap, onHit: () => instance.signal('SIGKILL') });
  return {
    killed: async () => {
      await armed.waitForHit(30_000);
      await within('the killed process to end', 5_000, instance.ended);
    },
  };
}

const inMidRun = (gone: number, eligible: number) => gone > 0 && gone < eligible;

const points: readonly Point[] = [
  {
    name: 'in a DELETE',
    arm: (world, instance, round) =>
      byTrap(world, instance, {
        when: 'statement',
        match: statements.messageDelete,
        skip: 1 + (round % 4),
        action: 'pass',
      }),
    landed: inMidRun,
  },
  {
    name: 'after DELETE, before COMMIT',
    arm: (world, instance, round) =>
      byTrap(world, instance, {
        when: 'statement',
        match: commitOfBatch(world.proxy),
        skip: 1 + (round % 4),
        action: 'hold',
      }),
    landed: inMidRun,
  },
  {
    name: 'COMMIT sent, answer lost',
    arm: (world, instance, round) =>
      byTrap(world, instance, {
        when: 'answer',
        match: commitOfBatch(world.proxy),
        skip: round % 4,
        action: 'hold',
      }),
    landed: inMidRun,
  },
  {
    name: 'in the ending transaction',
    arm: (world, instance) =>
      byTrap(world, instance, { when: 'statement', match: statements.ending, action: 'pass' }),
    landed: (gone, eligible) => gone === eligible,
  },
  {
    name: 'callback sent, answer lost',
    arm: (world, instance) => {
      const { receiver } = world;
      receiver.mode = 'dropAnswer';
      const struck = new Promise<void>((resolve) => {
        receiver.onDelivery = () => {
          instance.signal('SIGKILL');
          receiver.mode = 'ok';
          resolve();
        };
      });
      return {
        killed: async () => {
          await within('a callback', 30_000, struck);
          await within('the killed process to end', 5_000, instance.ended);
          receiver.onDelivery = () => undefined;
        },
      };
    },
    landed: (gone, eligible) => gone === eligible,
  },
];

const landedKills = new Map<string, number>();
const triedKills = new Map<string, number>();

/** One world, one kill, one restart. Answers whether the kill landed; if not, nothing is asserted. */
async function round(point: Point, number: number): Promise<boolean> {
  const world = await postgresWorld(rows);
  const instance = await world.start();
  const kill = point.arm(world, instance, number);
  const run = await instance.collect();
  await kill.killed();
  await world.sessionsGone();
  const gone = world.before.size - (await world.oracle.messages());
  if (!point.landed(gone, world.eligible.size)) return false;
  await world.oracle.expectInvariants();
  await world.oracle.expectNoOrphans();

  const again = await world.restart(instance);
  await world.receiver.waitForAccepted(1, resumeMs);
  const over = await waitForRun(again, run, 'complete', 10_000, ({ state }) => state === 'complete');
  const all = await world.oracle.expectGone({ before: world.before, gone: world.eligible });

  const { byId, accepted } = world.receiver;
  expect(
    [...byId.values()].map((bodies) => bodies.size),
    'bodies per webhook-id',
  ).toEqual([1]);
  const told = accepted.map(outcomeOf)[0];
  expect(told).toEqual({ messages_deleted: all.size, status: 'complete' });
  expect(over.messages_deleted).toBe(all.size);
  expect(accepted[0]?.headers['x-request-id']).toBe(run);
  await world.oracle.expectNoOrphans();
  await world.oracle.expectInvariants();
  expect(instance.stderr, 'what the killed process wrote to stderr').toBe('');
  return true;
}

describePostgres('kill -9 on PostgreSQL', () => {
  afterAll(async () => {
    const summary = points.map(
      ({ name }) => `${name}: ${landedKills.get(name) ?? 0} landed of ${triedKills.get(name) ?? 0}`,
    );
    console.log(`kill -9 on PostgreSQL, ${rows} rows — ${summary.join('; ')}`);
    await dropTemplates();
  });

  for (const point of points) {
    test(`a run killed with -9 ${point.name} goes on by itself and tells the exact number once`, {
      timeout: 30_000 + rounds * 120_000,
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
});

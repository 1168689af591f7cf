import { afterAll, expect, test } from 'vitest';
import { outcomeOf, waitForRun } from '../harness/collection.js';
import type { Instance } from '../harness/instance.js';
import { commitOf, commitOfBatch, statements, type Trap } from '../harness/pg-proxy.js';
import { within } from '../harness/wait.js';
import { dropTemplates, postgresWorld, type World } from '../harness/world.js';
import { describePostgres } from '../engines.js';

/**
 * kill -9 at five points. A round counts only when it landed: some eligible messages were gone and some were not
 * (for the last two points: all were gone, and the run or its callback was not over yet). A round that hit nothing is
 * made again, and after `mostTries` in vain the test fails, because a crash test that never crashes proves nothing.
 */
const rows = 14_000;
/** Landed kills for each point: 1 in CI; `node scripts/kill-rounds.mjs 20` makes 4. */
const rounds = Number(process.env['MESSAGE_GC_KILL_ROUNDS_PER_POINT'] ?? '1');
const mostTries = 6;
/** A claim of a callback outlives its sender by ten seconds; then the next process sends it. */
const resumeMs = 60_000;

/** What the killed process left behind, seen when the server had rolled back what was open. */
type Left = {
  readonly gone: number;
  readonly eligible: number;
  readonly runState: string;
  /** States of the run's callbacks and how often each was tried. */
  readonly callbacks: readonly { readonly state: string; readonly attempts: number }[];
};

type Point = {
  readonly name: string;
  /** Sets the trap before the PUT; resolves when the process was killed. */
  arm(world: World, instance: Instance, round: number): { killed(): Promise<void> };
  /** Whether the kill struck where it should. */
  landed(left: Left): boolean;
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

const inMidRun = ({ gone, eligible }: Left) => gone > 0 && gone < eligible;

/** The COMMIT of the transaction that ends a run: its outcome was asked on this connection since its BEGIN. */
const commitOfEnding = (world: World) => commitOf(world.proxy, statements.ending);

/** Three places in the ending, by round: all written and not committed; at its first write; committed, answer lost. */
const endings = ['commit', 'write', 'answer'] as const;
const endingOf = (round: number) => endings[(round - 1) % endings.length] ?? 'commit';

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
    arm: (world, instance, round) => {
      const place = endingOf(round);
      return byTrap(world, instance, {
        when: place === 'answer' ? 'answer' : 'statement',
        match: place === 'write' ? statements.ending : commitOfEnding(world),
        action: place === 'write' ? 'pass' : 'hold',
      });
    },
    landed: ({ gone, eligible, runState, callbacks }) =>
      gone === eligible &&
      (runState === 'ended'
        ? callbacks.length === 1 && callbacks[0]?.attempts === 0
        : callbacks.length === 0),
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
    landed: ({ gone, eligible, runState, callbacks }) =>
      gone === eligible &&
      runState === 'ended' &&
      callbacks[0]?.state === 'waiting' &&
      callbacks[0].attempts === 1,
  },
];

const landedKills = new Map<string, number>();
const triedKills = new Map<string, number>();

async function whatIsLeft(world: World, run: string): Promise<Left> {
  const { rows: runs } = await world.client.query<{ state: string }>(
    'SELECT state FROM message_gc.run WHERE id = $1',
    [run],
  );
  const { rows: callbacks } = await world.client.query<{ state: string; attempts: number }>(
    'SELECT state, attempts FROM message_gc.outbox WHERE run = $1',
    [run],
  );
  return {
    gone: world.before.size - (await world.oracle.messages()),
    eligible: world.eligible.size,
    runState: runs[0]?.state ?? 'not there',
    callbacks,
  };
}

/** One world, one kill, one restart. Answers whether the kill landed; if not, nothing is asserted. */
async function round(point: Point, number: number): Promise<boolean> {
  const world = await postgresWorld(rows);
  const instance = await world.start();
  const kill = point.arm(world, instance, number);
  const run = await instance.collect();
  await kill.killed();
  await world.sessionsGone();
  const left = await whatIsLeft(world, run);
  if (!point.landed(left)) return false;
  await world.oracle.expectInvariants();
  await world.oracle.expectNoOrphans();

  // The long form waits until the dead process's claim runs out (10 s); that it does is also asked of every store.
  if (rounds === 1) {
    await world.client.query(
      'UPDATE message_gc.outbox SET claimed_until = clock_timestamp() WHERE claimed_until IS NOT NULL',
    );
  }
  const again = await world.restart(instance);
  await world.receiver.waitForAccepted(1, resumeMs);
  const over = await waitForRun(again, run, 'complete', 10_000, ({ state }) => state === 'complete');
  const all = await world.oracle.expectGone({ before: world.before, gone: world.eligible });

  const { byId, accepted } = world.receiver;
  expect(
    [...byId.values()].map((bodies) => bodies.size),
    'bodies per webhook-id',
  ).toEqual([1]);
  expect(accepted.map(outcomeOf)).toEqual([{ messages_deleted: all.size, status: 'complete' }]);
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

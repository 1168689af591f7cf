import { afterAll, expect, test } from 'vitest';
import { describeMariaDb } from '../engines.js';
import { outcomeOf, waitForEnd, waitForRun } from '../harness/collection.js';
import type { Instance } from '../harness/instance.js';
import { mariadbStatements, type MariadbTrap } from '../harness/mariadb-proxy.js';
import { mariadbWorld, type MariadbWorld } from '../harness/mariadb-world.js';
import { until, within } from '../harness/wait.js';

/**
 * kill -9 at five points, and what else a batch in hand meets. A round counts only when it landed: some eligible
 * messages were gone and some were not (for the last two points: all were gone, and the run or its callback was not
 * over). A round that hit nothing is made again, and after `mostTries` in vain the test fails.
 */
const rows = 20_000;
const rounds = Number(process.env['MESSAGE_GC_KILL_ROUNDS_PER_POINT'] ?? '1');
const mostTries = 6;
const resumeMs = 90_000;

type Point = {
  readonly name: string;
  arm(world: MariadbWorld, instance: Instance, round: number): { killed(): Promise<void> };
  landed(gone: number, eligible: number): boolean;
};

function byTrap(
  world: MariadbWorld,
  instance: Instance,
  trap: Omit<MariadbTrap, 'onHit'>,
): { killed(): Promise<void> } {
  const armed = world.proxy.arm({ ...trap, onHit: () => instance.signal('SIGKILL') });
  return {
    killed: async () => {
      await armed.waitForHit(60_000);
      await within('the killed process to end', 5_000, instance.ended);
    },
  };
}

const inMidRun = (gone: number, eligible: number) => gone > 0 && gone < eligible;
const { messageDelete, commitOfBatch, ending } = mariadbStatements;

const points: readonly Point[] = [
  {
    name: 'in a DELETE',
    arm: (world, instance, round) =>
      byTrap(world, instance, { match: messageDelete, skip: 1 + (round % 4), action: 'pass' }),
    landed: inMidRun,
  },
  {
    name: 'after DELETE, before COMMIT',
    arm: (world, instance, round) =>
      byTrap(world, instance, { match: commitOfBatch, skip: 1 + (round % 4), action: 'hold' }),
    landed: inMidRun,
  },
  {
    name: 'COMMIT sent, answer lost',
    arm: (world, instance, round) =>
      byTrap(world, instance, { match: commitOfBatch, skip: round % 4, action: 'hold answer' }),
    landed: inMidRun,
  },
  {
    name: 'in the ending transaction',
    arm: (world, instance) => byTrap(world, instance, { match: ending, action: 'pass' }),
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
          await within('a callback', 60_000, struck);
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

async function round(point: Point, number: number): Promise<boolean> {
  const world = await mariadbWorld(rows);
  const instance = await world.start();
  const kill = point.arm(world, instance, number);
  const run = await instance.collect();
  await kill.killed();
  await world.sessionsGone();
  const gone = world.before.size - (await world.oracle.messages());
  if (!point.landed(gone, world.eligible.size)) return false;
  await world.oracle.expectInvariants();
  await world.oracle.expectNoOrphans();
  // That a dead process's claim runs out (10 s) is asked of every store, and of the long form of the other engine.
  await world.client.query(
    'UPDATE message_gc_outbox SET claimed_until = now(6) WHERE claimed_until IS NOT NULL',
  );
  const again = await world.restart(instance);
  await world.receiver.waitForAccepted(1, resumeMs);
  const over = await waitForRun(again, run, 'complete', 10_000, ({ state }) => state === 'complete');
  const all = await world.oracle.expectGone({ before: world.before, gone: world.eligible });
  const { byId, accepted } = world.receiver;
  expect(
    [...byId.values()].map((bodies) => bodies.size),
    'bodies per webhook-id',
  ).toEqual([1]);
  expect(accepted.map(outcomeOf)[0]).toEqual({ messages_deleted: all.size, status: 'complete' });
  expect(over.messages_deleted).toBe(all.size);
  expect(accepted[0]?.headers['x-request-id']).toBe(run);
  await world.oracle.expectNoOrphans();
  await world.oracle.expectInvariants();
  return true;
}

describeMariaDb('kill -9 on MariaDB', () => {
  afterAll(() => {
    const summary = points.map(
      ({ name }) => `${name}: ${landedKills.get(name) ?? 0} landed of ${triedKills.get(name) ?? 0}`,
    );
    console.log(`kill -9 on MariaDB, ${rows} rows — ${summary.join('; ')}`);
  });

  for (const point of points) {
    test(`a run killed with -9 ${point.name} goes on by itself and tells the exact number once`, {
      timeout: 60_000 + rounds * 180_000,
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

describeMariaDb('what a batch in hand meets on MariaDB', () => {
  async function expectExactEnd(
    world: MariadbWorld,
    instance: Instance,
    run: string,
    either?: ReadonlySet<string>,
  ): Promise<void> {
    await world.receiver.waitForAccepted(1, 90_000);
    const over = await waitForEnd(instance, run);
    const gone = await world.oracle.expectGone({
      before: world.before,
      gone: world.eligible,
      ...(either === undefined ? {} : { either }),
    });
    expect(over.state).toBe('complete');
    expect(world.receiver.accepted.map(outcomeOf)).toEqual([
      { messages_deleted: gone.size, status: 'complete' },
    ]);
    await world.oracle.expectNoOrphans();
    await world.oracle.expectInvariants();
  }

  test('a process frozen between DELETE and COMMIT keeps the application waiting for at most 3 s, and the run ends exact', {
    timeout: 150_000,
  }, async () => {
    const world = await mariadbWorld(rows);
    const instance = await world.start();
    const trap = world.proxy.arm({
      match: commitOfBatch,
      skip: 1,
      action: 'hold',
      onHit: () => instance.signal('SIGSTOP'),
    });
    const run = await instance.collect();
    await trap.waitForHit(30_000);
    const [free] = await world.client.query(
      'SELECT id FROM messages FORCE INDEX (PRIMARY) FOR UPDATE SKIP LOCKED',
    );
    const unlocked = new Set((free as { id: number }[]).map(({ id }) => String(id)));
    const locked = [...(await world.oracle.allKeys())].filter((key) => !unlocked.has(key));
    expect(locked.length, 'rows that the frozen batch holds').toBeGreaterThan(0);
    const touched = locked[Math.floor(locked.length / 2)] ?? '';
    const from = performance.now();
    const [answer] = await world.client.query('UPDATE messages SET updated_at = now(6) WHERE id = ?', [
      touched,
    ]);
    const waited = performance.now() - from;
    console.log(`an UPDATE of a row held by a frozen process waited ${Math.round(waited)} ms`);
    expect((answer as { affectedRows: number }).affectedRows, 'the frozen batch was rolled back').toBe(1);
    // The wait proves that the row was held; 3 s is the promise.
    expect(waited).toBeGreaterThan(100);
    expect(waited).toBeLessThanOrEqual(3_000);
    instance.signal('SIGCONT');
    await expectExactEnd(world, instance, run, new Set([touched]));
  });

  test('connections cut in mid-run, again and again, cost work and no count', {
    timeout: 150_000,
  }, async () => {
    const world = await mariadbWorld(rows);
    const instance = await world.start();
    let cuts = 0;
    const cutAtBatch = (): void => {
      world.proxy.arm({
        match: messageDelete,
        skip: 1,
        action: 'pass',
        onHit: () => {
          cuts += 1;
          world.proxy.cutAll();
          if (cuts < 3) cutAtBatch();
        },
      });
    };
    cutAtBatch();
    const run = await instance.collect();
    await expectExactEnd(world, instance, run);
    expect(cuts, 'cuts that hit a batch').toBe(3);
  });

  test('a COMMIT whose answer is lost with its connection is counted once', {
    timeout: 150_000,
  }, async () => {
    const world = await mariadbWorld(rows);
    const instance = await world.start();
    let lost = 0;
    const loseNext = (): void => {
      world.proxy.arm({
        match: commitOfBatch,
        skip: 1,
        action: 'hold answer',
        onHit: () => {
          lost += 1;
          // After the server has had the statement; whether it also had the time to commit is its affair.
          setTimeout(() => {
            world.proxy.cutAll();
            if (lost < 3) loseNext();
          }, lost * 20);
        },
      });
    };
    loseNext();
    const run = await instance.collect();
    await expectExactEnd(world, instance, run);
    expect(lost).toBe(3);
  });

  test('a database that is away for a while in mid-run is waited for with that reason', {
    timeout: 150_000,
  }, async () => {
    const world = await mariadbWorld(rows);
    const instance = await world.start();
    const trap = world.proxy.arm({
      match: messageDelete,
      skip: 2,
      action: 'pass',
      onHit: () => world.proxy.refuse(),
    });
    const run = await instance.collect();
    await trap.waitForHit(30_000);
    await until('health to say disconnected', 30_000, async () => {
      const { body } = await instance.api('GET', '/v1/health');
      return (body as { health: { gateway_status: string } }).health.gateway_status === 'disconnected';
    });
    world.proxy.heal();
    await expectExactEnd(world, instance, run);
  });
});

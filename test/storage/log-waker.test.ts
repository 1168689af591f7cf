import { afterAll, afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { logWaker } from '../../src/storage/postgres/log-waker.js';
import type { Sessions } from '../../src/storage/postgres/session.js';
import { expectSound, insertOld, leaseMs, plannedRun, registered, take } from '../conformance/drive.js';
import { describePostgres } from '../engines.js';
import { dropTemplate, guardWorld } from '../guards/world.js';

/** While batches delete at full speed, another session's commits wake the server's writer of the log. */
describe("the server's writer of the log", () => {
  beforeEach(() => {
    vi.useFakeTimers();
  });

  afterEach(() => {
    vi.useRealTimers();
  });

  function wakes(engine: Sessions['engine'], answer: () => Promise<unknown> = async () => undefined) {
    const asked: string[] = [];
    const client = {
      on: () => undefined,
      off: () => undefined,
      release: () => undefined,
      query: (text: string) => {
        asked.push(text);
        return answer();
      },
    };
    const sessions = {
      engine,
      control: { connect: async () => client },
      holding: (work: () => Promise<unknown>) => work(),
    } as unknown as Sessions;
    return { asked, waker: logWaker(sessions) };
  }

  test('is woken every few milliseconds while two batches delete, not twice as often, and not after them', async () => {
    const { asked, waker } = wakes('postgresql');
    const first = waker.during(() => new Promise((resolve) => setTimeout(resolve, 20)));
    const second = waker.during(() => new Promise((resolve) => setTimeout(resolve, 40)));
    await vi.advanceTimersByTimeAsync(40);
    await Promise.all([first, second]);
    expect(asked.length).toBeGreaterThan(15);
    expect(asked.length).toBeLessThan(25);
    const before = asked.length;
    await vi.advanceTimersByTimeAsync(1_000);
    expect(asked.length).toBe(before);
    expect(new Set(asked)).toEqual(
      new Set(['BEGIN; SET LOCAL synchronous_commit = off; SELECT pg_current_xact_id(); COMMIT']),
    );
  });

  test('is left alone by a batch that is over at once', async () => {
    const { asked, waker } = wakes('postgresql');
    expect(await waker.during(async () => 7)).toBe(7);
    await vi.advanceTimersByTimeAsync(1_000);
    expect(asked).toEqual([]);
  });

  test('is not looked for in the embedded database, which has one session and no such writer', async () => {
    const { asked, waker } = wakes('pglite');
    const work = waker.during(() => new Promise((resolve) => setTimeout(resolve, 100)));
    await vi.advanceTimersByTimeAsync(100);
    await work;
    expect(asked).toEqual([]);
  });

  test('may be out of reach: the batch does not hear of it, no transaction stays open, and the next batch tries again', async () => {
    const { asked, waker } = wakes('postgresql', async () => {
      if (asked.at(-1) !== 'ROLLBACK') throw new Error('cannot assign transaction ids now');
    });
    for (const expected of [2, 4]) {
      const work = waker.during(() => new Promise((resolve) => setTimeout(() => resolve('done'), 50)));
      await vi.advanceTimersByTimeAsync(50);
      expect(await work).toBe('done');
      expect(asked).toHaveLength(expected);
      expect(asked.at(-1)).toBe('ROLLBACK');
    }
  });
});

describePostgres('a batch', () => {
  afterAll(dropTemplate);

  test.each([
    ['wakes the writer of the log when it is alone', true],
    ['sends nothing beside its own statements when it shares the server', false],
  ])('%s', async (_what, alone) => {
    const world = await guardWorld();
    await insertOld(world, 20);
    await world.ask(`CREATE FUNCTION slowly() RETURNS trigger LANGUAGE plpgsql AS $$
      BEGIN PERFORM pg_sleep(0.1); RETURN NULL; END $$`);
    await world.ask('CREATE TRIGGER slowly AFTER DELETE ON messages EXECUTE FUNCTION slowly()');
    const node = await registered(world);
    const run = await plannedRun(world, node);
    const span = await take(world, run, node);
    const { policy } = world;
    if (run.plan === null) throw new Error('The run has no plan.');
    const answer = await world.store.sweep.batch({
      run,
      policy,
      plan: run.plan,
      span,
      node,
      size: 100,
      skipGap: false,
      skipLocked: false,
      yields: false,
      leaseMs,
      alone,
    });
    expect(answer).toMatchObject({ kind: 'swept', deleted: 20 });
    const waking = await world.ask(
      `SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND application_name = 'message-gc'
         AND query LIKE '%SELECT pg_current_xact_id()%'`,
    );
    expect(waking).toHaveLength(alone ? 1 : 0);
    await expectSound(world);
  });
});

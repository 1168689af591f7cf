import type pg from 'pg';
import { afterAll, expect, test } from 'vitest';
import { type SignalChoices, signalNames } from '../../src/core/signals.js';
import { systemClock } from '../../src/kit/clock.js';
import { describePostgres } from '../engines.js';
import { expectSound, insertOld } from '../conformance/drive.js';
import { until } from '../harness/wait.js';
import { workshop } from './collect.js';
import { dropTemplate, type GuardWorld, guardWorld } from './world.js';

/** Rows that somebody never lets go end a run after ten minutes, and no sooner. */
describePostgres('rows that stay locked', () => {
  afterAll(dropTemplate);

  const minutes = (count: number) => count * 60_000;

  /** A run over so many messages, some of which a session each holds; its clock is set forward by hand. */
  async function heldUp(rows: number, held: number) {
    const world = await guardWorld();
    const keys = await insertOld(world, rows);
    const holders: pg.Client[] = [];
    for (const key of keys.slice(0, held)) {
      const holder = await world.session();
      await holder.query('BEGIN');
      await holder.query('SELECT FROM messages WHERE id = $1 FOR UPDATE', [key]);
      holders.push(holder);
    }
    let ahead = 0;
    let asked = 0;
    const { ledger } = world.store;
    const shop = await workshop({
      ...world,
      store: {
        ...world.store,
        ledger: {
          ...ledger,
          // Asked each time before the patience is looked at.
          lockHolders(run, policy) {
            asked += 1;
            return ledger.lockHolders(run, policy);
          },
        },
      },
      clock: { ...systemClock, monotonicMs: () => systemClock.monotonicMs() + ahead },
      // For a clock that leaps none of them has been read of late.
      choices: Object.fromEntries(signalNames.map((name) => [name, { off: true }])) as SignalChoices,
    });
    const ending = shop.collect(90_000);
    ending.catch(() => undefined);
    return {
      world,
      keys,
      holders,
      ending,
      leap: (ms: number) => {
        ahead += ms;
      },
      /** Until the patience has been looked at once from here on, and the run went on: it is about to be again. */
      lookedAt: async () => {
        const from = asked;
        await until('the patience to be looked at', 20_000, () => asked >= from + 2);
      },
    };
  }

  const stateOf = async ({ store }: GuardWorld) => (await store.ledger.runs(1))[0];

  test('end the run after ten minutes in which none of them went, with its true count and who holds them', {
    timeout: 120_000,
  }, async () => {
    const { world, keys, ending, leap, lookedAt } = await heldUp(20, 1);
    await until('the rest to be gone', 20_000, async () => (await world.messageKeys()).size === 1);
    await lookedAt();
    leap(minutes(9));
    await lookedAt();
    expect(await stateOf(world), 'not yet').toMatchObject({ state: 'waiting', messagesDeleted: 19 });
    leap(minutes(1.5));
    const run = await ending;
    expect(run).toMatchObject({ state: 'failed', messagesDeleted: 19 });
    expect(JSON.stringify(run.errors)).toMatch(
      /1 messages are locked by other sessions \(session \d+ \(.*the test: application\)\)/,
    );
    expect(await world.messageKeys()).toEqual(new Set(keys.slice(0, 1)));
    await expectSound(world);
  });

  test('begin the ten minutes anew whenever one of them has gone', { timeout: 120_000 }, async () => {
    const { world, holders, ending, leap, lookedAt } = await heldUp(20, 2);
    const [first] = holders;
    await until('the rest to be gone', 20_000, async () => (await world.messageKeys()).size === 2);
    await lookedAt();
    leap(minutes(9));
    await first?.query('ROLLBACK');
    await until('the first to be gone', 20_000, async () => (await world.messageKeys()).size === 1);
    await lookedAt();
    leap(minutes(9));
    await lookedAt();
    expect(await stateOf(world), 'twice almost ten minutes').toMatchObject({
      state: 'waiting',
      messagesDeleted: 19,
    });
    leap(minutes(1.5));
    expect(await ending, 'ten minutes after the first had gone').toMatchObject({
      state: 'failed',
      messagesDeleted: 19,
    });
    await expectSound(world);
  });
});

import type pg from 'pg';
import { afterAll, expect, test } from 'vitest';
import { type SignalChoices, signalNames } from '../../src/core/signals.js';
import { systemClock } from '../../src/kit/clock.js';
import { describePostgres } from '../engines.js';
import { expectSound, insertOld } from '../conformance/drive.js';
import { until } from '../harness/wait.js';
import { type Workshop, workshop } from './collect.js';
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
    const shop = await workshop({
      ...world,
      clock: { ...systemClock, monotonicMs: () => systemClock.monotonicMs() + ahead },
      // For a clock that leaps none of them has been read of late.
      choices: Object.fromEntries(signalNames.map((name) => [name, { off: true }])) as SignalChoices,
    });
    return {
      world,
      keys,
      holders,
      shop,
      leap: (ms: number) => {
        ahead += ms;
      },
    };
  }

  const stateOf = async ({ store }: GuardWorld) => (await store.ledger.runs(1))[0];

  /** Until the run has asked for the locked rows so many times more. */
  async function tries(shop: Workshop, more: number): Promise<void> {
    const from = shop.answers.length;
    await until('the locked rows to be tried again', 20_000, () => shop.answers.length >= from + more);
  }

  test('end the run after ten minutes in which none of them went, with its true count and who holds them', async () => {
    const { world, keys, shop, leap } = await heldUp(20, 1);
    const ending = shop.collect(60_000);
    await until('the rest to be gone', 20_000, async () => (await world.messageKeys()).size === 1);
    await tries(shop, 2);
    leap(minutes(9.8));
    await tries(shop, 2);
    expect(await stateOf(world), 'not yet').toMatchObject({ state: 'waiting', messagesDeleted: 19 });
    leap(minutes(0.3));
    const run = await ending;
    expect(run).toMatchObject({ state: 'failed', messagesDeleted: 19 });
    expect(JSON.stringify(run.errors)).toMatch(
      /1 messages are locked by other sessions \(session \d+ \(.*the test: application\)\)/,
    );
    expect(await world.messageKeys()).toEqual(new Set(keys.slice(0, 1)));
    await expectSound(world);
  });

  test('begin the ten minutes anew whenever one of them has gone', async () => {
    const { world, holders, shop, leap } = await heldUp(20, 2);
    const [first] = holders;
    const ending = shop.collect(60_000);
    await until('the rest to be gone', 20_000, async () => (await world.messageKeys()).size === 2);
    await tries(shop, 2);
    leap(minutes(9.8));
    await first?.query('ROLLBACK');
    await until('the first to be gone', 20_000, async () => (await world.messageKeys()).size === 1);
    await tries(shop, 2);
    leap(minutes(9.8));
    await tries(shop, 2);
    expect(await stateOf(world), 'twice almost ten minutes').toMatchObject({
      state: 'waiting',
      messagesDeleted: 19,
    });
    leap(minutes(0.3));
    expect(await ending, 'ten minutes after the first had gone').toMatchObject({
      state: 'failed',
      messagesDeleted: 19,
    });
    await expectSound(world);
  });
});

import { afterAll, expect, test } from 'vitest';
import { paces } from '../../src/core/pace.js';
import { batch, insertOld, plannedRun, registered, take } from '../conformance/drive.js';
import { describePostgres } from '../engines.js';
import { until } from '../harness/wait.js';
import { workshop } from './collect.js';
import { dropTemplate, guardWorld } from './world.js';

/** A batch rests in the middle of its DELETE, and deletes what it would have deleted without. */
describePostgres('a batch with naps', () => {
  afterAll(dropTemplate);

  test('naps in the server after each piece of work, is seen to do so, and leaves no row', async () => {
    const world = await guardWorld();
    await insertOld(world, 20_000);
    const node = await registered(world);
    const run = await plannedRun(world, node);
    const span = await take(world, run, node);
    const { napMs } = world.facts;
    if (napMs === null) throw new Error('The server does not nap, so nothing can be seen of it.');
    const eligible = await world.eligibleKeys();
    const sweeping = batch(world, run, node, span, 1_000_000, { naps: { pieceMs: 0.5, ms: napMs } });
    await until('a session of ours to nap', 5_000, async () => {
      const found = await world.ask(
        `SELECT pid FROM pg_stat_activity WHERE application_name = 'message-gc' AND wait_event = 'PgSleep'`,
      );
      return found.length > 0;
    });
    const answer = await sweeping;
    expect(answer).toMatchObject({ kind: 'swept', deleted: eligible.size });
    if (answer.kind !== 'swept') return;
    // A nap for every few hundred rows, and more of it than of work.
    expect(answer.workMs).toBeGreaterThan((eligible.size / 800) * napMs);
    expect(answer.nappedMs).toBeGreaterThan(answer.workMs / 2);
    expect(answer.nappedMs).toBeLessThanOrEqual(answer.workMs);
    expect(await world.eligibleKeys()).toEqual(new Set());
  });

  test('is what the profile gentle is made of, with the exact number; full knows none', async () => {
    const world = await guardWorld();
    for (const [pace, naps] of [
      [paces.gentle, true],
      [paces.full, false],
    ] as const) {
      await insertOld(world, 3_000);
      const eligible = await world.eligibleKeys();
      const shop = await workshop({ ...world, pace, size: 600 });
      const run = await shop.collect();
      expect(run).toMatchObject({ state: 'complete', messagesDeleted: eligible.size });
      expect(await world.eligibleKeys()).toEqual(new Set());
      const napped = shop.answers.filter((answer) => answer.kind === 'swept' && (answer.nappedMs ?? 0) > 0);
      expect(napped.length > 0, pace.name).toBe(naps);
      await shop.coreapp.stop();
    }
  });

  test('is not tried by a user who may not sleep', async () => {
    const world = await guardWorld();
    await world.ask('REVOKE EXECUTE ON FUNCTION pg_sleep(double precision) FROM PUBLIC');
    const { url } = await world.plainUser();
    const { facts } = await world.openAgain(url);
    expect(facts.napMs).toBe(null);
  });
});

import { afterAll, expect, test } from 'vitest';
import { RowMaker, victimCodes } from '../harness/application.js';
import { metric, outcomeOf, waitForEnd } from '../harness/collection.js';
import { dropTemplates, postgresWorld } from '../harness/world.js';
import { describePostgres } from '../engines.js';

/** Transactions of the application at least; `MESSAGE_GC_RACE_TRANSACTIONS=20000` makes a long form. */
const transactions = Number(process.env['MESSAGE_GC_RACE_TRANSACTIONS'] ?? '2000');
/** What must have happened; the application goes on until it has, up to ten times the transactions. */
const least = { gaveWay: 3, waits: 5 } as const;
const sessions = 4;
const keysOfOne = 8;
/** D is 500 ms at the default deadlock_timeout; a busy two-core machine adds its own. */
const longestWaitMs = 1_000;

/** Half of the rows are put behind the others, so that the table's order is not the key's. */
const shuffle = 'UPDATE messages SET contact = contact WHERE id % 2 = 0';

const walks = [
  { walk: 'key', rows: 4_000, setUp: [] },
  { walk: 'blocks', rows: 30_000, setUp: [shuffle, 'ANALYZE messages'] },
] as const;

describePostgres('transactions against the sweep', () => {
  afterAll(dropTemplates);

  /**
   * Transactions that change several messages in random order across a sweep that locks them in its own: each crossing
   * is a deadlock in the making, and the server must never make the application its victim. They flip messages in and
   * out of eligibility, move them to other blocks, and bring back those that were collected. The sessions share no
   * rows with each other, so that every conflict is one with us.
   */
  for (const { walk, rows, setUp } of walks) {
    test(`application transactions that cross a sweep by ${walk} in random order never see an error of ours`, {
      timeout: 120_000 + transactions * 20,
    }, async () => {
      const world = await postgresWorld(rows);
      for (const statement of setUp) await world.client.query(statement);
      const instance = await world.start({ MESSAGE_GC_PROFILE: 'full' });
      const message = await RowMaker.like(world.client, 'messages');
      const application = world.application();
      // A session's keys lie all over the first two thousand that the sweep comes to; the others nobody touches.
      const sorted = [...world.before].sort((a, b) => Number(a) - Number(b));
      const ownKeys = Array.from({ length: sessions }, (_, number) =>
        sorted.slice(0, 2_000).filter((_key, at) => at % sessions === number),
      );
      const touched = new Set(ownKeys.flat());
      const untouched = new Set([...world.eligible].filter((key) => !touched.has(key)));
      let inserted = 0;
      let gaveWay = 0;
      const waits = await world.watchLockWaits();
      const ledger = world.oracle.watchInvariants(200);
      const hasHappened = (): boolean =>
        gaveWay >= least.gaveWay && Math.min(waits.seen.forUs, waits.seen.forApplication) >= least.waits;

      let isWritten = false;
      const writing = application
        .run(
          sessions,
          () =>
            application.committed < transactions ||
            (!hasHappened() && application.committed < 10 * transactions),
          async (session) => {
            const own = ownKeys[session.number] ?? [];
            const keys = new Set(
              Array.from({ length: keysOfOne }, () => own[Math.floor(session.random() * own.length)] ?? ''),
            );
            let made = 0;
            for (const key of keys) {
              const processed = session.random() < 0.7 ? 'clock_timestamp()' : 'NULL';
              const updated = await session.query(
                `UPDATE messages SET processed_at = ${processed} WHERE id = $1`,
                [key],
              );
              // Collected meanwhile: it comes back, so that the sweep has something to meet again.
              if (updated.rowCount === 0)
                made +=
                  (await message.insert(session, { id: Number(key), processed_at: null })).rowCount ?? 0;
            }
            inserted += made;
          },
        )
        .finally(() => {
          isWritten = true;
        });
      let runs = 0;
      let deleted = 0;
      while (!isWritten || runs === 0) {
        const run = await instance.collect();
        const ended = await waitForEnd(instance, run, 60_000);
        expect(ended.state, JSON.stringify(ended.errors)).toBe('complete');
        if (runs === 0) expect(ended.plan?.walk, ended.plan?.why).toBe(walk);
        deleted += ended.messages_deleted;
        runs += 1;
        gaveWay = await metric(instance, 'message_gc_batches_total{result="locked"}');
      }
      await writing;
      const seen = await waits.stop();
      await ledger.stop();
      await world.receiver.waitForAccepted(runs);

      // Every untouched message that was eligible is gone, and none that never was.
      await world.oracle.expectGone({ before: world.before, gone: untouched, either: touched });
      // Messages that came minus messages that are left: what went, and nobody but us deletes.
      expect(deleted, 'messages deleted, as the runs told').toBe(
        world.before.size + inserted - (await world.oracle.messages()),
      );
      const told = world.receiver.accepted.map((delivery) => outcomeOf(delivery).messages_deleted);
      expect(
        told.reduce((sum, count) => sum + count, 0),
        'messages deleted, as the callbacks told',
      ).toBe(deleted);
      await world.oracle.expectNoOrphans();
      await world.oracle.expectInvariants();

      console.log(
        `crossing transactions, walk by ${walk}: ${application.committed} committed, ${runs} runs, ${deleted} messages ` +
          `deleted; seen to wait: the application for us ${seen.forUs} times, we for the application ` +
          `${seen.forApplication} times; ${gaveWay} batches of ours gave way; longest statement of the application ` +
          `${Math.round(application.longestMs)} ms; its errors ${JSON.stringify([...application.errors])}`,
      );
      expect(Object.fromEntries(application.errors), 'errors of the application').toEqual({});
      expect(victimCodes.map((code) => application.count(code))).toEqual([0, 0, 0, 0]);
      expect(gaveWay, 'batches of ours that gave way').toBeGreaterThanOrEqual(least.gaveWay);
      expect(seen.forUs, 'the application waited for a batch').toBeGreaterThanOrEqual(least.waits);
      expect(seen.forApplication, 'a batch waited for the application').toBeGreaterThanOrEqual(least.waits);
      expect(application.longestMs, 'longest wait of the application').toBeLessThanOrEqual(longestWaitMs);
    });
  }
});

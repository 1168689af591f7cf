import { afterAll, expect, test } from 'vitest';
import { RowMaker, victimCodes } from '../harness/application.js';
import { metric, outcomeOf, waitForEnd } from '../harness/collection.js';
import { dropTemplates, postgresWorld } from '../harness/world.js';
import { describePostgres } from '../engines.js';

describePostgres('transactions against the sweep', () => {
  afterAll(dropTemplates);

  /** Transactions of the application in CI; the long form sets more. */
  const transactions = Number(process.env['MESSAGE_GC_RACE_TRANSACTIONS'] ?? '20000');
  const sessions = 4;
  /** D is 500 ms at the default deadlock_timeout; a busy two-core machine adds its own. */
  const longestWaitMs = 1_000;

  /**
   * Transactions that lock several messages in random order across a sweep that locks them in its own: each crossing
   * is a deadlock in the making, and the server must never make the application its victim. The sessions share no rows
   * with each other, so that every conflict is one with us.
   */
  test(`${transactions} application transactions that cross the sweep in random order never see an error of ours`, {
    timeout: 240_000,
  }, async () => {
    const world = await postgresWorld(20_000);
    const instance = await world.start({ MESSAGE_GC_PROFILE: 'full' });
    const message = await RowMaker.like(world.client, 'messages');
    const application = world.application();
    const never = [...world.before].filter((key) => !world.eligible.has(key));
    const sorted = [...world.before].sort((a, b) => Number(a) - Number(b));
    // The application flips the first two thousand keys in and out of eligibility, and touches none of the others.
    const hot = sorted.slice(0, 2_000);
    const ownKeys = Array.from({ length: sessions }, (_, number) =>
      hot.filter((_key, at) => at % sessions === number),
    );
    const touched = new Set<string>();
    let inserted = 0;
    let deletedByUs = 0;

    const writing = application.run(
      sessions,
      () => application.committed < transactions,
      async (session) => {
        // From the whole range: a transaction that holds a key before the sweep's front and one after it crosses it.
        const own = ownKeys[session.number] ?? [];
        const keys = new Set(
          Array.from({ length: 5 }, () => own[Math.floor(session.random() * own.length)] ?? ''),
        );
        for (const key of keys) touched.add(key);
        let made = 0;
        for (const key of keys) {
          const processed = session.random() < 0.7 ? 'clock_timestamp()' : 'NULL';
          const updated = await session.query(
            `UPDATE messages SET processed_at = ${processed} WHERE id = $1`,
            [key],
          );
          if (updated.rowCount === 0) {
            // Collected meanwhile; the same key comes back, so that the sweep has something to meet again.
            made += (await message.insert(session, { id: Number(key), processed_at: null })).rowCount ?? 0;
          }
        }
        inserted += made;
      },
    );
    let writingOver = false;
    const written = writing.finally(() => {
      writingOver = true;
    });
    let runs = 0;
    while (!writingOver || runs === 0) {
      const run = await instance.collect();
      const ended = await waitForEnd(instance, run, 60_000);
      expect(ended.state, JSON.stringify(ended.errors)).toBe('complete');
      deletedByUs += ended.messages_deleted;
      runs += 1;
    }
    await written;
    await world.receiver.waitForAccepted(runs);

    const now = await world.oracle.allKeys();
    const eligible = new Set([...world.eligible].filter((key) => !touched.has(key)));
    await world.oracle.expectGone({ before: world.before, gone: eligible, either: touched });
    expect(
      never.filter((key) => !touched.has(key) && !now.has(key)),
      'never eligible but gone',
    ).toEqual([]);
    // Rows that came minus rows that are left: what went, and nobody but us deletes.
    expect(deletedByUs, 'messages deleted, as the runs told').toBe(world.before.size + inserted - now.size);
    const told = world.receiver.accepted.map((delivery) => outcomeOf(delivery).messages_deleted);
    expect(
      told.reduce((sum, count) => sum + count, 0),
      'messages deleted, as the callbacks told',
    ).toBe(deletedByUs);
    await world.oracle.expectNoOrphans();
    await world.oracle.expectInvariants();

    const locked = await metric(instance, 'message_gc_batches_total{result="locked"}');
    console.log(
      `crossing transactions: ${application.committed} committed, ${runs} runs, ${deletedByUs} messages deleted, ` +
        `${application.waits} waits, longest ${Math.round(application.longestMs)} ms, ${locked} batches of ours gave up, ` +
        `errors ${JSON.stringify([...application.errors])}`,
    );
    expect(Object.fromEntries(application.errors), 'errors of the application').toEqual({});
    expect(victimCodes.map((code) => application.count(code))).toEqual([0, 0, 0, 0]);
    expect(application.waits, 'waits of the application').toBeGreaterThan(0);
    expect(locked, 'batches of ours that gave way').toBeGreaterThan(0);
    expect(application.longestMs, 'longest wait of the application').toBeLessThanOrEqual(longestWaitMs);
  });
});

import { afterAll, expect, test } from 'vitest';
import { outcomeOf, waitForEnd, waitForRun } from '../harness/collection.js';
import { dropTemplates, postgresWorld } from '../harness/world.js';
import { describePostgres } from '../engines.js';

describePostgres('locked rows', () => {
  afterAll(dropTemplates);

  test('rows locked by another session are waited for with the reason rows_locked, and go when they are released', {
    timeout: 90_000,
  }, async () => {
    const world = await postgresWorld(10_000);
    const instance = await world.start();
    const application = world.application();
    const eligible = [...world.eligible];
    const held = [0.1, 0.5, 0.9].map((at) => eligible[Math.floor(at * eligible.length)] ?? '');
    const holder = await application.hold(held);

    const run = await instance.collect();
    const waiting = await waitForRun(
      instance,
      run,
      'waiting for locked rows',
      30_000,
      ({ reason }) => reason?.code === 'rows_locked',
    );
    expect(waiting.state).toBe('waiting');
    expect(waiting.reason?.value, 'who holds them').toMatch(/^session \d+ \(.*the test: holder\)$/);
    expect(waiting.parked, 'messages skipped so far').toBe(held.length);
    expect(world.before.size - (await world.oracle.messages()), 'all but the locked ones are gone').toBe(
      world.eligible.size - held.length,
    );
    expect(world.receiver.deliveries, 'nobody is told before the end').toEqual([]);
    await world.oracle.expectInvariants();

    await holder.release();
    const ended = await waitForEnd(instance, run, 45_000);
    const [delivery] = await world.receiver.waitForAccepted(1);
    const gone = await world.oracle.expectGone({ before: world.before, gone: world.eligible });
    expect(ended.state).toBe('complete');
    expect(delivery === undefined ? null : outcomeOf(delivery)).toEqual({
      messages_deleted: gone.size,
      status: 'complete',
    });
    await world.oracle.expectNoOrphans();
    await world.oracle.expectInvariants();
  });

  test('a session that locks rows and releases them in mid-run delays nothing but those rows', {
    timeout: 90_000,
  }, async () => {
    const world = await postgresWorld(10_000);
    const instance = await world.start();
    const application = world.application(7);
    const keys = [...world.eligible];
    let over = false;
    // Locks of 30 ms on twenty rows at a time, all over the table: most batches meet some.
    const locking = application.run(
      2,
      () => !over,
      async (session) => {
        const some = Array.from(
          { length: 20 },
          () => keys[Math.floor(session.random() * keys.length)] ?? '0',
        ).sort((a, b) => Number(a) - Number(b));
        await session.query('SELECT id FROM messages WHERE id = ANY($1::bigint[]) ORDER BY id FOR UPDATE', [
          some,
        ]);
        await session.query('SELECT pg_sleep(0.03)');
      },
    );
    const run = await instance.collect();
    const ended = await waitForEnd(instance, run, 60_000);
    over = true;
    await locking;
    await world.receiver.waitForAccepted(1);
    const gone = await world.oracle.expectGone({ before: world.before, gone: world.eligible });
    expect(ended.state).toBe('complete');
    expect(ended.messages_deleted).toBe(gone.size);
    expect(Object.fromEntries(application.errors)).toEqual({});
    await world.oracle.expectNoOrphans();
    await world.oracle.expectInvariants();
  });
});

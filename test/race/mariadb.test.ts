import { expect, test } from 'vitest';
import { describeMariaDb } from '../engines.js';
import { metric, outcomeOf, waitForEnd, waitForRun } from '../harness/collection.js';
import { mariadbVictimCodes } from '../harness/mariadb-application.js';
import { mariadbWorld } from '../harness/mariadb-world.js';

/** What a message needs beside its key and its state. */
const insertMessage = `INSERT IGNORE INTO messages (id, direction, state, contact, processed_at) VALUES (?, 'outbound', 'sent', '49', NULL)`;

describeMariaDb('the application against the sweep on MariaDB', () => {
  const transactions = Number(process.env['MESSAGE_GC_RACE_TRANSACTIONS'] ?? '20000');
  /** A batch aims at 25 ms and a statement of ours is ended after 2 s; a busy two-core machine adds its own. */
  const longestWaitMs = 3_000;

  /**
   * Transactions that lock several messages in random order across a sweep that locks them in its own: each crossing
   * is a deadlock in the making, and InnoDB would end the application's, which changed fewer rows. The sessions share
   * no rows with each other, so that every conflict is one with us.
   */
  test(`${transactions} application transactions that cross the sweep in random order never see an error of ours`, {
    timeout: 300_000 + transactions * 20,
  }, async () => {
    const world = await mariadbWorld(20_000);
    const instance = await world.start({ MESSAGE_GC_PROFILE: 'full' });
    const application = world.application();
    const sessions = 4;
    const sorted = [...world.before].sort((a, b) => Number(a) - Number(b));
    const hot = sorted.slice(0, 2_000);
    const touched = new Set<string>();
    let inserted = 0;
    let deletedByUs = 0;
    const writing = application.run(
      sessions,
      () => application.committed < transactions,
      async (session) => {
        const own = hot.filter((_key, at) => at % sessions === session.number);
        const keys = new Set(
          Array.from({ length: 5 }, () => own[Math.floor(session.random() * own.length)] ?? ''),
        );
        for (const key of keys) touched.add(key);
        let made = 0;
        for (const key of keys) {
          const processed = session.random() < 0.7 ? 'CURRENT_TIMESTAMP(6)' : 'NULL';
          const updated = await session.write(
            `UPDATE messages SET processed_at = ${processed} WHERE id = ?`,
            [key],
          );
          // Collected meanwhile; the same key comes back, so that the sweep has something to meet again.
          if (updated === 0) made += await session.write(insertMessage, [key]);
          if (session.random() < 0.2) {
            const there = await session.rows('SELECT id FROM messages WHERE id = ? FOR UPDATE', [key]);
            if (there.length > 0)
              await session.write(`INSERT INTO message_receipts (message_id, status) VALUES (?, 'read')`, [
                key,
              ]);
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
      const ended = await waitForEnd(instance, run, 120_000);
      expect(ended.state, JSON.stringify(ended.errors)).toBe('complete');
      deletedByUs += ended.messages_deleted;
      runs += 1;
    }
    await written;
    await world.receiver.waitForAccepted(runs);
    const now = await world.oracle.allKeys();
    const eligible = new Set([...world.eligible].filter((key) => !touched.has(key)));
    await world.oracle.expectGone({ before: world.before, gone: eligible, either: touched });
    expect(deletedByUs, 'messages deleted, as the runs told').toBe(world.before.size + inserted - now.size);
    const told = world.receiver.accepted.map((delivery) => outcomeOf(delivery).messages_deleted);
    expect(told.reduce((sum, count) => sum + count, 0)).toBe(deletedByUs);
    await world.oracle.expectNoOrphans();
    await world.oracle.expectInvariants();
    const locked = await metric(instance, 'message_gc_batches_total{result="locked"}');
    console.log(
      `crossing transactions on MariaDB: ${application.committed} committed, ${runs} runs, ${deletedByUs} messages deleted, ` +
        `${application.waits} waits, longest ${Math.round(application.longestMs)} ms, ${locked} batches of ours gave up, ` +
        `errors ${JSON.stringify([...application.errors])}`,
    );
    expect(Object.fromEntries(application.errors), 'errors of the application').toEqual({});
    expect(mariadbVictimCodes.map((code) => application.count(code))).toEqual([0, 0, 0, 0]);
    expect(locked, 'batches of ours that gave way').toBeGreaterThan(0);
    expect(application.waits, 'waits of the application').toBeGreaterThan(0);
    expect(application.longestMs, 'longest wait of the application').toBeLessThanOrEqual(longestWaitMs);
  });

  /**
   * The race that leaves orphans when messages go first unguarded: receipts inserted into the very range that a batch
   * deletes. A receipt that comes after its message is refused by its foreign key (1452): no collector can avoid that,
   * so it is counted apart.
   */
  test('receipts inserted into the range that is being deleted leave no orphan and no count wrong', {
    timeout: 240_000,
  }, async () => {
    const world = await mariadbWorld(24_000);
    const instance = await world.start({ MESSAGE_GC_PROFILE: 'full' });
    const eligible = [...world.eligible].sort((a, b) => Number(a) - Number(b));
    const placeOf = new Map(eligible.map((key, place) => [key, place]));
    const application = world.application();
    let written = 0;
    let over = false;
    let front = 0;
    let lowest = eligible[0] ?? '0';
    const watching = (async () => {
      while (!over) {
        const [rows] = await world.client.query(
          'SELECT id FROM messages FORCE INDEX (PRIMARY) WHERE id >= ? AND processed_at <= now() ORDER BY id LIMIT 200',
          [lowest],
        );
        const ids = (rows as { id: number }[]).map(({ id }) => String(id));
        lowest = ids[0] ?? lowest;
        front = placeOf.get(ids.at(-1) ?? '') ?? front;
      }
    })();
    const racing = application.run(
      4,
      () => !over && front < eligible.length - 4_000,
      async (session) => {
        let inserted = 0;
        for (let count = 0; count < 3; count += 1) {
          const key = eligible[Math.min(eligible.length - 1, front + Math.floor(session.random() * 2_500))];
          inserted += await session.write(
            `INSERT INTO message_receipts (message_id, status) VALUES (?, 'read')`,
            [key],
          );
        }
        written += inserted;
      },
    );
    const run = await instance.collect();
    const ended = await waitForEnd(instance, run, 120_000);
    over = true;
    await Promise.all([racing, watching]);
    const [delivery] = await world.receiver.waitForAccepted(1);
    const gone = await world.oracle.expectGone({ before: world.before, gone: world.eligible });
    expect(ended.state).toBe('complete');
    expect(ended.plan?.foreign_keys).toBe('messages_first');
    expect(delivery === undefined ? null : outcomeOf(delivery)).toEqual({
      messages_deleted: gone.size,
      status: 'complete',
    });
    await world.oracle.expectNoOrphans();
    expect(ended.dependents_deleted['message_receipts'], 'receipts that went with their messages').toBe(
      world.receiptsBefore + written - (await world.oracle.receipts()),
    );
    await world.oracle.expectInvariants();
    const refused = application.count(1452);
    const locked = await metric(instance, 'message_gc_batches_total{result="locked"}');
    console.log(
      `receipts race on MariaDB: ${application.committed} transactions committed, ${written} receipts written, ` +
        `${refused} late ones refused (1452), ${application.waits} waits, longest ${Math.round(application.longestMs)} ms, ` +
        `${locked} batches of ours gave up`,
    );
    expect(
      [...application.errors.keys()].filter((code) => code !== 1452),
      'other errors of the application',
    ).toEqual([]);
    expect(application.committed, 'transactions that committed during the run').toBeGreaterThan(0);
    expect(refused + locked, 'the race took place').toBeGreaterThan(0);
  });

  test('rows locked by another session are waited for with the reason rows_locked, and go when they are released', {
    timeout: 120_000,
  }, async () => {
    const world = await mariadbWorld(20_000);
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
      60_000,
      ({ reason }) => reason?.code === 'rows_locked',
    );
    expect(waiting.state).toBe('waiting');
    expect(waiting.parked, 'messages skipped so far').toBe(held.length);
    expect(String(waiting.reason?.value)).toMatch(/^session \d+ \(root@/);
    expect(world.before.size - (await world.oracle.messages()), 'all but the locked ones are gone').toBe(
      world.eligible.size - held.length,
    );
    expect(world.receiver.deliveries, 'nobody is told before the end').toEqual([]);
    await world.oracle.expectInvariants();
    await holder.release();
    const ended = await waitForEnd(instance, run, 60_000);
    await world.receiver.waitForAccepted(1);
    const gone = await world.oracle.expectGone({ before: world.before, gone: world.eligible });
    expect(ended.state).toBe('complete');
    expect(ended.messages_deleted).toBe(gone.size);
    await world.oracle.expectNoOrphans();
    await world.oracle.expectInvariants();
  });
});

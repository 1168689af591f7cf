import { afterAll, expect, test } from 'vitest';
import { RowMaker, victimCodes } from '../harness/application.js';
import { metric, outcomeOf, waitForEnd } from '../harness/collection.js';
import { dropTemplates, postgresWorld } from '../harness/world.js';
import { describePostgres } from '../engines.js';

describePostgres('receipts against the sweep', () => {
  afterAll(dropTemplates);

  /**
   * The race that leaves orphans behind when messages and receipts are deleted in one snapshot: receipts inserted into
   * the very range that a batch is deleting. With retention 0 a receipt that comes after its message is refused by its
   * foreign key (23503); that is what no collector can avoid, so it is counted apart and proves that the race took place.
   */
  for (const profile of ['gentle', 'full'] as const) {
    test(`receipts inserted into the range that is being deleted (${profile}) leave no orphan and no count wrong`, {
      timeout: 90_000,
    }, async () => {
      const world = await postgresWorld(24_000);
      const instance = await world.start({ MESSAGE_GC_PROFILE: profile });
      const receipt = await RowMaker.like(world.client, 'message_receipts');
      const eligible = [...world.eligible].sort((a, b) => Number(a) - Number(b));
      const placeOf = new Map(eligible.map((key, place) => [key, place]));
      const application = world.application();
      let written = 0;
      let over = false;
      /**
       * Where the sweep is, as far as the application can see: beyond the two hundred lowest keys that are still there,
       * because a few stay behind for a while, skipped for the locks of this very race.
       */
      let front = 0;
      let lowest = eligible[0] ?? '0';
      const watching = (async () => {
        while (!over) {
          const { rows } = await world.client.query<{ id: string }>(
            'SELECT id::text AS id FROM messages WHERE id >= $1 AND processed_at <= now() ORDER BY id LIMIT 200',
            [lowest],
          );
          lowest = rows[0]?.id ?? lowest;
          front = placeOf.get(rows.at(-1)?.id ?? '') ?? front;
        }
      })();
      const racing = application.run(
        4,
        // Without an end the last few messages would always be locked by somebody, and the run rightly waits for them.
        () => !over && front < eligible.length - 4_000,
        async (session) => {
          // The batch in hand is the next thousand keys or so after the front; a receipt for one of them meets it.
          let inserted = 0;
          for (let count = 0; count < 3; count += 1) {
            const key = eligible[Math.min(eligible.length - 1, front + Math.floor(session.random() * 2_500))];
            inserted += (await receipt.insert(session, { message_id: Number(key) })).rowCount ?? 0;
          }
          written += inserted;
        },
      );
      const run = await instance.collect();
      const ended = await waitForEnd(instance, run, 60_000);
      over = true;
      await Promise.all([racing, watching]);
      const [delivery] = await world.receiver.waitForAccepted(1);

      const gone = await world.oracle.expectGone({ before: world.before, gone: world.eligible });
      expect(ended.state).toBe('complete');
      expect(delivery === undefined ? null : outcomeOf(delivery)).toEqual({
        messages_deleted: gone.size,
        status: 'complete',
      });
      await world.oracle.expectNoOrphans();
      // Every receipt that was ever committed is still there or was counted as gone with its message. A transaction
      // that failed at its COMMIT would break this sum; none does, because foreign keys are checked by the statement.
      expect(ended.dependents_deleted['message_receipts'], 'receipts that went with their messages').toBe(
        world.receiptsBefore + written - (await world.oracle.receipts()),
      );
      await world.oracle.expectInvariants();

      const refused = application.count('23503');
      const locked = await metric(instance, 'message_gc_batches_total{result="locked"}');
      console.log(
        `receipts race, ${profile}: ${application.committed} transactions committed, ${written} receipts written, ` +
          `${refused} late ones refused (23503), ${application.waits} waits, longest ${Math.round(application.longestMs)} ms, ` +
          `${locked} batches of ours gave up`,
      );
      expect(
        [...application.errors.keys()].filter((code) => code !== '23503'),
        'other errors of the application',
      ).toEqual([]);
      expect(victimCodes.map((code) => application.count(code))).toEqual([0, 0, 0, 0]);
      expect(application.committed, 'transactions that committed during the run').toBeGreaterThan(0);
      expect(refused + application.waits, 'the race took place').toBeGreaterThan(0);
      expect(refused, 'receipts that met a batch').toBeGreaterThan(0);
    });
  }
});

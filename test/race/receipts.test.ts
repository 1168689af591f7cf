import { afterAll, expect, test } from 'vitest';
import { RowMaker, victimCodes } from '../harness/application.js';
import { metric, outcomeOf, waitForEnd } from '../harness/collection.js';
import { pause } from '../harness/wait.js';
import { dropTemplates, postgresWorld, type World } from '../harness/world.js';
import { describePostgres } from '../engines.js';

const rows = 20_000;
/** How far ahead of the sweep receipts are written: mostly into the range of the batch in hand. */
const ahead = 400;
/** Less is no race. The application stops when five times as much has happened, and the run ends in peace. */
const least = { committed: 50, refused: 5, waits: 3 } as const;
const enough = 5;

/** With an ordinary trigger there, leaving the checks out would not fire it: so the checks stay on. */
const keepChecksOn = `
  CREATE FUNCTION nothing() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END';
  CREATE TRIGGER of_the_application AFTER DELETE ON message_receipts FOR EACH STATEMENT EXECUTE FUNCTION nothing()`;

const plans = [
  { foreignKeys: 'messages_first', setUp: '' },
  { foreignKeys: 'checked', setUp: keepChecksOn },
] as const;

/** Follows the sweep by what the ledger says: the last keys of the batches that have committed, one for each worker. */
function followFronts(world: World, isOver: () => boolean) {
  let fronts: readonly number[] = [0];
  const following = (async () => {
    while (!isOver()) {
      const { rows: cursors } = await world.client.query<{ key: string }>(
        `SELECT cursor_key::jsonb ->> 0 AS key FROM message_gc.span WHERE state = 'leased' AND cursor_key <> '[]'`,
      );
      if (cursors.length > 0) fronts = cursors.map(({ key }) => Number(key));
      await pause(3);
    }
  })();
  return { following, one: (random: number) => fronts[Math.floor(random * fronts.length)] ?? 0 };
}

describePostgres('receipts against the sweep', () => {
  afterAll(dropTemplates);

  /**
   * The race that leaves orphans behind when messages and receipts are deleted in one snapshot: receipts inserted into
   * the very range that a batch is deleting. With retention 0 a receipt that comes after its message is refused by its
   * foreign key (23503); that is what no collector can avoid, so it is counted apart and proves that the race took place.
   */
  for (const { foreignKeys, setUp } of plans) {
    test(`receipts inserted into the range that is being deleted (${foreignKeys}) leave no orphan and no count wrong`, {
      timeout: 90_000,
    }, async () => {
      const world = await postgresWorld(rows);
      if (setUp !== '') await world.client.query(setUp);
      const instance = await world.start({ MESSAGE_GC_PROFILE: 'full' });
      const receipt = await RowMaker.like(world.client, 'message_receipts');
      const application = world.application();
      let written = 0;
      let isOver = false;
      const front = followFronts(world, () => isOver);
      const waits = await world.watchLockWaits();
      const ledger = world.oracle.watchInvariants(200);
      const hasHappened = (): boolean =>
        application.committed >= enough * least.committed &&
        application.count('23503') >= enough * least.refused &&
        Math.min(waits.seen.forUs, waits.seen.forApplication) >= enough * least.waits;
      const racing = application.run(
        4,
        () => !isOver && !hasHappened(),
        async (session) => {
          let inserted = 0;
          for (let count = 0; count < 3; count += 1) {
            const key = front.one(session.random()) + 1 + Math.floor(session.random() * ahead);
            // A message that the seed left pending is no victim; its receipt tells nothing.
            if (!world.eligible.has(String(key))) continue;
            inserted += (await receipt.insert(session, { message_id: key })).rowCount ?? 0;
          }
          // Something else that an application does in a transaction: meanwhile these messages cannot go.
          await session.query('SELECT pg_sleep(0.01)');
          written += inserted;
        },
      );
      const run = await instance.collect();
      const ended = await waitForEnd(instance, run, 60_000);
      isOver = true;
      await Promise.all([racing, front.following]);
      const seen = await waits.stop();
      await ledger.stop();
      const [delivery] = await world.receiver.waitForAccepted(1);

      const gone = await world.oracle.expectGone({ before: world.before, gone: world.eligible });
      expect(ended.state).toBe('complete');
      expect(ended.plan?.foreign_keys, ended.plan?.why).toBe(foreignKeys);
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
        `receipts race, ${foreignKeys}: ${application.committed} transactions committed, ${written} receipts written, ` +
          `${refused} late ones refused (23503); seen to wait: the application for us ${seen.forUs} times, we for the ` +
          `application ${seen.forApplication} times; longest statement ${Math.round(application.longestMs)} ms, ` +
          `${locked} batches of ours gave way`,
      );
      expect(
        [...application.errors.keys()].filter((code) => code !== '23503'),
        'other errors of the application',
      ).toEqual([]);
      expect(victimCodes.map((code) => application.count(code))).toEqual([0, 0, 0, 0]);
      expect(application.committed, 'transactions of the race').toBeGreaterThanOrEqual(least.committed);
      expect(refused, 'receipts that came too late').toBeGreaterThanOrEqual(least.refused);
      expect(seen.forUs, 'the application waited for a batch').toBeGreaterThanOrEqual(least.waits);
      expect(seen.forApplication, 'a batch waited for the application').toBeGreaterThanOrEqual(least.waits);
    });
  }
});

import { expect, onTestFinished, test } from 'vitest';
import type { BatchRequest } from '../../src/core/ports.js';
import type { Run } from '../../src/core/run.js';
import { silentLog } from '../../src/kit/log.js';
import { openStore } from '../../src/storage/open-store.js';
import {
  endComplete,
  finish,
  insertOld,
  leaseMs,
  plannedRun,
  registered,
  take,
  viewOf,
} from '../conformance/drive.js';
import { mariadbWorld } from '../conformance/mariadb-world.js';
import { describeMariaDb } from '../engines.js';
import { blackHole } from '../harness/black-hole.js';
import { createMariadbDatabase, mariadbClient } from '../harness/mariadb-database.js';
import { until, within } from '../harness/wait.js';

/** Answers that come late, or never: of a COMMIT that is still under way, and out of a black hole. */
describeMariaDb('late answers', () => {
  async function begun(messages: number) {
    const database = await createMariadbDatabase();
    onTestFinished(() => database.drop());
    const client = await mariadbClient(database.url);
    onTestFinished(() => client.end());
    const open = (url: string) => {
      const store = openStore({ database: { engine: 'mysql', url }, workers: 2, log: silentLog });
      onTestFinished(() => store.close());
      return store;
    };
    const store = open(database.url);
    await store.prepare({ migrate: true });
    const world = await mariadbWorld(store, client);
    const keys = await insertOld(world, messages, 1);
    const node = await registered(world);
    const run = await plannedRun(world, node);
    const span = await take(world, run, node);
    const request: BatchRequest = {
      run,
      policy: world.policy,
      plan: planOf(run),
      span,
      node,
      size: 10,
      skipGap: false,
      skipLocked: false,
      yields: false,
      leaseMs,
    };
    return { database, client, world, open, keys, node, run, span, request };
  }

  test('a batch that waits for one whose COMMIT is under way adds to all that the other has counted', async () => {
    const { database, client, world, keys, node, run, span, request } = await begun(40);
    // The batch whose connection was lost in its COMMIT, as the server still has it.
    const lost = await mariadbClient(database.url);
    onTestFinished(() => lost.end());
    const [first = ''] = keys;
    const place = `run = '${run.id}' AND`;
    await lost.query(`BEGIN;
      UPDATE message_gc_span SET batches = batches + 1, deleted = deleted + 1 WHERE ${place} no = ${span.no};
      DELETE FROM message_receipts WHERE message_id = ${first};
      DELETE FROM messages WHERE id = ${first};
      UPDATE message_gc_tally SET batches = batches + 1, deleted = deleted + 1, dependents = '{"message_receipts":1}'
        WHERE ${place} span = ${span.no} AND node = '${node.name}'`);
    const next = world.store.sweep.batch(request);
    next.catch(() => undefined);
    await until('the next batch to wait for the span', 10_000, async () => {
      const { rows } = await client.query(
        `SELECT 1 FROM information_schema.PROCESSLIST WHERE DB = DATABASE() AND INFO LIKE 'SELECT s.cursor_key%FOR UPDATE'`,
      );
      return rows.length > 0;
    });
    await lost.query('COMMIT');
    expect(await next).toMatchObject({ kind: 'swept', before: { deleted: 1, batches: 1 } });
    await world.expireLease(span);
    await finish(world, run, node);
    expect(await endComplete(world, run)).toBe(true);
    expect(await viewOf(world, run)).toMatchObject({
      messagesDeleted: 40,
      dependentsDeleted: { message_receipts: 40 },
    });
    expect(await world.invariants()).toEqual([]);
  });

  test('a statement that is never answered keeps a worker no longer than its limit, and its session is given up', async () => {
    const { database, world, open, request, run, node, span } = await begun(20);
    const hole = await blackHole(database.url, /DELETE .*`messages`/s);
    onTestFinished(() => hole.close());
    const store = open(hole.url);
    await store.prepare({ migrate: false });
    const batch = store.sweep.batch(request);
    await expect(within('the batch to give up', 25_000, batch)).rejects.toMatchObject({
      kind: 'unreachable',
    });
    // Another session of the same pool, at once.
    expect(await within('the next batch', 5_000, store.sweep.batch(request))).toMatchObject({
      kind: 'swept',
    });
    await world.expireLease(span);
    await finish(world, run, node);
    expect(await endComplete(world, run)).toBe(true);
    expect(await viewOf(world, run)).toMatchObject({ messagesDeleted: 20 });
  }, 60_000);
});

function planOf({ plan }: Run) {
  if (plan === null) throw new Error('The run has no plan.');
  return plan;
}

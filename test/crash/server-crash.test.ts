import pg from 'pg';
import { expect, onTestFinished, test } from 'vitest';
import { startPrivateServer } from '../../bench/kit/private-server.mjs';
import { describePostgres } from '../engines.js';
import { outcomeOf, runOf, waitForEnd } from '../harness/collection.js';
import { Instance } from '../harness/instance.js';
import { Oracle } from '../harness/oracle.js';
import { seed } from '../harness/processes.js';
import { Receiver } from '../harness/receiver.js';
import { until } from '../harness/wait.js';

/**
 * The database server itself is killed, with every session, and started again: batches do not wait for the disk, so
 * the last of them may be undone. Rows, tally and cursor must be undone together, and the final number is exact.
 */
describePostgres('a crash of the database server', () => {
  const rows = 40_000;
  const crashes = 2;

  test('is waited for, and the number at the end is that of the rows which are gone', {
    timeout: 120_000,
  }, async () => {
    const server = await startPrivateServer({ isDurable: true });
    onTestFinished(() => server.stop());
    await seed({ DATABASE_URL: server.url }, rows);
    const receiver = await Receiver.start();
    onTestFinished(() => receiver.close());
    const before = await asking((oracle) => oracle.allKeys());
    const eligible = await asking((oracle) => oracle.eligibleKeys());
    const instance = await Instance.start({ DATABASE_URL: server.url, MESSAGE_GC_PROFILE: 'gentle' });
    onTestFinished(() => instance.close());
    await instance.setWebhook(receiver.url);
    const id = await instance.collect();

    let seen = 0;
    for (let crash = 1; crash <= crashes; crash += 1) {
      seen = await until(`batch after batch before crash ${crash}`, 30_000, async () => {
        const gone = await asking(async (oracle) => before.size - (await oracle.messages()));
        return gone > seen && gone < eligible.size ? gone : null;
      });
      await server.crash();
      await until('the instance to notice', 10_000, async () => {
        const health = await instance.api('GET', '/v1/health');
        return !JSON.stringify(health.body).includes('"connected"');
      });
      await server.startAgain();
      // In one snapshot, whatever the instance does meanwhile: what is gone and what is counted are one.
      seen = await asking(async (oracle, client) => {
        const { rows: counts } = await client.query(
          `SELECT (SELECT count(*) FROM messages)::int AS left, (SELECT sum(deleted) FROM message_gc.tally)::int AS counted`,
        );
        expect(before.size - counts[0].left).toBe(counts[0].counted);
        expect(await oracle.violations()).toEqual([]);
        return counts[0].counted;
      });
      expect(seen).toBeLessThan(eligible.size);
    }

    const run = await waitForEnd(instance, id, 60_000);
    expect(run).toMatchObject({ state: 'complete', messages_deleted: eligible.size, errors: [] });
    const [delivery] = await receiver.waitForAccepted(1, 30_000);
    expect(delivery === undefined ? null : outcomeOf(delivery)).toEqual({
      messages_deleted: eligible.size,
      status: 'complete',
    });
    await asking((oracle) => oracle.expectGone({ before, gone: eligible }));
    expect(await asking((oracle) => oracle.orphans())).toBe(0);
    expect((await runOf(instance, id)).dependents_deleted['message_receipts']).toBeGreaterThan(0);

    /** On a connection for the moment: a crash ends every one. */
    async function asking<T>(ask: (oracle: Oracle, client: pg.Client) => Promise<T>): Promise<T> {
      const client = new pg.Client({ connectionString: server.url, application_name: 'the test: oracle' });
      client.on('error', () => undefined);
      await client.connect();
      try {
        return await ask(
          new Oracle({ query: (sql, values) => client.query(sql, values === undefined ? [] : [...values]) }),
          client,
        );
      } finally {
        await client.end();
      }
    }
  });
});

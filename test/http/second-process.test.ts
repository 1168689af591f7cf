import { afterAll, expect, test, vi } from 'vitest';
import { waitForEnd } from '../harness/collection.js';
import { Instance } from '../harness/instance.js';
import { dropTemplates, postgresWorld } from '../harness/world.js';
import { describePostgres } from '../engines.js';

vi.setConfig({ testTimeout: 120_000 });

afterAll(dropTemplates);

describePostgres('a second process', () => {
  test('that cannot have the port ends with exit 2, and the first one goes on with its run', async () => {
    const world = await postgresWorld(20_000);
    const first = await world.start();
    const run = await first.collect();
    await expect(
      Instance.start({
        DATABASE_URL: world.proxy.urlFor(world.database.url),
        MESSAGE_GC_LISTEN: new URL(first.url).host,
      }),
    ).rejects.toThrow(/"code":2|exit 2|code 2/);
    await waitForEnd(first, run);
    // A heartbeat later the first would have noticed that its name was taken.
    const { rows } = await world.client.query(
      `SELECT beats FROM message_gc.node WHERE left_at IS NULL ORDER BY beats DESC LIMIT 1`,
    );
    await vi.waitFor(
      async () => {
        const now = await world.client.query('SELECT max(beats) AS beats FROM message_gc.node');
        expect(Number(now.rows[0].beats)).toBeGreaterThan(Number(rows[0].beats));
      },
      { timeout: 20_000, interval: 100 },
    );
    expect((await first.api('GET', '/healthz')).status).toBe(200);
    await world.oracle.expectGone({ before: world.before, gone: world.eligible });
  });
});

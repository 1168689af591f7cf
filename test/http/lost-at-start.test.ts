import { afterAll, expect, test, vi } from 'vitest';
import { describePostgres } from '../engines.js';
import { waitForEnd } from '../harness/collection.js';
import { until } from '../harness/wait.js';
import { dropTemplates, postgresWorld } from '../harness/world.js';

vi.setConfig({ testTimeout: 120_000 });

afterAll(dropTemplates);

/** The database was there when the process began, and goes away before the process works: it waits, as for any other. */
describePostgres('a database that is lost while the process begins', () => {
  test('is waited for, and then everything works', async () => {
    const world = await postgresWorld(1_000);
    const match = /insert into "message_gc"\."node"/;
    const trap = world.proxy.arm({ when: 'statement', match, action: 'cut' });
    const instance = await world.start();
    expect(trap.hasHit()).toBe(true);
    expect(instance.lines.map((line) => line['msg'])).toContainEqual(
      expect.stringContaining('the database was lost while the process began, trying again'),
    );
    await until(
      'the instance to be ready',
      20_000,
      async () => (await instance.api('GET', '/readyz')).status === 200,
    );
    await waitForEnd(instance, await instance.collect());
    await world.oracle.expectGone({ before: world.before, gone: world.eligible });
  });
});

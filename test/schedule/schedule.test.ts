import { afterAll, expect, test, vi } from 'vitest';
import { describeMariaDb, describePostgres } from '../engines.js';
import { mariadbWorld } from '../harness/mariadb-world.js';
import { until } from '../harness/wait.js';
import { dropTemplates, postgresWorld } from '../harness/world.js';
import { scheduleSuite } from './schedule-suite.js';
import { collectingBy, farWindow, hasEnded, patch, scheduledRuns } from './world.js';

// Each test starts processes of its own; on a machine that is busy with others that takes its time.
vi.setConfig({ testTimeout: 120_000 });

describeMariaDb('a schedule on MariaDB', () => scheduleSuite(mariadbWorld));

describePostgres('a schedule on PostgreSQL', () => {
  afterAll(dropTemplates);
  scheduleSuite(postgresWorld);

  test('that was missed while nobody ran is made up for once, with the latest slot', async () => {
    const world = await postgresWorld(1_000);
    const instance = await world.start();
    // Far from every slot: the one of last midnight belongs to the past before it was switched on.
    await patch(instance, collectingBy('0 0 * * *'));
    await instance.kill('SIGKILL');
    expect(await world.oracle.messages()).toBe(world.before.size);
    // The downtime: a month of midnights that nobody saw.
    await world.client.query(
      `UPDATE message_gc.setting SET value = to_char(clock_timestamp() - interval '30 days', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"')
       WHERE name = 'schedule_since'`,
    );
    const again = await world.restart(instance);
    const made = await until('the missed run to end', 30_000, async () => {
      const runs = await scheduledRuns(again);
      return runs.some(hasEnded) ? runs : null;
    });
    expect(made).toHaveLength(1);
    const [told] = await Promise.all([
      again.waitForLine('the slot', ({ slot }) => typeof slot === 'string', 5_000),
      until('the slot to be noted', 5_000, async () => {
        const { rows } = await world.client.query(
          `SELECT value FROM message_gc.setting WHERE name = 'schedule_slot'`,
        );
        return rows.length === 1;
      }),
    ]);
    const midnight = new Date();
    midnight.setUTCHours(0, 0, 0, 0);
    expect(told['slot']).toBe(midnight.toISOString());

    // Another start finds the slot done.
    await again.kill('SIGKILL');
    const third = await world.restart(again);
    const put = await third.collect();
    await until('a run by hand to end', 30_000, async () => {
      const { body } = await third.api('GET', `/v1/services/message/gc/${put}`);
      return JSON.stringify(body).includes('"complete"');
    });
    expect(await scheduledRuns(third)).toHaveLength(1);
    await world.oracle.expectGone({ before: world.before, gone: world.eligible });
  });

  test('joins the run that is on', async () => {
    const world = await postgresWorld(1_000);
    const instance = await world.start();
    // It waits, so that the slot finds it.
    await patch(instance, { garbagecollector_windows: [farWindow()] });
    const id = await instance.collect();
    await patch(instance, collectingBy('* * * * * *'));
    await until('the slot to join it', 20_000, async () => {
      const { text } = await instance.api('GET', `/v1/services/message/gc/${id}`);
      return text.includes('"joined_by":["schedule"');
    });
    await patch(instance, { garbagecollector_enable: { messages: false }, garbagecollector_windows: [] });
    await world.receiver.waitForAccepted(1, 30_000);
    const gone = await world.oracle.expectGone({ before: world.before, gone: world.eligible });
    expect(world.receiver.accepted[0]?.headers['x-request-id']).toBe(id);
    expect(gone.size).toBe(world.eligible.size);
  });
});

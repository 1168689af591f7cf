import { afterAll, expect, onTestFinished, test, vi } from 'vitest';
import { describePostgres } from '../engines.js';
import type { Instance } from '../harness/instance.js';
import { runOf } from '../harness/collection.js';
import { startCommand } from '../harness/processes.js';
import { until, within } from '../harness/wait.js';
import { dropTemplates, postgresWorld } from '../harness/world.js';
import { farWindow, hasEnded, patch } from './world.js';

vi.setConfig({ testTimeout: 120_000 });

type KeepUp = {
  readonly eligible_rows_per_day: number | null;
  readonly capacity_rows_per_day: number | null;
  readonly keeps_up: boolean | null;
  readonly measured_seconds: number | null;
};

async function keepUpOf(instance: Instance): Promise<KeepUp> {
  const { body } = await instance.api('GET', '/v1/services/message/gc');
  return (body as { services: { message: { gc: { keep_up: KeepUp } } } }).services.message.gc.keep_up;
}

async function collected(instance: Instance): Promise<number> {
  const id = await instance.collect();
  const ended = await until('the run to end', 60_000, async () => {
    const run = await runOf(instance, id);
    return hasEnded(run) ? run : null;
  });
  return ended.messages_deleted;
}

describePostgres('keeping up', () => {
  afterAll(dropTemplates);

  test('is measured between the horizons of runs, shown, and warned of when runs fall behind', async () => {
    const world = await postgresWorld(20_000);
    const instance = await world.start({ MESSAGE_GC_PROFILE: 'full' });
    expect(await keepUpOf(instance)).toEqual({
      eligible_rows_per_day: null,
      capacity_rows_per_day: null,
      keeps_up: null,
      measured_seconds: null,
    });
    const first = await collected(instance);
    expect(first).toBeGreaterThan(10_000);
    await world.client.query(
      `UPDATE messages SET processed_at = now() WHERE id IN (SELECT id FROM messages WHERE processed_at IS NULL LIMIT 50)`,
    );
    // Half a day lies between the two horizons: the first run's is moved back by as much.
    await world.client.query(
      `UPDATE message_gc.run SET horizon = to_char(horizon::timestamptz AT TIME ZONE 'UTC' - interval '12 hours', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')`,
    );
    expect(await collected(instance)).toBe(50);
    const found = await keepUpOf(instance);
    expect(found.measured_seconds).toBeGreaterThanOrEqual(43_200);
    expect(found.eligible_rows_per_day).toBeGreaterThan(98);
    expect(found.eligible_rows_per_day).toBeLessThanOrEqual(100);
    expect(found.capacity_rows_per_day).toBeGreaterThan(10_000);
    expect(found.keeps_up).toBe(true);

    // An hour a week, and a run that took a thousand days for what it deleted: fourteen or so a day.
    await patch(instance, { garbagecollector_windows: [farWindow()] });
    await world.client.query(
      `UPDATE message_gc.run SET made_at = made_at - interval '1000 days' WHERE deleted > 1000`,
    );
    expect((await keepUpOf(instance)).keeps_up).toBe(false);
    await instance.waitForLine(
      'runs fall behind',
      ({ level, msg }) => level === 'warn' && String(msg).includes('than runs can delete'),
      5_000,
    );
    expect((await instance.api('GET', '/v1/health')).text).toContain('than runs can delete in their windows');
    const { text } = await instance.api('GET', '/metrics?format=prometheus');
    expect(text).toMatch(/^message_gc_eligible_rows_per_day \d+/m);
    expect(text).toMatch(/^message_gc_capacity_rows_per_day \d+/m);
    const status = startCommand(['status'], { DATABASE_URL: world.database.url, MESSAGE_GC_CONFIG: '' });
    onTestFinished(() => status.close());
    expect((await within('status', 20_000, status.ended)).stdout).toContain('than runs can delete');
  });

  test('a dry run and a waiting run say when they would end', async () => {
    const world = await postgresWorld(20_000);
    const instance = await world.start();
    await patch(instance, { garbagecollector_windows: [farWindow()] });
    const { body } = await instance.api('PUT', '/v1/services/message/gc?dry_run=true');
    const { forecast } = (body as { services: { message: { gc: { dry_run: { forecast: object } } } } })
      .services.message.gc.dry_run;
    expect(forecast).toMatchObject({ fits: true, windows: 1 });
    const plan = startCommand(['plan'], { DATABASE_URL: world.database.url, MESSAGE_GC_CONFIG: '' });
    onTestFinished(() => plan.close());
    expect((await within('plan', 20_000, plan.ended)).stdout).toMatch(/forecast +would end about \d{4}-/);
    const id = await instance.collect();
    const run = await until('the run to wait', 20_000, async () => {
      const seen = await runOf(instance, id);
      return seen.state === 'waiting' ? seen : null;
    });
    // Nothing is done yet, so nobody can say.
    expect(run).toMatchObject({ progress: { forecast: { fits: null, ends_at: null, windows: null } } });
  });
});

import { describe, expect, it } from 'vitest';
import { createMeters } from '../../src/metrics/meters.js';
import { meterNames, meterTable } from '../../src/metrics/meter-table.js';

const node = '9dfe77618dba';

describe('the meters', () => {
  it('are exactly those of the table, each with words', async () => {
    const readings = await createMeters(node).readings();
    expect(readings.map(({ name }) => name).toSorted()).toStrictEqual(meterNames.toSorted());
    for (const { name, help, type } of readings) {
      expect(meterTable[name as keyof typeof meterTable]).toMatchObject({ help, type });
    }
  });

  it('tell a batch in all that it did', async () => {
    const meters = createMeters(node);
    meters.deleted(500, { message_receipts: 700 });
    meters.swept({ durationMs: 42, lockedMs: 30 });
    meters.batchWithout('locked');
    const { body } = await meters.text();
    expect(body).toContain('message_gc_messages_deleted_total 500\n');
    expect(body).toContain('message_gc_dependents_deleted_total{table="message_receipts"} 700\n');
    expect(body).toContain('message_gc_batches_total{result="swept"} 1\n');
    expect(body).toContain('message_gc_batches_total{result="locked"} 1\n');
    expect(body).toContain('message_gc_batch_duration_ms_sum 42\n');
    expect(body).toContain('message_gc_locked_ms_count 1\n');
  });

  it('bear the labels of the original for requests', async () => {
    const meters = createMeters(node);
    const method = 'PUT_v1_services_message_gc';
    meters.request({ method, status: 200, errorCode: null, durationMs: 3 });
    meters.request({ method, status: 500, errorCode: 1014, durationMs: 4 });
    const { body, contentType } = await meters.text();
    expect(contentType).toContain('text/plain; version=0.0.4');
    expect(body).toContain(`api_requests_duration_ms_sum{node="${node}",result="ok",method="${method}"} 3\n`);
    expect(body).toContain(
      `api_requests_duration_ms_count{node="${node}",result="1014",method="${method}"} 1\n`,
    );
    expect(body).toContain(`web_requests{node="${node}",state="failed"} 1\n`);
  });

  it('count the seconds since their start, and keep apart from other instances', async () => {
    let ms = 1_000;
    const clock = { monotonicMs: () => ms, now: () => new Date(0) };
    const meters = createMeters(node, clock);
    createMeters(node, clock).runEnded('failed');
    ms += 5_900;
    const { body } = await meters.text();
    expect(body).toContain(`web_uptime{node="${node}"} 5\n`);
    expect(body).not.toContain('outcome="failed"');
  });

  it('show states of the moment as 0 and 1', async () => {
    const meters = createMeters(node);
    meters.runActive(true);
    meters.databaseReachable(false);
    meters.callbacksWaiting(3);
    meters.callback('refused');
    meters.runEnded('complete');
    const { body } = await meters.text();
    expect(body).toContain('message_gc_run_active 1\n');
    expect(body).toContain('message_gc_database_reachable 0\n');
    expect(body).toContain('message_gc_callbacks_waiting 3\n');
    expect(body).toContain('message_gc_callbacks_total{result="refused"} 1\n');
    expect(body).toContain('message_gc_runs_total{outcome="complete"} 1\n');
  });

  it('show how the run in hand goes, one reason at a time, and nothing of a run that is over', async () => {
    const meters = createMeters(node);
    const signals = [
      { signal: 'canary', value: 5, limit: 10 },
      { signal: 'replica_lag', value: null, limit: 5 },
      { signal: 'disk_used', value: 0.5, limit: null },
    ] as const;
    meters.paced({ duty: 0.5, reason: { code: 'resting' }, signals });
    meters.paced({ duty: 0.25, reason: { code: 'slowed' }, signals });
    const { body } = await meters.text();
    expect(body).toContain('message_gc_duty 0.25\n');
    expect(body.match(/^message_gc_reason\{.*$/gm)).toEqual(['message_gc_reason{code="slowed"} 1']);
    expect(body.match(/^message_gc_signal_.*\{.*$/gm)).toEqual([
      'message_gc_signal_value{signal="canary"} 5',
      'message_gc_signal_value{signal="disk_used"} 0.5',
      'message_gc_signal_load{signal="canary"} 0.5',
    ]);
    meters.paced(null);
    const { body: after } = await meters.text();
    expect(after).toContain('message_gc_duty 0\n');
    expect(after).not.toMatch(/^message_gc_(?:reason|signal_value|signal_load)\{/m);
  });
});

describe('the figures of keeping up', () => {
  const names = ['message_gc_eligible_rows_per_day', 'message_gc_capacity_rows_per_day'];
  const samples = async (meters: ReturnType<typeof createMeters>) =>
    (await meters.text()).body.split('\n').filter((line) => names.some((name) => line.startsWith(name)));

  it('have no sample while they are unknown', async () => {
    const meters = createMeters('9dfe77618dba');
    expect(await samples(meters)).toEqual([]);
    meters.keepUp({ eligiblePerDay: 1_200, capacityPerDay: null });
    expect(await samples(meters)).toEqual(['message_gc_eligible_rows_per_day 1200']);
    meters.keepUp({ eligiblePerDay: 0, capacityPerDay: 5 });
    expect(await samples(meters)).toEqual([
      'message_gc_eligible_rows_per_day 0',
      'message_gc_capacity_rows_per_day 5',
    ]);
    meters.keepUp({ eligiblePerDay: null, capacityPerDay: null });
    expect(await samples(meters)).toEqual([]);
  });
});

/**
 * What this process counts, in a registry of its own: two instances in one process (tests, embedding) do not mix.
 * Callers say what happened in the words of the product; names and labels of meters stay in this room.
 */
import { Counter, Gauge, Histogram, Registry } from 'prom-client';
import type { SignalView } from '../core/pressure.js';
import type { Reason } from '../core/reason.js';
import { type Clock, systemClock } from '../kit/clock.js';
import { type MeterName, meterTable } from './meter-table.js';

export interface Meters {
  request(answered: {
    /** `PUT_v1_services_message_gc`; a fixed word for paths that do not exist, so that probing makes no new series. */
    readonly method: string;
    readonly status: number;
    /** null: no error. */
    readonly errorCode: number | null;
    readonly durationMs: number;
  }): void;
  /** A batch that committed. */
  swept(batch: { readonly durationMs: number; readonly lockedMs: number }): void;
  /** Rows that committed transactions removed; told apart from the batch, because a lost COMMIT is confirmed later. */
  deleted(messages: number, dependents: Readonly<Record<string, number>>): void;
  /** A batch that did not sweep: the answer's kind (`locked`, `lost`, …) or the kind of the error. */
  batchWithout(result: string): void;
  runEnded(outcome: 'complete' | 'failed'): void;
  callback(result: 'delivered' | 'refused'): void;
  callbacksWaiting(count: number): void;
  runActive(active: boolean): void;
  /** Null: unknown, and no sample is shown. */
  keepUp(figures: { readonly eligiblePerDay: number | null; readonly capacityPerDay: number | null }): void;
  databaseReachable(reachable: boolean): void;
  /** How the run in hand goes; null: none is in hand. */
  paced(now: Paced | null): void;
  /** Prometheus text, version 0.0.4. */
  text(): Promise<{ readonly contentType: string; readonly body: string }>;
  readings(): Promise<readonly Reading[]>;
}

export type Paced = {
  readonly duty: number;
  readonly reason: Pick<Reason, 'code'>;
  readonly signals: readonly Pick<SignalView, 'signal' | 'value' | 'limit'>[];
};

export type Reading = {
  readonly name: string;
  readonly help: string;
  readonly type: string;
  readonly values: readonly {
    readonly labels: Readonly<Record<string, string | number | undefined>>;
    readonly value: number;
    readonly line: string | null;
  }[];
};

/** 1 ms to 10 s, close together around the 150 ms that a batch may take. */
const batchBuckets = [1, 2, 5, 10, 20, 50, 75, 100, 125, 150, 200, 300, 500, 1_000, 3_000, 10_000];

/** `node` is the 12-hex id of this node, the label that the original's dashboards group by. */
export function createMeters(node: string, clock: Clock = systemClock): Meters {
  const registry = new Registry();
  const common = (name: MeterName) => ({
    name,
    help: meterTable[name].help,
    labelNames: [...meterTable[name].labels],
    registers: [registry],
  });
  const counter = (name: MeterName) => new Counter<string>(common(name));
  const gauge = (name: MeterName) => new Gauge<string>(common(name));
  const histogram = (name: MeterName) => new Histogram<string>({ ...common(name), buckets: batchBuckets });

  const startedMs = clock.monotonicMs();
  const uptime: Gauge<string> = new Gauge<string>({
    ...common('web_uptime'),
    collect: (): void => uptime.set({ node }, Math.floor((clock.monotonicMs() - startedMs) / 1_000)),
  });
  const requests = counter('web_requests');
  const durationSum = counter('api_requests_duration_ms_sum');
  const durationCount = counter('api_requests_duration_ms_count');
  const deleted = counter('message_gc_messages_deleted_total');
  const dependentsDeleted = counter('message_gc_dependents_deleted_total');
  const batches = counter('message_gc_batches_total');
  const batchDuration = histogram('message_gc_batch_duration_ms');
  const locked = histogram('message_gc_locked_ms');
  const runs = counter('message_gc_runs_total');
  const callbacks = counter('message_gc_callbacks_total');
  const waiting = gauge('message_gc_callbacks_waiting');
  const active = gauge('message_gc_run_active');
  const reachable = gauge('message_gc_database_reachable');
  const eligible = gauge('message_gc_eligible_rows_per_day');
  const capacity = gauge('message_gc_capacity_rows_per_day');
  // A gauge begins at 0, which would be a claim here.
  eligible.remove();
  capacity.remove();
  const reason = gauge('message_gc_reason');
  const duty = gauge('message_gc_duty');
  const signalValue = gauge('message_gc_signal_value');
  const signalLoad = gauge('message_gc_signal_load');

  return {
    request({ method, status, errorCode, durationMs }) {
      requests.inc({ node, state: status < 400 ? 'ok' : status < 500 ? 'refused' : 'failed' });
      const labels = { node, result: errorCode === null ? 'ok' : String(errorCode), method };
      durationSum.inc(labels, durationMs);
      durationCount.inc(labels);
    },
    deleted(messages, dependents) {
      deleted.inc(messages);
      for (const [table, count] of Object.entries(dependents)) dependentsDeleted.inc({ table }, count);
    },
    swept({ durationMs, lockedMs }) {
      batches.inc({ result: 'swept' });
      batchDuration.observe(durationMs);
      locked.observe(lockedMs);
    },
    batchWithout: (result) => batches.inc({ result }),
    runEnded: (outcome) => runs.inc({ outcome }),
    callback: (result) => callbacks.inc({ result }),
    callbacksWaiting: (count) => waiting.set(count),
    runActive: (is) => active.set(is ? 1 : 0),
    keepUp({ eligiblePerDay, capacityPerDay }) {
      for (const [meter, figure] of [
        [eligible, eligiblePerDay],
        [capacity, capacityPerDay],
      ] as const) {
        if (figure === null) meter.remove();
        else meter.set(figure);
      }
    },
    databaseReachable: (is) => reachable.set(is ? 1 : 0),
    paced(now) {
      // A figure that nobody renews any more would be read as that of this moment.
      for (const one of [reason, signalValue, signalLoad]) one.reset();
      duty.set(now?.duty ?? 0);
      if (now === null) return;
      reason.set({ code: now.reason.code }, 1);
      for (const { signal, value, limit } of now.signals) {
        if (value === null) continue;
        signalValue.set({ signal }, value);
        if (limit !== null && limit > 0) signalLoad.set({ signal }, value / limit);
      }
    },
    async text() {
      return { contentType: registry.contentType, body: await registry.metrics() };
    },
    async readings() {
      const found = await registry.getMetricsAsJSON();
      return found.map(({ name, help, type, values }) => ({
        name,
        help,
        type: String(type),
        values: values.map((value) => ({
          labels: value.labels,
          value: value.value,
          line: 'metricName' in value && typeof value.metricName === 'string' ? value.metricName : null,
        })),
      }));
    },
  };
}

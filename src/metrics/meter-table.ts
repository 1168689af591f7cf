/**
 * Every meter, once: the registry is made from this table, and the documentation is compared with it. The first four
 * bear the original's names and labels; a counter of ours ends in `_total`.
 */
export type MeterEntry = {
  readonly type: 'counter' | 'gauge' | 'histogram';
  readonly labels: readonly string[];
  readonly help: string;
};

export const meterTable = {
  web_uptime: {
    type: 'gauge',
    labels: ['node'],
    help: 'Number of seconds since web server has started',
  },
  web_requests: {
    type: 'counter',
    labels: ['node', 'state'],
    help: 'HTTP requests answered; state is ok (below 400), refused (4xx) or failed (5xx)',
  },
  api_requests_duration_ms_sum: {
    type: 'counter',
    labels: ['node', 'result', 'method'],
    help: 'Milliseconds spent on HTTP requests; result is ok or the error code, method the verb and path',
  },
  api_requests_duration_ms_count: {
    type: 'counter',
    labels: ['node', 'result', 'method'],
    help: 'HTTP requests answered; result is ok or the error code, method the verb and path',
  },
  message_gc_messages_deleted_total: {
    type: 'counter',
    labels: [],
    help: 'Messages deleted by committed batches of this process',
  },
  message_gc_dependents_deleted_total: {
    type: 'counter',
    labels: ['table'],
    help: 'Rows of dependent tables deleted by committed batches of this process',
  },
  message_gc_batches_total: {
    type: 'counter',
    labels: ['result'],
    help: 'Batches by what became of them: swept, locked, waited_for, lost, paused, plan_changed or an error kind',
  },
  message_gc_batch_duration_ms: {
    type: 'histogram',
    labels: [],
    help: 'Milliseconds from BEGIN to the answer of COMMIT of a batch that swept',
  },
  message_gc_locked_ms: {
    type: 'histogram',
    labels: [],
    help: 'Milliseconds for which a batch held message rows locked',
  },
  message_gc_runs_total: {
    type: 'counter',
    labels: ['outcome'],
    help: 'Runs that this process ended, by outcome: complete or failed',
  },
  message_gc_callbacks_total: {
    type: 'counter',
    labels: ['result'],
    help: 'Attempts to deliver a callback: delivered or refused',
  },
  message_gc_callbacks_waiting: {
    type: 'gauge',
    labels: [],
    help: 'Callbacks that wait for their receiver to answer 200',
  },
  message_gc_run_active: { type: 'gauge', labels: [], help: '1 while a run is active, otherwise 0' },
  message_gc_eligible_rows_per_day: {
    type: 'gauge',
    labels: [],
    help: 'Messages that become eligible in a day, from the ledger; absent while unknown',
  },
  message_gc_capacity_rows_per_day: {
    type: 'gauge',
    labels: [],
    help: 'Messages that runs can delete in a day, in the hours that windows allow; absent while unknown',
  },
  message_gc_reason: {
    type: 'gauge',
    labels: ['code'],
    help: '1 for the reason why the run goes here as it goes; no series while no run is in hand',
  },
  message_gc_duty: {
    type: 'gauge',
    labels: [],
    help: 'Share of its time that a worker of this process spends in batches now, 0 to 1',
  },
  message_gc_signal_value: {
    type: 'gauge',
    labels: ['signal'],
    help: 'What a signal of the health of the database says now, in its own unit',
  },
  message_gc_signal_load: {
    type: 'gauge',
    labels: ['signal'],
    help: 'Value of a signal divided by its limit; from 1 on it asks for less work',
  },
  message_gc_database_reachable: {
    type: 'gauge',
    labels: [],
    help: '1 when the database answered last time, otherwise 0',
  },
} as const satisfies Readonly<Record<string, MeterEntry>>;

export type MeterName = keyof typeof meterTable;
export const meterNames: readonly string[] = Object.keys(meterTable);

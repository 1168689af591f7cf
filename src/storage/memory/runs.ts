import { callbackId } from '../../core/node-name.js';
import type { Ending, Ledger, StartRequest } from '../../core/ports.js';
import type { Plan, Run } from '../../core/run.js';
import type { Clock } from '../../kit/clock.js';
import { keyOf } from './keys.js';
import {
  activeRun,
  spansOf,
  tallyOf,
  type OutboxRow,
  type RunRow,
  type SpanRow,
  type Tables,
} from './tables.js';

/** T3, T4, T10, T11: a run from its start to its callbacks. One run is unfinished at a time. */
export function createRuns(
  tables: Tables,
  clock: Clock,
): Pick<Ledger, 'join' | 'start' | 'active' | 'plan' | 'replan' | 'end' | 'steer'> {
  const now = (): number => clock.now().getTime();

  const begin = (request: StartRequest): RunRow => {
    const run: RunRow = {
      id: request.requestId,
      state: 'requested',
      outcome: null,
      error: null,
      form: request.form,
      policyHash: request.policyHash,
      server: request.server,
      policy: null,
      plan: null,
      round: 0,
      spans: 0,
      paused: false,
      pausedBy: null,
      maxRate: null,
      profile: null,
      requestedBy: request.by,
      madeAt: now(),
      endedAt: null,
      deleted: 0,
      told: true,
    };
    tables.runs.set(run.id, run);
    return run;
  };

  /** The run was over before this node was asked: it promised an answer, so it is told of its zero. */
  const tellLate = (run: RunRow, request: StartRequest): void => {
    const id = callbackId(run.id, request.node.name);
    if (run.form !== 'multi' || !run.told || run.outcome === null || tables.outbox.has(id)) return;
    const body = request.renderCallback({
      node: request.node.name,
      messagesDeleted: 0,
      outcome: run.outcome,
      error: run.error,
    });
    tallyOf(tables, run.id, 0, request.node.name);
    tables.outbox.set(id, outboxRow(run.id, request.node.name, body, now()));
  };

  return {
    async join({ requestId, form, by, node, policyHash }) {
      const run = activeRun(tables);
      if (run === undefined || run.form !== form || run.policyHash !== policyHash) return null;
      const takesPart = tables.tallies.some(
        (row) => row.run === run.id && row.span === 0 && row.node === node.name,
      );
      if (!takesPart || tables.requests.has(requestId)) return null;
      tables.requests.set(requestId, { run: run.id, by });
      return run.id;
    },

    async start(request) {
      const known = tables.requests.get(request.requestId);
      const knownRun = known === undefined ? undefined : tables.runs.get(known.run);
      if (knownRun?.state === 'ended') tellLate(knownRun, request);
      else {
        const run = knownRun ?? activeRun(tables) ?? begin(request);
        if (request.form === 'multi') run.form = 'multi';
        if (known === undefined) tables.requests.set(request.requestId, { run: run.id, by: request.by });
        tallyOf(tables, run.id, 0, request.node.name);
        return { runId: run.id, joined: run.id !== request.requestId };
      }
      return { runId: knownRun.id, joined: knownRun.id !== request.requestId };
    },

    async active() {
      const run = activeRun(tables);
      return run === undefined ? null : runOf(run);
    },

    async plan(runId, policy, plan) {
      const run = tables.runs.get(runId);
      if (run?.state !== 'requested') return false;
      run.state = 'running';
      run.policy = policy;
      run.plan = plan;
      addWalk(tables, run, plan, now());
      return true;
    },

    async replan(runId, plan, restartWalk) {
      const run = tables.runs.get(runId);
      if (run?.state !== 'running') return false;
      run.plan = plan;
      if (!restartWalk) return true;
      closeSpans(tables, runId);
      run.round += 1;
      addWalk(tables, run, plan, now());
      return true;
    },

    async end(runId, ending) {
      const run = tables.runs.get(runId);
      if (run === undefined || run.state === 'ended') return false;
      if (ending.outcome === 'complete' && unfinished(tables, runId).length > 0) return false;

      const sums = sumByNode(tables, runId);
      // Rendered before the first write: a body that cannot be made must leave the run as it was.
      const callbacks = ending.tell ? render(run, sums, ending, now()) : [];
      closeSpans(tables, runId);
      run.state = 'ended';
      run.outcome = ending.outcome;
      run.error = ending.error;
      run.endedAt = now();
      run.plan ??= ending.plan ?? null;
      run.told = ending.tell;
      run.deleted = total(sums);
      for (const callback of callbacks) tables.outbox.set(callback.id, callback);
      return true;
    },

    async steer(change) {
      const run = activeRun(tables);
      if (run === undefined) return null;
      if (change.paused !== undefined) {
        run.paused = change.paused;
        run.pausedBy = change.paused ? change.by : null;
      }
      if (change.maxRate !== undefined) run.maxRate = change.maxRate;
      if (change.profile !== undefined) run.profile = change.profile;
      return run.id;
    },
  };
}

/** One span over everything: who takes it puts the rest back. */
function addWalk(tables: Tables, run: RunRow, plan: Plan, now: number): void {
  run.spans += 1;
  const low = keyOf(plan.low);
  tables.spans.push({
    run: run.id,
    no: run.spans,
    round: run.round,
    kind: 'walk',
    low,
    high: keyOf(plan.high),
    cursor: low,
    state: 'open',
    owner: null,
    boot: null,
    fence: 0,
    leaseUntil: null,
    dueAt: now,
    attempts: 0,
    batches: 0,
    deleted: 0,
  });
}

function unfinished(tables: Tables, run: string): readonly SpanRow[] {
  return spansOf(tables, run).filter((span) => span.state === 'open' || span.state === 'leased');
}

/** The fence goes up, so that a batch in hand finds its span gone. */
function closeSpans(tables: Tables, run: string): void {
  for (const span of unfinished(tables, run)) {
    span.state = 'closed';
    span.fence += 1;
  }
}

function runOf(row: RunRow): Run {
  const { id, state, form, policyHash, policy, server, plan, round, paused, maxRate, profile, madeAt } = row;
  return {
    id,
    state,
    form,
    policyHash,
    policy,
    server,
    plan,
    round,
    paused,
    maxRate,
    profile,
    madeAt: new Date(madeAt),
  };
}

/** Everyone who takes part, also with nothing. */
function sumByNode(tables: Tables, run: string): ReadonlyMap<string, number> {
  const sums = new Map<string, number>();
  for (const tally of tables.tallies) {
    if (tally.run === run) sums.set(tally.node, (sums.get(tally.node) ?? 0) + tally.deleted);
  }
  return sums;
}

function total(sums: ReadonlyMap<string, number>): number {
  return [...sums.values()].reduce((sum, deleted) => sum + deleted, 0);
}

function render(
  run: RunRow,
  sums: ReadonlyMap<string, number>,
  { renderCallback, outcome, error, summary }: Ending,
  now: number,
): readonly OutboxRow[] {
  const whole = { node: null, messagesDeleted: total(sums), outcome, error };
  if (run.form === 'single') return [outboxRow(run.id, '', renderCallback(whole), now)];
  return [
    ...[...sums].map(([node, messagesDeleted]) =>
      outboxRow(run.id, node, renderCallback({ node, messagesDeleted, outcome, error }), now),
    ),
    ...(summary === true ? [outboxRow(run.id, '*', renderCallback(whole), now)] : []),
  ];
}

function outboxRow(run: string, node: string, body: string, now: number): OutboxRow {
  return {
    id: callbackId(run, node),
    run,
    node,
    body,
    state: 'waiting',
    attempts: 0,
    dueAt: now,
    claimedUntil: null,
    lastStatus: null,
    lastError: null,
  };
}

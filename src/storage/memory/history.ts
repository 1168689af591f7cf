import type { Ledger } from '../../core/ports.js';
import { canonicalJson } from '../../core/policy.js';
import type { NodeLive, RunView } from '../../core/run-view.js';
import type { Clock } from '../../kit/clock.js';
import { spansOf, type RunRow, type Tables } from './tables.js';

/** What operators ask of runs, and T13: forgetting old ones. */
export function createHistory(
  tables: Tables,
  clock: Clock,
  dependentName: string,
): Pick<Ledger, 'hasCollected' | 'runs' | 'run' | 'lockHolders' | 'forget'> {
  return {
    async hasCollected(mapping) {
      const wanted = canonicalJson(mapping);
      return [...tables.runs.values()].some(
        (run) =>
          run.state === 'ended' &&
          run.deleted > 0 &&
          run.policy !== null &&
          canonicalJson(run.policy.mapping) === wanted,
      );
    },
    async runs(limit) {
      return [...tables.runs.values()]
        .reverse()
        .slice(0, limit)
        .map((run) => viewOf(tables, run, dependentName, clock.now().getTime()));
    },
    async run(id) {
      const run = tables.runs.get(id);
      return run === undefined ? null : viewOf(tables, run, dependentName, clock.now().getTime());
    },
    /** No other sessions: nobody holds anything. */
    async lockHolders() {
      return null;
    },
    async forget(olderThanDays, limit) {
      const before = clock.now().getTime() - olderThanDays * 86_400_000;
      const waits = (run: RunRow): boolean =>
        [...tables.outbox.values()].some((row) => row.run === run.id && row.state === 'waiting');
      const old = [...tables.runs.values()]
        .filter((run) => run.endedAt !== null && run.endedAt < before && !waits(run))
        .slice(0, limit);
      for (const run of old) forgetRun(tables, run.id);
      return old.length;
    },
  };
}

function forgetRun(tables: Tables, id: string): void {
  const keep = (row: { readonly run: string }): boolean => row.run !== id;
  tables.spans.splice(0, tables.spans.length, ...tables.spans.filter(keep));
  tables.tallies.splice(0, tables.tallies.length, ...tables.tallies.filter(keep));
  for (const [request, of] of tables.requests) if (of.run === id) tables.requests.delete(request);
  for (const [key, row] of tables.outbox) if (row.run === id) tables.outbox.delete(key);
  tables.runs.delete(id);
}

function viewOf(tables: Tables, run: RunRow, dependentName: string, now: number): RunView {
  const spans = spansOf(tables, run.id);
  const tallies = tables.tallies.filter((row) => row.run === run.id);
  const sum = (column: 'deleted' | 'dependents' | 'batches', of = tallies): number =>
    of.reduce((all, row) => all + row[column], 0);
  const nodes = [...new Set(tallies.map((row) => row.node))];
  return {
    id: run.id,
    state: run.outcome ?? (run.paused ? 'paused' : run.state === 'requested' ? 'requested' : 'running'),
    requestedBy: run.requestedBy,
    joinedBy: joinedRequests(tables, run.id).map((request) => request.by),
    horizon: run.plan?.horizon ?? null,
    startedAt: new Date(run.madeAt).toISOString(),
    endedAt: run.endedAt === null ? null : new Date(run.endedAt).toISOString(),
    messagesDeleted: sum('deleted'),
    dependentsDeleted: { [dependentName]: sum('dependents') },
    parked: 0,
    batches: sum('batches'),
    share: shareOf(tables, run),
    plan:
      run.plan === null
        ? null
        : { walk: run.plan.walk, foreignKeys: run.plan.foreignKeys, why: run.plan.why },
    nodes: Object.fromEntries(
      nodes.map((node) => [
        node,
        {
          messagesDeleted: sum(
            'deleted',
            tallies.filter((row) => row.node === node),
          ),
          state: spans.some((span) => span.state === 'leased' && span.owner === node) ? 'working' : 'idle',
          live: run.outcome === null ? liveOf(tables, run.id, node, now) : null,
        },
      ]),
    ),
    steering: {
      pausedBy: run.paused ? (run.pausedBy ?? 'somebody') : null,
      maxRate: run.maxRate,
      profile: run.profile,
    },
    // 1014, "internal error", is the only code that the original's callback knows for a failed collection.
    errors: run.error === null ? [] : [{ code: 1014, details: run.error }],
  };
}

/** What is older than ten seconds is not its state any more. */
function liveOf(tables: Tables, run: string, node: string, now: number): NodeLive | null {
  const live = tables.nodes.get(node)?.live ?? null;
  return live !== null && live.run === run && now - live.at < 10_000 ? live.told : null;
}

/** Requests other than the one that made the run. */
export function joinedRequests(
  tables: Tables,
  run: string,
): readonly { readonly id: string; readonly by: string }[] {
  return [...tables.requests]
    .filter(([id, request]) => request.run === run && id !== run)
    .map(([id, { by }]) => ({ id, by }));
}

function shareOf(tables: Tables, run: RunRow): number | null {
  if (run.plan === null) return null;
  if (run.outcome === 'complete') return 1;
  const walks = spansOf(tables, run.id).filter((span) => span.kind === 'walk' && span.round === run.round);
  const all = walks.reduce((units, span) => units + span.high - span.low, 0);
  const walked = walks.reduce((units, span) => units + span.cursor - span.low, 0);
  return all === 0 ? 1 : walked / all;
}

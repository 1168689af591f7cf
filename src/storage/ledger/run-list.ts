import type { Policy } from '../../core/policy.js';
import type { Plan } from '../../core/run.js';
import type { NodeView, RunView } from '../../core/run-view.js';
import { type Db, type Dialect, reading, snapshot } from './dialect.js';
import { freshLives } from './node-live.js';
import { sumDependents } from './run-end.js';
import type { RunRow } from './tables.js';

/** How much of a span's range lies before its cursor; the engine does the arithmetic on bounds. */
export interface Shares {
  /** 0 to 1 for each run: what its round-0 spans have walked of the plan's range. Null when it cannot be said. */
  walkedShare(policy: Policy, plan: Plan, runId: string): Promise<number | null>;
}

/** Newest first. */
export async function listRuns(dialect: Dialect, shares: Shares, limit: number): Promise<readonly RunView[]> {
  const rows = await reading(dialect, 'list the runs', (db) =>
    db.selectFrom('run').select('id').orderBy('made_at', 'desc').orderBy('id').limit(limit).execute(),
  );
  const views: RunView[] = [];
  for (const { id } of rows) {
    const view = await viewOf(dialect, shares, id);
    if (view !== null) views.push(view);
  }
  return views;
}

export async function findRun(dialect: Dialect, shares: Shares, id: string): Promise<RunView | null> {
  const request = await reading(dialect, 'read a run', (db) =>
    db.selectFrom('request').select('run').where('id', '=', id).executeTakeFirst(),
  );
  return viewOf(dialect, shares, request?.run ?? id);
}

/** Null: there is no such run (any more). */
async function viewOf(dialect: Dialect, shares: Shares, id: string): Promise<RunView | null> {
  const read = await snapshot(dialect, 'read a run', async (db) => {
    const row = await db.selectFrom('run').selectAll().where('id', '=', id).executeTakeFirst();
    if (row === undefined) return null;
    const lives = row.state === 'ended' ? new Map<string, never>() : await freshLives(dialect, db, id);
    return { row, facts: await partsOf(db, id), lives };
  });
  if (read === null) return null;
  const { row, facts, lives } = read;
  const plan = row.plan === null ? null : (JSON.parse(row.plan) as Plan);
  const policy = row.policy === null ? null : (JSON.parse(row.policy) as Policy);
  const isParked = facts.open > 0 && facts.open === facts.parkedSpans;
  const nodes: Record<string, NodeView> = {};
  for (const tally of facts.tallies) {
    const soFar = nodes[tally.node];
    nodes[tally.node] = {
      messagesDeleted: (soFar?.messagesDeleted ?? 0) + tally.deleted,
      state: facts.owners.has(tally.node) ? 'working' : 'idle',
      live: lives.get(tally.node) ?? null,
    };
  }
  return {
    id: row.id,
    state: stateOf(row, isParked),
    requestedBy: row.requested_by,
    joinedBy: facts.requests.filter((request) => request.id !== row.id).map((request) => request.made_by),
    horizon: row.horizon,
    startedAt: row.made_at.toISOString(),
    endedAt: row.ended_at?.toISOString() ?? null,
    messagesDeleted: facts.tallies.reduce((sum, tally) => sum + tally.deleted, 0),
    dependentsDeleted: sumDependents(facts.tallies.map((tally) => tally.dependents)),
    parked: facts.skipped,
    batches: facts.tallies.reduce((sum, tally) => sum + tally.batches, 0),
    share:
      row.state === 'ended' && row.outcome === 'complete'
        ? 1
        : plan === null || policy === null
          ? null
          : await shares.walkedShare(policy, plan, row.id),
    plan: plan === null ? null : { walk: plan.walk, foreignKeys: plan.foreignKeys, why: plan.why },
    nodes,
    steering: {
      pausedBy: row.paused ? (row.paused_by ?? 'somebody') : null,
      maxRate: row.max_rate,
      profile: row.profile,
    },
    errors: row.error === null ? [] : [{ code: 1014, details: row.error }],
  };
}

function stateOf(row: RunRow, isParked: boolean): RunView['state'] {
  if (row.state === 'ended') return row.outcome ?? 'failed';
  if (row.paused) return 'paused';
  if (row.state === 'requested') return 'requested';
  return isParked ? 'waiting' : 'running';
}

async function partsOf(db: Db, run: string) {
  const tallies = await db
    .selectFrom('tally')
    .select(['node', 'deleted', 'dependents', 'batches'])
    .where('run', '=', run)
    .execute();
  const requests = await db
    .selectFrom('request')
    .select(['id', 'made_by'])
    .where('run', '=', run)
    .orderBy('made_at')
    .execute();
  const spans = await db
    .selectFrom('span')
    .select(['kind', 'state', 'skipped', 'owner'])
    .where('run', '=', run)
    .where('state', 'in', ['open', 'leased'])
    .execute();
  const walks = spans.filter((span) => span.kind !== 'look');
  return {
    tallies,
    requests,
    open: walks.length,
    parkedSpans: walks.filter((span) => span.kind === 'parked').length,
    skipped: walks.reduce((sum, span) => sum + span.skipped, 0),
    owners: new Set(spans.map((span) => span.owner).filter((owner) => owner !== null)),
  };
}

import type { Policy } from '../../core/policy.js';
import type { Plan, Run } from '../../core/run.js';
import { type Dialect, reading } from './dialect.js';
import type { RunRow } from './tables.js';

/** The one unfinished run, or null. */
export async function activeRun(dialect: Dialect): Promise<Run | null> {
  const row = await reading(dialect, 'read the active run', (db) =>
    db.selectFrom('run').selectAll().where('active', '=', 1).executeTakeFirst(),
  );
  return row === undefined ? null : toRun(row);
}

export function toRun(row: RunRow): Run {
  return {
    id: row.id,
    state: row.state,
    form: row.form,
    policyHash: row.policy_hash,
    policy: row.policy === null ? null : (JSON.parse(row.policy) as Policy),
    server: row.server,
    plan: row.plan === null ? null : (JSON.parse(row.plan) as Plan),
    round: row.round,
    paused: Boolean(row.paused),
    maxRate: row.max_rate,
    profile: row.profile,
    madeAt: row.made_at,
  };
}

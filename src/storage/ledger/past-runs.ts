import type { PastRun } from '../../core/keep-up.js';
import { type Dialect, reading } from './dialect.js';

/** Rows of ended runs alone: spans and tallies are folded into them. */
export async function pastRuns(dialect: Dialect, limit: number): Promise<readonly PastRun[]> {
  const rows = await reading(dialect, 'read past runs', (db) =>
    db
      .selectFrom('run')
      .select(['outcome', 'policy_hash', 'horizon', 'made_at', 'ended_at', 'deleted'])
      .where('state', '=', 'ended')
      .where('ended_at', 'is not', null)
      .orderBy('made_at', 'desc')
      .limit(limit)
      .execute(),
  );
  return rows.map((row) => ({
    outcome: row.outcome ?? 'failed',
    policyHash: row.policy_hash,
    horizon: row.horizon === null ? null : Date.parse(row.horizon),
    started: row.made_at.getTime(),
    ended: (row.ended_at ?? row.made_at).getTime(),
    deleted: Number(row.deleted),
  }));
}

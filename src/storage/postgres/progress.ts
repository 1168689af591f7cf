import type { Policy } from '../../core/policy.js';
import type { Plan, Run } from '../../core/run.js';
import type { Shares } from '../ledger/run-list.js';
import { quotedTable } from './names.js';
import { collectableSql, readHeld } from './held.js';
import { boundOf, isCountable, Parameters, rangeSql } from './range.js';
import { asking, type Sessions } from './session.js';

/** What an operator asks of a run and only the database can answer. */
export function sharesOf(sessions: Sessions): Shares {
  return {
    async walkedShare(_policy: Policy, plan: Plan, runId: string) {
      const isBlocks = plan.walk === 'blocks';
      if (!isBlocks && !(isCountable(plan) && boundOf(plan.low).length > 0)) return null;
      return asking(sessions, sessions.control, 'read the progress', async (client) => {
        const { rows } = await client.query<{ share: number | null }>(
          `SELECT least(1, sum(${place('s.cursor_key')} - ${place('s.low_key')}) / nullif(${place('$2')} - ${place('$3')}, 0))::float8 AS share
           FROM message_gc.span s WHERE s.run = $1 AND s.kind = 'walk' AND s.round = 0`,
          [runId, plan.high, plan.low],
        );
        return rows[0]?.share ?? null;
      });
    },
  };
}

/** A bound as a number: of one integer or block; before all is 0. */
function place(bound: string): string {
  return `coalesce((${bound}::text::jsonb ->> 0)::numeric, 0)`;
}

/** Sessions that hold rows of the parked spans, in words; null when they cannot be told (several lockers, no right). */
export async function lockHolders(sessions: Sessions, run: Run): Promise<string | null> {
  const { policy, plan } = run;
  if (policy === null || plan === null) return null;
  return asking(sessions, sessions.control, 'see who holds rows', async (client) => {
    const parked = await client.query<{ low: string; high: string }>(
      `SELECT low_key AS low, high_key AS high FROM message_gc.span
       WHERE run = $1 AND kind = 'parked' AND state IN ('open', 'leased') LIMIT 3`,
      [run.id],
    );
    const words = new Set<string>();
    const held = await readHeld(client);
    for (const { low, high } of parked.rows) {
      const parameters = new Parameters();
      const range = rangeSql(policy.mapping, plan, parameters, boundOf(low), boundOf(high));
      const eligible = collectableSql(policy, plan, held, parameters);
      const { rows } = await client.query<{ words: string }>(
        `SELECT DISTINCT format('session %s (%s%s, %s%s)', a.pid, a.usename,
           coalesce('@' || host(a.client_addr), ''), a.state, coalesce(', ' || nullif(a.application_name, ''), '')) AS words
         FROM ${quotedTable(policy.mapping.table)} m
         JOIN pg_locks l ON l.locktype = 'transactionid' AND l.granted AND l.transactionid::text = m.xmax::text
         JOIN pg_stat_activity a ON a.pid = l.pid
         WHERE ${range} AND ${eligible} LIMIT 3`,
        parameters.values,
      );
      for (const row of rows) words.add(row.words);
    }
    return words.size === 0 ? null : [...words].join(', ');
  });
}

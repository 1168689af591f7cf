import type { Run } from '../../core/run.js';
import type { Shares } from '../ledger/run-list.js';
import { kindOf } from './errors.js';
import { own, textSql } from './names.js';
import { asking, type Sessions } from './pool.js';
import { boundOf, isCountable } from './range.js';
import { transactionAge } from './transaction-age.js';

/** What an operator asks of a run and only the database can answer. */
export function sharesOf(sessions: Sessions): Shares {
  return {
    async walkedShare({ mapping }, plan, runId) {
      if (!isCountable(mapping, plan) || boundOf(plan.low).length === 0) return null;
      return asking(sessions.control, 'read the progress', async (session) => {
        const spans = await session.rows<{ cursor: string; low: string }>(
          `SELECT cursor_key AS \`cursor\`, low_key AS low FROM ${own('span')}
           WHERE run = ${textSql(runId)} AND kind = 'walk' AND round = 0`,
        );
        const walked = spans.reduce((sum, { cursor, low }) => sum + place(cursor) - place(low), 0n);
        const whole = place(plan.high) - place(plan.low);
        return whole === 0n ? null : Math.min(1, Number(walked) / Number(whole));
      });
    },
  };
}

/** A bound of one integer as a number; before all is 0. */
function place(bound: string): bigint {
  return BigInt(boundOf(bound)[0] ?? '0');
}

/**
 * Who may hold the rows of the parked spans, in words; null when it cannot be told (no PROCESS privilege). InnoDB says
 * who holds a row only while somebody waits for it, which a batch never does; so these are the transactions of others
 * that have locked rows, the oldest first.
 */
export async function lockHolders(sessions: Sessions, _run: Run): Promise<string | null> {
  return asking(sessions.control, 'see who holds rows', async (session) => {
    try {
      const rows = await session.rows<{ words: string }>(
        `SELECT CONCAT('session ', p.ID, ' (', p.USER, COALESCE(CONCAT('@', SUBSTRING_INDEX(NULLIF(p.HOST, ''), ':', 1)), ''), ', ',
           CASE WHEN p.COMMAND = 'Sleep' THEN 'idle in transaction' ELSE LOWER(p.COMMAND) END, ', since ',
           ${transactionAge}, ' s)') AS words
         FROM information_schema.INNODB_TRX t JOIN information_schema.PROCESSLIST p ON p.ID = t.trx_mysql_thread_id
         WHERE t.trx_rows_locked > 0 AND p.ID <> CONNECTION_ID() ORDER BY t.trx_started LIMIT 3`,
      );
      return rows.length === 0 ? null : rows.map(({ words }) => words).join(', ');
    } catch (error) {
      if (kindOf(error).kind === 'denied') return null;
      throw error;
    }
  });
}

import { asking, type Sessions } from '../session.js';
import { askPrepared } from './prepared.js';

/**
 * As a condition on a row of pg_stat_activity: a session of others. Ours have our name, whatever the URL makes of it,
 * and our user; those of other nodes are ours too.
 */
export function notOurs(alias: string): string {
  return `(${alias}.usename IS DISTINCT FROM session_user OR ${alias}.application_name IS DISTINCT FROM current_setting('application_name'))`;
}

/** A session as an operator looks for it. */
export function sessionWords(alias: string): string {
  return `format('session %s (%s%s, %s%s)', ${alias}.pid, ${alias}.usename,
    coalesce('@' || host(${alias}.client_addr), ''), ${alias}.state, coalesce(', ' || nullif(${alias}.application_name, ''), ''))`;
}

/** One row that is always there, of a question that is asked again and again. `sql` names the columns. */
export function ask<Row extends object>(
  sessions: Sessions,
  doing: string,
  sql: string,
  values: readonly unknown[] = [],
): Promise<Row> {
  return asking(sessions, sessions.monitor, doing, async (client) => {
    const { rows } = await askPrepared<Row>(sessions.monitor, client, sql, values);
    const [row] = rows;
    if (row === undefined) throw new Error('The server answered with no row');
    return row;
  });
}

/**
 * The same where the server shows NULL in place of what is not for this user, and no error: without the privilege
 * everything would look well. It is asked in the same statement each time, since it can be taken away.
 *
 * `columns` are those of one row, without SELECT.
 */
export async function askMonitor<Row extends object>(
  sessions: Sessions,
  doing: string,
  columns: string,
  values: readonly unknown[] = [],
): Promise<Row> {
  const { mayAsk, grant, ...row } = await ask<Row & { readonly mayAsk: boolean; readonly grant: string }>(
    sessions,
    doing,
    `SELECT pg_has_role('pg_read_all_stats', 'USAGE') AS "mayAsk",
       format('GRANT pg_monitor TO %I', current_user) AS grant, ${columns}`,
    values,
  );
  if (!mayAsk) throw new Error(`The server hides this from the user of message-gc; allow it with ${grant}`);
  return row as unknown as Row;
}

import type { Watcher } from '../../signals/gather.js';
import { textSql } from '../names.js';
import { asking, type Sessions } from '../pool.js';
import { readOnly } from '../read-only.js';

/**
 * The operator's own statement. Prepared, so that it is one statement, and in a transaction that refuses to write. It
 * is never absent: whoever asks for it must not go on without it because of a word in it that is wrong.
 */
export function ownCheck(sessions: Sessions, sql: string | null): Watcher {
  const statement = (sql ?? '').trim().replace(/;$/, '');
  return {
    signal: 'own_check',
    probe: async () => (sql === null ? 'none is given (MESSAGE_GC_CHECK_SQL)' : null),
    read: () =>
      asking(sessions.monitor, 'ask the check of your own', async (session) => {
        const answer = await readOnly(session, async () => {
          await session.write(`PREPARE message_gc_check FROM ${textSql(statement)}`);
          try {
            return await session.rows<Readonly<Record<string, unknown>>>('EXECUTE message_gc_check');
          } finally {
            if (!session.isBroken) await session.write('DEALLOCATE PREPARE message_gc_check');
          }
        });
        return { value: numberIn(answer) };
      }),
  };
}

/** Truth values are numbers here; a DECIMAL comes as text. */
function numberIn(answer: unknown): number {
  const rows = Array.isArray(answer) ? (answer as readonly Readonly<Record<string, unknown>>[]) : [];
  const values = Object.values(rows[0] ?? {});
  const value = values[0];
  const isNumber =
    typeof value === 'number' || (typeof value === 'string' && /^-?\d+(\.\d+)?(e[-+]?\d+)?$/i.test(value));
  if (rows.length === 1 && values.length === 1 && isNumber) return Number(value);
  const shape =
    rows.length === 1 && values.length === 1
      ? value === null
        ? 'NULL'
        : 'a value that is no number'
      : `${rows.length} rows of ${values.length} columns`;
  throw new Error(`MESSAGE_GC_CHECK_SQL gave ${shape}, expected one number or truth value`);
}

import pg from 'pg';
import { StoreError } from '../../../core/errors.js';
import type { Watcher } from '../../signals/gather.js';
import { asking, type Sessions } from '../session.js';

const longestMs = 1_000;
const expected = 'it must give one row of one column, a number or a truth value';

/** The operator's own statement, which can change nothing: read-only, one statement, a second at most. */
export function ownCheck(sessions: Sessions, sql: string | null): Watcher {
  const look = (text: string): Promise<number> =>
    asking(sessions, sessions.monitor, 'ask MESSAGE_GC_CHECK_SQL', async (client) => {
      await client.query('BEGIN READ ONLY');
      try {
        await client.query(`SET LOCAL statement_timeout = '${longestMs}ms'`);
        // The extended protocol refuses a second statement, such as a COMMIT and what would follow it.
        const query = { text, rowMode: 'array' as const, queryMode: 'extended' };
        const { rows } = await client.query<unknown[]>(query).catch(inItsWords);
        return valueOf(rows);
      } finally {
        await client.query('ROLLBACK');
      }
    });
  return {
    signal: 'own_check',
    // Never absent when it is given: whoever asks for it must not go on without it because of a word in it that is wrong.
    probe: async () => (sql === null ? 'MESSAGE_GC_CHECK_SQL is not set' : null),
    async read() {
      return sql === null ? null : { value: await look(sql) };
    },
  };
}

/**
 * An error of the statement is the statement's, whatever its code says: one that would write is answered "read-only", which
 * elsewhere means that this server is a standby and must be waited for.
 */
function inItsWords(error: unknown): never {
  if (!(error instanceof pg.DatabaseError) || error.severity !== 'ERROR') throw error;
  const words = `MESSAGE_GC_CHECK_SQL: ${error.message}`;
  throw new StoreError('other', error.code ?? '', 'ask MESSAGE_GC_CHECK_SQL', words, error);
}

function valueOf(rows: readonly (readonly unknown[])[]): number {
  const [row] = rows;
  if (rows.length !== 1 || row?.length !== 1) {
    throw new Error(
      `MESSAGE_GC_CHECK_SQL gave ${rows.length} rows of ${row?.length ?? 0} columns; ${expected}`,
    );
  }
  const [value] = row;
  if (typeof value === 'boolean') return Number(value);
  // numeric comes as text.
  const number =
    typeof value === 'number' || (typeof value === 'string' && value.trim() !== '')
      ? Number(value)
      : Number.NaN;
  if (!Number.isFinite(number))
    throw new Error(`MESSAGE_GC_CHECK_SQL gave ${JSON.stringify(value)}; ${expected}`);
  return number;
}

import { Kysely, MysqlDialect, type MysqlPool, type MysqlPoolConnection, sql } from 'kysely';
import type { Db, Dialect } from '../ledger/dialect.js';
import type { Tables } from '../ledger/tables.js';
import { kindOf, translate } from './errors.js';
import type { Pool, Sessions } from './pool.js';
import { answerLimitMs } from './session.js';
import { TablePrefix } from './table-prefix.js';

/** The ledger's named capabilities on the MySQL family. */
export function mysqlDialect(sessions: Sessions): Dialect & { destroy(): Promise<void> } {
  const db = new Kysely<Tables>({
    dialect: new MysqlDialect({ pool: poolForBuilder(sessions.control) }),
    plugins: [new TablePrefix()],
  });
  return {
    db,
    now: () => sql<Date>`UTC_TIMESTAMP(6)`,
    nowPlus: (ms) => sql<Date>`(UTC_TIMESTAMP(6) + INTERVAL ${Math.round(ms * 1_000)} MICROSECOND)`,
    async insertUnlessThere(target: Db, table, row) {
      // Not INSERT IGNORE, which would also forgive a value that does not fit. A duplicate undoes its statement only.
      try {
        await target
          .insertInto(table)
          .values(row as never)
          .execute();
        return true;
      } catch (error) {
        if (kindOf(error).kind === 'duplicate') return false;
        throw error;
      }
    },
    // Lock waits and idle limits are settings of every control session (capabilities.ts).
    transaction: (work) => db.transaction().setIsolationLevel('read committed').execute(work),
    // MySQL has no RETURNING, and a statement cannot bring its settings along.
    settingsAsCondition: null,
    translate,
    destroy: () => db.destroy(),
  };
}

/**
 * The pool as the query builder sees it. It hands a session back without saying whether it is usable; one that lost
 * its connection, or whose COMMIT or ROLLBACK failed, must not pass to the next user.
 */
function poolForBuilder(pool: Pool): MysqlPool {
  return {
    getConnection(callback) {
      pool.acquire().then(
        (session) => {
          const query = (
            text: string,
            parameters: unknown[],
            done: (error: unknown, answer: never) => void,
          ): void => {
            session.connection.query(
              { sql: text, values: parameters, timeout: answerLimitMs },
              (error, answer) => {
                const isEnd = text === 'commit' || text === 'rollback';
                if (error !== null && (isEnd || kindOf(error).kind === 'unreachable')) session.abandon();
                done(error, answer as never);
              },
            );
          };
          callback(null, {
            query,
            release: () => pool.release(session),
          } as unknown as MysqlPoolConnection);
        },
        (error: unknown) => {
          callback(error, undefined as never);
        },
      );
    },
    end(callback) {
      // The sessions own the pools and close them once.
      callback(null);
    },
  };
}

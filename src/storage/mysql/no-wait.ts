import type { Session } from './session.js';

/**
 * The application is never the victim. Of two transactions that wait for each other InnoDB ends the one that changed
 * fewer rows, which is the application's every time; so a batch does not wait. A row that another session holds
 * answers 1205 at once, the batch rolls back, and the range is taken again with the locked rows skipped. (A DELETE that
 * waited: 17 deadlock errors of the writers; with a wait of 0 none, twice.)
 *
 * The wait is set for the statement, not for the session: the span's row must be waited for, and SKIP LOCKED under a
 * wait of 0 answers 1180 on MariaDB 10.11 and has rolled back already. MySQL's least wait is a second, so there the
 * rows are locked by a SELECT … NOWAIT before.
 *
 * @param sql a DELETE or UPDATE
 * @param unchecked leaves the foreign-key checks out, for this statement alone
 */
export function noWait({ can }: Session, sql: string, unchecked = false): string {
  if (can.zeroLockWait) {
    return `SET STATEMENT innodb_lock_wait_timeout = 0${unchecked ? ', foreign_key_checks = 0' : ''} FOR ${sql}`;
  }
  return unchecked ? sql.replace(/^DELETE /, 'DELETE /*+ SET_VAR(foreign_key_checks = 0) */ ') : sql;
}

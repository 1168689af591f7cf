// The servers that other-servers.mjs knows, the release of Debian that each is in, and the tests that ask one of its family.
import mysql from 'mysql2/promise';

/**
 * @typedef {object} Kind
 * @property {string} release  of Debian
 * @property {string} packages  names with commas between
 * @property {'TEST_POSTGRES_URL' | 'TEST_MARIADB_URL'} variable
 * @property {readonly string[]} tests  beginnings of paths below `test/`
 * @property {(port: number) => string} url
 * @property {string} install  makes the data folder, /srv/data
 * @property {(port: number) => string} serve
 * @property {boolean} [asPostgres]  it refuses to run as root
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

/** @param {string} version @param {string} release @returns {Kind} */
const postgres = (version, release) => {
  const folder = `/usr/lib/postgresql/${version}/bin`;
  return {
    release,
    packages: `postgresql-${version}`,
    variable: 'TEST_POSTGRES_URL',
    tests: postgresTests,
    url: (port) => `postgres://postgres@127.0.0.1:${port}/postgres`,
    install: `${folder}/initdb -D /srv/data -U postgres --auth=trust --encoding=UTF8 --no-locale`,
    serve: (port) => `${folder}/postgres -D /srv/data -p ${port} -c unix_socket_directories=/tmp`,
    asPostgres: true,
  };
};

/** @param {string} program @param {number} port */
const serveFamily = (program, port) =>
  `${program} --no-defaults --user=root --datadir=/srv/data --port=${port} --bind-address=127.0.0.1 --socket=/tmp/server.sock --secure-file-priv=`;
const familyUrl = (/** @type {number} */ port) => `mysql://root@127.0.0.1:${port}/mysql`;

/** @type {Readonly<Record<string, Kind>>} */
export const kinds = {
  'postgresql-17': postgres('17', 'trixie'),
  'postgresql-18': postgres('18', 'sid'),
  'mariadb-11.8': {
    release: 'trixie',
    packages: 'mariadb-server',
    variable: 'TEST_MARIADB_URL',
    tests: familyTests,
    url: familyUrl,
    install:
      'mariadb-install-db --no-defaults --datadir=/srv/data --user=root --auth-root-authentication-method=normal --skip-test-db --force',
    serve: (port) => serveFamily('mariadbd', port),
  },
  'mysql-9.7': {
    release: 'sid',
    packages: 'mysql-server-core',
    variable: 'TEST_MARIADB_URL',
    // On MariaDB these have a server of their own.
    tests: [...familyTests, 'signals/mariadb-waiters'],
    url: familyUrl,
    install: 'mysqld --no-defaults --initialize-insecure --user=root --datadir=/srv/data',
    serve: (port) => `${serveFamily('mysqld', port)} --mysqlx=OFF`,
    // Its root may come by the socket only.
    async settle(socketPath) {
      const connection = await mysql.createConnection({ socketPath, user: 'root', multipleStatements: true });
      const us = "root@'127.0.0.1'";
      await connection.query(`CREATE USER ${us}; GRANT ALL ON *.* TO ${us} WITH GRANT OPTION`);
      await connection.end();
    },
  },
};

// What `npm test` runs: looks which database servers are there, says loudly what is skipped, then runs vitest with
// the same arguments. With CI=true a missing server is a failure: a green run there means that everything ran.
import { spawnSync } from 'node:child_process';
import { createRequire } from 'node:module';
import { userInfo } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import mysql from 'mysql2/promise';
import pg from 'pg';

const root = fileURLToPath(new URL('..', import.meta.url));
const isCi = process.env.CI === 'true' || process.env.CI === '1';

/** Connects and makes sure that databases may be created; answers null, or why not. */
async function whyNotPostgres(url) {
  const client = new pg.Client({ connectionString: url, connectionTimeoutMillis: 3_000 });
  // A server that closes the connection later must not end this script.
  client.on('error', () => undefined);
  try {
    await client.connect();
    const { rows } = await client.query(
      `SELECT current_setting('server_version_num')::int AS version,
              (SELECT rolcreatedb OR rolsuper FROM pg_roles WHERE rolname = current_user) AS may_create`,
    );
    if (rows[0].version < 140_000)
      return `is PostgreSQL ${Math.floor(rows[0].version / 10_000)}, 14 or newer is needed`;
    if (rows[0].may_create !== true) return 'its user may not create databases';
    return null;
  } catch (error) {
    // Both addresses of "localhost" refused: the words are in the inner errors.
    const inner = error instanceof AggregateError ? error.errors : [error];
    return [...new Set(inner.map((one) => one.message))].join('; ');
  } finally {
    await client.end().catch(() => undefined);
  }
}

const shown = (url) => url.replace(/:\/\/([^:@/]*):[^@]*@/, '://$1:***@');

/** The same for MariaDB and MySQL. */
async function whyNotMariadb(url) {
  let connection;
  try {
    connection = await mysql.createConnection({ uri: url, connectTimeout: 3_000 });
    connection.on('error', () => undefined);
    const [[{ version }]] = await connection.query('SELECT VERSION() AS version');
    const [, major, minor] = /(\d+)\.(\d+)\.\d+-MariaDB/i.exec(version) ?? [];
    if (major !== undefined && Number(major) === 10 && Number(minor) < 6)
      return `is MariaDB ${major}.${minor}, 10.6 or newer is needed`;
    const name = `mgc_my_probe_${process.pid}`;
    await connection.query(`CREATE DATABASE \`${name}\``);
    await connection.query(`DROP DATABASE \`${name}\``);
    return null;
  } catch (error) {
    return error.message === '' ? error.code : error.message;
  } finally {
    await connection?.end().catch(() => undefined);
  }
}

async function find(urls, whyNot) {
  const tried = [];
  for (const url of urls) {
    const reason = await whyNot(url);
    if (reason === null) return { url, tried };
    tried.push(`${shown(url)}: ${reason}`);
  }
  return { url: null, tried };
}

const users = (usual) => [...new Set([usual, userInfo().username])].map(encodeURIComponent);
const engines = [
  {
    name: 'PostgreSQL',
    variable: 'TEST_POSTGRES_URL',
    urls: users('postgres').map((user) => `postgres://${user}@127.0.0.1:5432/postgres`),
    whyNot: whyNotPostgres,
    docker: 'docker run --rm -d -p 127.0.0.1:5432:5432 -e POSTGRES_HOST_AUTH_METHOD=trust postgres:15',
    example: 'postgres://user:password@host:5432/postgres',
  },
  {
    name: 'MariaDB',
    variable: 'TEST_MARIADB_URL',
    urls: users('root').map((user) => `mysql://${user}@127.0.0.1:3306/mysql`),
    whyNot: whyNotMariadb,
    docker: 'docker run --rm -d -p 127.0.0.1:3306:3306 -e MARIADB_ALLOW_EMPTY_ROOT_PASSWORD=1 mariadb:10.11',
    example: 'mysql://user:password@host:3306/mysql',
  },
];

const env = { ...process.env };
let isMissing = false;
for (const { name, variable, urls, whyNot, docker, example } of engines) {
  const given = process.env[variable];
  const { url, tried } = await find(given ? [given] : urls, whyNot);
  if (url !== null) {
    console.error(`tests: ${name} at ${shown(url)}`);
    env[variable] = url;
    continue;
  }
  isMissing = true;
  delete env[variable];
  const line = '='.repeat(78);
  console.error(
    [
      line,
      `NOT TESTED: everything that needs a ${name} server. Tried:`,
      ...tried.map((words) => `  ${words}`),
      'To test it too, start a server and call again, for example:',
      `  ${docker}`,
      'or name one on which databases may be created:',
      `  ${variable}=${example} npm test`,
      line,
    ].join('\n'),
  );
}
if (isMissing && isCi) {
  console.error('tests: CI is set, and there a missing server is a failure.');
  process.exit(1);
}

const vitest = join(dirname(createRequire(import.meta.url).resolve('vitest/package.json')), 'vitest.mjs');
const done = spawnSync(process.execPath, [vitest, 'run', ...process.argv.slice(2)], {
  cwd: root,
  stdio: 'inherit',
  env,
});
if (done.error !== undefined) throw done.error;
// Ended by a signal: the shell's own convention is 128 + its number; 1 says "not passed" just as well.
process.exit(done.status ?? 1);

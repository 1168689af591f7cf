// A MariaDB server of our own, with default settings, in a temporary folder that is removed at the end. As its data lie in
// files that we may read, a table can be put back as it was in seconds (`copyOfTable`), however large it is.
import { execFileSync, spawn, spawnSync } from 'node:child_process';
import {
  chownSync,
  closeSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readFileSync,
  rmSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import mysql from 'mysql2/promise';
import { freePort } from './private-server.mjs';

const startMs = 60_000;
const programs = ['/usr/sbin/mariadbd', '/usr/libexec/mariadbd', '/usr/local/sbin/mariadbd'];

/** Null when a server can be started here, else what is missing, in words. */
export function whyNoMariadb() {
  if (programs.every((one) => !existsSync(one)))
    return 'There is no mariadbd here (Debian: apt-get install mariadb-server)';
  if (spawnSync('mariadb-install-db', ['--help']).error !== undefined)
    return 'There is no mariadb-install-db here (Debian: apt-get install mariadb-server)';
  return null;
}

/**
 * @typedef {object} PrivateMariadb
 * @property {number} port
 * @property {string} url  of the database `mysql`
 * @property {(database: string) => string} urlOf
 * @property {(statements: string) => Promise<any>} ask  on a connection that may say several statements at once
 * @property {(database: string, table: string, create: string) => Promise<(into: string) => Promise<void>>} keepTable
 *   keeps a table's files; the function that comes back puts them into another, new database
 * @property {() => Promise<{ mariadb: { version: string, settings: Record<string, string> } }>} versions
 * @property {() => Promise<void>} stop
 */

/**
 * @param {{ isDurable: boolean }} options  false: nothing waits for a disk, to see that things run
 * @returns {Promise<PrivateMariadb>}
 */
export async function startPrivateMariadb({ isDurable }) {
  const why = whyNoMariadb();
  if (why !== null) throw new Error(why);
  const owner = ownerOfServer();
  const own = (/** @type {string} */ path) => {
    if (owner !== null) chownSync(path, owner.uid, owner.gid);
  };
  const folder = mkdtempSync(join(tmpdir(), 'message-gc-bench-'));
  own(folder);
  const data = join(folder, 'data');
  const logFile = join(folder, 'server.log');
  // A temporary folder of its own: a server that starts removes the temporary tables of any other one from a shared one.
  const temporary = join(folder, 'tmp');
  mkdirSync(temporary);
  own(temporary);
  const places = [`--datadir=${data}`, `--tmpdir=${temporary}`, ...(owner === null ? [] : ['--user=mysql'])];
  const remove = () => rmSync(folder, { recursive: true, force: true });
  try {
    const made = ['--no-defaults', ...places, '--auth-root-authentication-method=normal', '--skip-test-db'];
    execFileSync('mariadb-install-db', made, { cwd: folder, stdio: ['ignore', 'ignore', 'pipe'] });
  } catch (error) {
    remove();
    throw error;
  }
  const port = await freePort();
  const log = openSync(logFile, 'a');
  const child = spawn(
    programs.find(existsSync) ?? '',
    [
      '--no-defaults',
      ...places,
      `--socket=${join(folder, 'socket')}`,
      `--pid-file=${join(folder, 'pid')}`,
      `--port=${port}`,
      '--bind-address=127.0.0.1',
      '--skip-name-resolve',
      ...(isDurable ? [] : ['--innodb-flush-log-at-trx-commit=0']),
    ],
    { cwd: folder, stdio: ['ignore', log, log], detached: true },
  );
  closeSync(log);
  const ended = new Promise((resolve) => {
    child.once('exit', resolve);
    child.once('error', resolve);
  });
  const atExit = () => {
    if (child.exitCode === null) child.kill('SIGKILL');
    remove();
  };
  process.once('exit', atExit);
  /** @type {mysql.Connection | null} */
  let admin = null;
  const stop = async () => {
    admin?.destroy();
    // Nothing in it is wanted any more.
    if (child.exitCode === null && child.signalCode === null) child.kill('SIGKILL');
    await ended;
    process.off('exit', atExit);
    remove();
  };
  const urlOf = (/** @type {string} */ database) => `mysql://root@127.0.0.1:${port}/${database}`;
  const deadline = performance.now() + startMs;
  while (admin === null) {
    try {
      admin = await mysql.createConnection({ uri: urlOf('mysql'), multipleStatements: true });
    } catch (error) {
      if (child.exitCode === null && performance.now() < deadline) {
        await sleep(50);
        continue;
      }
      const words = existsSync(logFile) ? readFileSync(logFile, 'utf8').slice(-2_000) : '';
      await stop();
      throw new Error(`The private MariaDB did not start. ${words}`, { cause: error });
    }
  }
  const connection = admin;
  const ask = async (/** @type {string} */ statements) =>
    /** @type {any} */ ((await connection.query(statements))[0]);
  return {
    port,
    url: urlOf('mysql'),
    urlOf,
    ask,
    async keepTable(database, table, create) {
      const kept = join(folder, `${database}-${table}`);
      mkdirSync(kept);
      const files = ['ibd', 'cfg'].map((end) => `${table}.${end}`);
      await ask(`USE ${database}; FLUSH TABLES ${table} FOR EXPORT`);
      for (const file of files) copyFileSync(join(data, database, file), join(kept, file));
      await ask('UNLOCK TABLES');
      return async (into) => {
        await ask(
          `CREATE DATABASE ${into} CHARACTER SET utf8mb4; USE ${into}; ${create}; ALTER TABLE ${table} DISCARD TABLESPACE`,
        );
        for (const file of files) {
          copyFileSync(join(kept, file), join(data, into, file));
          own(join(data, into, file));
        }
        await ask(`ALTER TABLE ${table} IMPORT TABLESPACE; ANALYZE TABLE ${table}`);
      };
    },
    async versions() {
      const [{ version }] = await ask('SELECT @@version AS version');
      /** @type {{ Variable_name: string, Value: string }[]} */
      const all = await ask(
        `SHOW GLOBAL VARIABLES WHERE Variable_name IN ('innodb_buffer_pool_size', 'innodb_flush_log_at_trx_commit', 'log_bin',
         'innodb_log_file_size', 'innodb_io_capacity', 'innodb_purge_threads', 'innodb_flush_method', 'tx_isolation')`,
      );
      const settings = Object.fromEntries(all.map((one) => [one.Variable_name, one.Value]));
      return { mariadb: { version, settings } };
    },
    stop,
  };
}

/** Null: as whoever called. */
function ownerOfServer() {
  if (process.getuid?.() !== 0) return null;
  const line = readFileSync('/etc/passwd', 'utf8')
    .split('\n')
    .find((one) => one.startsWith('mysql:'));
  const [, , uid, gid] = line?.split(':') ?? [];
  if (uid === undefined || gid === undefined)
    throw new Error('MariaDB does not run as root, and there is no user "mysql". Call as another user');
  return { uid: Number(uid), gid: Number(gid) };
}

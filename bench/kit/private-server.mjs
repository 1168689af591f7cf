// A PostgreSQL cluster of our own, made by initdb with its default settings in a temporary folder and removed at the
// end: what is measured depends on nobody's configuration, and nobody's database is touched.
import { execFileSync, spawn } from 'node:child_process';
import {
  chownSync,
  closeSync,
  existsSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  realpathSync,
  rmSync,
} from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { delimiter, dirname, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import pg from 'pg';

const startMs = 30_000;

/**
 * @typedef {object} PrivateServer
 * @property {string} url   of the database `postgres`
 * @property {number} pid   of the server's first process, when it was first started
 * @property {() => Promise<void>} crash  kills all of its processes at once, as a power cut would
 * @property {() => Promise<void>} startAgain  at the same address, over the same data
 * @property {() => Promise<void>} stop  ends it and removes its folder
 */

/**
 * @param {{ isDurable: boolean, standbyOf?: string, settings?: readonly string[] }} options  `isDurable` false: fsync
 *   off, to see that things run without waiting for a disk; `standbyOf`: a streaming replica of the server at that URL,
 *   made by pg_basebackup; `settings`: further ones, `name=value`
 * @returns {Promise<PrivateServer>}
 */
export async function startPrivateServer({ isDurable, standbyOf, settings: more = [] }) {
  const programs = findPrograms();
  const owner = ownerOfServer();
  const folder = mkdtempSync(join(tmpdir(), 'message-gc-bench-'));
  if (owner !== null) chownSync(folder, owner.uid, owner.gid);
  const data = join(folder, 'data');
  const logFile = join(folder, 'server.log');
  const as = owner ?? {};
  try {
    // One locale and encoding everywhere, so that text indexes cost the same on every machine.
    const [program, made] =
      standbyOf === undefined
        ? ['initdb', ['-D', data, '-U', 'postgres', '--auth=trust', '--encoding=UTF8', '--no-locale']]
        : ['pg_basebackup', ['-d', standbyOf, '-D', data, '-R', '--checkpoint=fast']];
    execFileSync(programs.path(program), made, { ...as, cwd: folder, stdio: ['ignore', 'ignore', 'pipe'] });
  } catch (error) {
    rmSync(folder, { recursive: true, force: true });
    throw error;
  }
  const port = await freePort();
  const settings = [`listen_addresses=127.0.0.1`, `unix_socket_directories=${folder}`, ...more];
  if (!isDurable) settings.push('fsync=off');
  const launch = () => {
    const log = openSync(logFile, 'a');
    if (owner !== null) chownSync(logFile, owner.uid, owner.gid);
    const child = spawn(
      programs.path('postgres'),
      ['-D', data, '-p', String(port), ...settings.flatMap((setting) => ['-c', setting])],
      // A group of its own: an interrupt of the terminal is for us, who drop and stop in order.
      { ...as, cwd: folder, stdio: ['ignore', log, log], detached: true },
    );
    closeSync(log);
    const ended = new Promise((resolve) => {
      child.once('exit', resolve);
      child.once('error', resolve);
    });
    return { child, ended };
  };
  let { child, ended } = launch();
  const remove = () => rmSync(folder, { recursive: true, force: true });
  const atExit = () => {
    if (child.exitCode === null) child.kill('SIGQUIT');
    remove();
  };
  process.once('exit', atExit);
  const url = `postgres://postgres@127.0.0.1:${port}/postgres`;
  const stop = async () => {
    // At once and without a last checkpoint: nothing in it is wanted any more.
    if (child.exitCode === null && child.signalCode === null) child.kill('SIGQUIT');
    await ended;
    process.off('exit', atExit);
    remove();
  };
  const untilUp = async () => {
    try {
      await untilItAnswers(url, child);
    } catch (error) {
      const words = existsSync(logFile) ? readFileSync(logFile, 'utf8').slice(-2_000) : '';
      await stop();
      throw new Error(`The private server did not start. ${words}`, { cause: error });
    }
  };
  await untilUp();
  return {
    url,
    pid: child.pid ?? 0,
    stop,
    crash: async () => {
      // Backends are in the group of the first process.
      if (child.pid !== undefined) process.kill(-child.pid, 'SIGKILL');
      await ended;
    },
    startAgain: async () => {
      // What was shared with processes that are gone is removed by the server itself, when nobody is left in it.
      ({ child, ended } = launch());
      await untilUp();
    },
  };
}

/** @param {string} url @param {import('node:child_process').ChildProcess} child */
async function untilItAnswers(url, child) {
  const deadline = performance.now() + startMs;
  for (;;) {
    const client = new pg.Client({ connectionString: url });
    try {
      await client.connect();
      return;
    } catch (error) {
      if (child.exitCode !== null || performance.now() > deadline) throw error;
      await sleep(50);
    } finally {
      await client.end().catch(() => undefined);
    }
  }
}

/**
 * The newest installed version; Debian keeps the server's programs out of PATH.
 * @returns {{ path(name: string): string }}
 */
export function findPrograms() {
  const debian = '/usr/lib/postgresql';
  const versions = existsSync(debian) ? readdirSync(debian).toSorted((a, b) => Number(b) - Number(a)) : [];
  const folders = [
    ...(process.env.PATH ?? '').split(delimiter),
    ...versions.map((one) => join(debian, one, 'bin')),
  ];
  const found = folders.find(
    (folder) => existsSync(join(folder, 'initdb')) && existsSync(join(folder, 'postgres')),
  );
  if (found === undefined)
    throw new Error(
      'No PostgreSQL server is installed here (initdb, postgres). Name a running one with --server URL',
    );
  // Some of a package's programs may be linked into PATH and others not.
  const real = dirname(realpathSync(join(found, 'postgres')));
  return { path: (/** @type {string} */ name) => join(existsSync(join(found, name)) ? found : real, name) };
}

/** PostgreSQL refuses to run as root; its package's user does it then. Null: as whoever called. */
function ownerOfServer() {
  if (process.getuid?.() !== 0) return null;
  const line = readFileSync('/etc/passwd', 'utf8')
    .split('\n')
    .find((one) => one.startsWith('postgres:'));
  const [, , uid, gid] = line?.split(':') ?? [];
  if (uid === undefined || gid === undefined)
    throw new Error('PostgreSQL does not run as root, and there is no user "postgres". Call as another user');
  return { uid: Number(uid), gid: Number(gid) };
}

/** @returns {Promise<number>} */
export function freePort() {
  return new Promise((resolve, reject) => {
    const probe = createServer();
    probe.once('error', reject);
    probe.listen(0, '127.0.0.1', () => {
      const address = probe.address();
      probe.close(() => resolve(address !== null && typeof address === 'object' ? address.port : 0));
    });
  });
}

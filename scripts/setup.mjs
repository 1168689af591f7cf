// Makes a fresh checkout ready: installs what the lock file says and builds, each only when it is due.
// `npm start`, `npm test` and `npm run demo` call it first, so that nothing else has to be typed.
import { spawnSync } from 'node:child_process';
import { existsSync, readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));
const at = (path) => join(root, path);
const modified = (path) => (existsSync(at(path)) ? statSync(at(path)).mtimeMs : 0);

const [major = 0, minor = 0] = process.versions.node.split('.').map(Number);
if (major < 20 || (major === 20 && minor < 19)) {
  console.error(
    `message-gc needs Node 20.19 or newer; this is ${process.version}. Install Node 22 or 24 and call again.`,
  );
  process.exit(2);
}

function run(words, command, args) {
  console.error(`set-up: ${words}`);
  // The answer of npm goes to stderr, so that a command with --json after this set-up prints JSON alone.
  const done = spawnSync(command, args, {
    cwd: root,
    stdio: ['ignore', 2, 2],
    shell: process.platform === 'win32',
  });
  if (done.status !== 0) {
    console.error(
      `set-up: "${command} ${args.join(' ')}" failed (exit ${done.status ?? done.signal ?? done.error})`,
    );
    process.exit(done.status ?? 1);
  }
}

// npm writes node_modules/.package-lock.json last: newer than the lock file means that an install was completed.
if (
  modified('node_modules/.package-lock.json') < modified('package-lock.json') ||
  !existsSync(at('node_modules/typescript'))
) {
  run('installing what package-lock.json names (npm ci)', 'npm', [
    'ci',
    '--no-audit',
    '--no-fund',
    '--include=dev',
  ]);
}

const newest = (folder) =>
  readdirSync(at(folder), { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .reduce((latest, entry) => Math.max(latest, statSync(join(entry.parentPath, entry.name)).mtimeMs), 0);

if (
  Math.max(newest('src'), modified('tsconfig.build.json'), modified('tsconfig.json')) >
  modified('dist/.tsbuildinfo')
) {
  run('building (tsc)', 'npm', ['run', '--silent', 'build']);
}

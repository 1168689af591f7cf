/** How a MariaDB server of the test's own is made: from what Debian installs, in a folder that nobody else looks into. */
import { type ChildProcess, spawnSync } from 'node:child_process';
import { randomInt } from 'node:crypto';
import { existsSync } from 'node:fs';
import { chown, mkdir, readFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { join } from 'node:path';

export const mariadbd = ['/usr/sbin/mariadbd', '/usr/libexec/mariadbd'].find(existsSync);

/** Null when a server can be started here, else what is missing. */
export function whyNoMariadb(): string | null {
  if (mariadbd === undefined) return 'there is no mariadbd (apt-get install mariadb-server)';
  if (spawnSync('mariadb-install-db', ['--help']).error !== undefined)
    return 'there is no mariadb-install-db (apt-get install mariadb-server)';
  return null;
}

/** Makes the system tables of a server whose data will lie in `folder`. */
export async function installMariadb(folder: string): Promise<void> {
  await mkdir(folder, { recursive: true });
  await giveAway(folder);
  await mkdir(join(folder, 'tmp'), { recursive: true });
  await giveAway(join(folder, 'tmp'));
  const made = spawnSync(
    'mariadb-install-db',
    [
      '--no-defaults',
      `--datadir=${join(folder, 'data')}`,
      '--auth-root-authentication-method=normal',
      '--skip-test-db',
      `--tmpdir=${join(folder, 'tmp')}`,
      ...asUser(),
    ],
    { encoding: 'utf8' },
  );
  if (made.status !== 0) throw new Error(`mariadb-install-db: ${made.stderr}`);
}

/** The arguments that every server of a test has. */
export function mariadbArguments(folder: string, port: number): string[] {
  return [
    '--no-defaults',
    ...asUser(),
    `--datadir=${join(folder, 'data')}`,
    // Not /tmp: a server that starts removes what looks like its own temporary tables, another one's as well.
    `--tmpdir=${join(folder, 'tmp')}`,
    `--socket=${join(folder, 's')}`,
    `--pid-file=${join(folder, 'pid')}`,
    `--log-error=${join(folder, 'log.err')}`,
    `--port=${port}`,
    '--bind-address=127.0.0.1',
    '--skip-name-resolve',
    '--innodb-buffer-pool-size=32M',
    '--innodb-log-file-size=16M',
  ];
}

/** By itself or by a signal: a server that aborts has no exit code. */
export function hasEnded(child: ChildProcess): boolean {
  return child.exitCode !== null || child.signalCode !== null;
}

/** kill -9; resolves when it is gone. */
export async function killServer(child: ChildProcess | null): Promise<void> {
  if (child === null || hasEnded(child)) return;
  const ended = new Promise<void>((resolve) => {
    child.once('exit', () => resolve());
  });
  child.kill('SIGKILL');
  await ended;
}

export async function lastWords(folder: string): Promise<string> {
  const text = await readFile(join(folder, 'log.err'), 'utf8').catch(() => '');
  return text.split('\n').slice(-60).join('\n');
}

/** As root, servers run as the package's own user: the transfer between them drops root's rights and could not write. */
const isRoot = process.getuid?.() === 0;

function asUser(): readonly string[] {
  return isRoot ? ['--user=mysql'] : [];
}

export async function giveAway(folder: string): Promise<void> {
  if (!isRoot) return;
  const id = (flag: string): number => Number(spawnSync('id', [flag, 'mysql'], { encoding: 'utf8' }).stdout);
  await chown(folder, id('-u'), id('-g'));
}

/**
 * Below the range from which systems take the ports of outgoing connections (from 32,768 on Linux, 49,152 elsewhere): a
 * server that is killed and started again at its port would otherwise find it taken by somebody's connection.
 */
export async function freePorts(count: number): Promise<readonly number[]> {
  const ports = new Set<number>();
  while (ports.size < count) {
    const port = randomInt(10_000, 32_000);
    if (await isFree(port)) ports.add(port);
  }
  return [...ports];
}

function isFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const probe = createServer();
    probe.once('error', () => resolve(false));
    probe.listen(port, '127.0.0.1', () => probe.close(() => resolve(true)));
  });
}

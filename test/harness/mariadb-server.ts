/**
 * A MariaDB server on loopback that a test starts for itself, from what Debian installs (mariadb-server). Data lies in a
 * temporary folder; nothing outside of it is touched.
 */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { chown, mkdir, mkdtemp, readFile, rm } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { mariadbConnection } from './mariadb-database.js';
import { until } from './wait.js';

export const serverBinary = ['/usr/sbin/mariadbd', '/usr/libexec/mariadbd'].find(existsSync);

/** Null when a server can be started here, else what is missing. */
export function whyNoServer(): string | null {
  if (serverBinary === undefined) return 'there is no mariadbd (apt-get install mariadb-server)';
  if (spawnSync('mariadb-install-db', ['--help']).error !== undefined)
    return 'there is no mariadb-install-db (apt-get install mariadb-server)';
  return null;
}

/** As root, servers run as the package's own user: root's rights are dropped by what they start, which could not write. */
const isRoot = process.getuid?.() === 0;

export function asUser(): readonly string[] {
  return isRoot ? ['--user=mysql'] : [];
}

export async function giveAway(folder: string): Promise<void> {
  if (!isRoot) return;
  const id = (flag: string): number => Number(spawnSync('id', [flag, 'mysql'], { encoding: 'utf8' }).stdout);
  await chown(folder, id('-u'), id('-g'));
}

export async function freePorts(count: number): Promise<readonly number[]> {
  const servers = await Promise.all(
    Array.from(
      { length: count },
      () =>
        new Promise<ReturnType<typeof createServer>>((resolve, reject) => {
          const one = createServer();
          one.once('error', reject);
          one.listen(0, '127.0.0.1', () => resolve(one));
        }),
    ),
  );
  const ports = servers.map((one) => (one.address() as { port: number }).port);
  await Promise.all(servers.map((one) => new Promise((resolve) => one.close(resolve))));
  return ports;
}

/** Makes `data` and `tmp` in the folder. `root` has no password. */
export async function installData(folder: string): Promise<void> {
  await mkdir(join(folder, 'tmp'), { recursive: true });
  await giveAway(folder);
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

/** The options that every server of a test has; its socket, log and port are its own. */
export function commonOptions(folder: string, port: number): readonly string[] {
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

export async function killServer(child: ChildProcess | null): Promise<void> {
  if (child === null || child.exitCode !== null || child.signalCode !== null) return;
  const ended = new Promise<void>((resolve) => {
    child.once('exit', () => resolve());
  });
  child.kill('SIGKILL');
  await ended;
}

export async function logOf(folder: string): Promise<string> {
  const text = await readFile(join(folder, 'log.err'), 'utf8').catch(() => '');
  return text.split('\n').slice(-60).join('\n');
}

/** One server that writes a binary log, so that others can be its replicas. */
export class OwnServer {
  readonly port: number;
  readonly #folder: string;
  #process: ChildProcess | null = null;

  private constructor(folder: string, port: number) {
    this.#folder = folder;
    this.port = port;
  }

  /** Its clock is far from UTC, so that a time which is taken for another zone's is hours off. */
  static async begin(number = 1): Promise<OwnServer> {
    const folder = await mkdtemp(join(tmpdir(), 'mgc-mariadb-'));
    const [port = 0] = await freePorts(1);
    const server = new OwnServer(folder, port);
    try {
      await installData(folder);
      server.#process = spawn(
        serverBinary ?? '',
        [
          ...commonOptions(folder, port),
          `--server-id=${number}`,
          `--log-bin=${join(folder, 'data', 'log')}`,
          '--binlog-format=MIXED',
          '--innodb-flush-log-at-trx-commit=2',
        ],
        { stdio: 'ignore', env: { ...process.env, TZ: 'America/New_York' } },
      );
      await until(`the server on port ${port} to answer`, 60_000, () => server.#answers());
    } catch (error) {
      const log = await logOf(folder);
      await server.stop();
      throw new Error(`The server did not start: ${String(error)}\n${log}`, { cause: error });
    }
    return server;
  }

  /** `mysql://root@127.0.0.1:port` */
  get origin(): string {
    return `mysql://root@127.0.0.1:${this.port}`;
  }

  async kill(): Promise<void> {
    await killServer(this.#process);
  }

  async stop(): Promise<void> {
    await this.kill();
    await rm(this.#folder, { recursive: true, force: true });
  }

  async #answers(): Promise<boolean> {
    if (this.#process?.exitCode != null) throw new Error('it has ended');
    try {
      const connection = await mariadbConnection(`${this.origin}/mysql`);
      await connection.end();
      return true;
    } catch {
      return false;
    }
  }
}

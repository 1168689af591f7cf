/**
 * A Galera cluster of MariaDB servers on loopback, started by the test itself from what Debian installs
 * (mariadb-server, galera-4, rsync). Data lies in a temporary folder; nothing outside of it is touched.
 */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { chown, mkdir, mkdtemp, readFile, rm } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { mariadbConnection } from '../harness/mariadb-database.js';
import { until } from '../harness/wait.js';

const providers = ['/usr/lib/galera/libgalera_smm.so', '/usr/lib64/galera-4/libgalera_smm.so'];
const server = ['/usr/sbin/mariadbd', '/usr/libexec/mariadbd'].find(existsSync);
const provider = providers.find(existsSync);

/** Null when a cluster can be started here, else what is missing. */
export function whyNoCluster(): string | null {
  if (server === undefined) return 'there is no mariadbd (apt-get install mariadb-server)';
  if (provider === undefined) return 'there is no Galera provider (apt-get install galera-4)';
  if (spawnSync('rsync', ['--version']).status !== 0) return 'there is no rsync (apt-get install rsync)';
  if (spawnSync('mariadb-install-db', ['--help']).error !== undefined)
    return 'there is no mariadb-install-db';
  return null;
}

export type GaleraNode = {
  readonly port: number;
  /** `mysql://root@127.0.0.1:port` */
  readonly origin: string;
  kill(): Promise<void>;
  /** Starts it again; resolves when it is part of the cluster. */
  start(): Promise<void>;
};

export type Galera = { readonly nodes: readonly GaleraNode[]; stop(): Promise<void> };

export async function startCluster(size = 3): Promise<Galera> {
  const folder = await mkdtemp(join(tmpdir(), 'mgc-galera-'));
  await giveAway(folder);
  const ports = await freePorts(size * 4);
  const group = Array.from({ length: size }, (_, place) => `127.0.0.1:${ports[place * 4 + 1]}`).join(',');
  const nodes: Member[] = [];
  const stop = async (): Promise<void> => {
    await Promise.all(nodes.map((node) => node.kill()));
    await rm(folder, { recursive: true, force: true });
  };
  try {
    for (let place = 0; place < size; place += 1) {
      const node = new Member(join(folder, `n${place}`), ports.slice(place * 4, place * 4 + 4), group);
      nodes.push(node);
      await node.install();
      await node.start(place === 0);
    }
  } catch (error) {
    const logs = await Promise.all(nodes.map((node) => node.log()));
    await stop();
    throw new Error(`The cluster did not start: ${String(error)}\n${logs.join('\n---\n')}`, { cause: error });
  }
  return { nodes, stop };
}

class Member implements GaleraNode {
  readonly port: number;
  readonly #folder: string;
  readonly #ports: readonly number[];
  readonly #group: string;
  #process: ChildProcess | null = null;

  constructor(folder: string, ports: readonly number[], group: string) {
    this.#folder = folder;
    this.#ports = ports;
    this.port = ports[0] ?? 0;
    this.#group = group;
  }

  get origin(): string {
    return `mysql://root@127.0.0.1:${this.port}`;
  }

  async install(): Promise<void> {
    await mkdir(this.#folder, { recursive: true });
    await giveAway(this.#folder);
    await mkdir(join(this.#folder, 'tmp'), { recursive: true });
    await giveAway(join(this.#folder, 'tmp'));
    const made = spawnSync(
      'mariadb-install-db',
      [
        '--no-defaults',
        `--datadir=${join(this.#folder, 'data')}`,
        '--auth-root-authentication-method=normal',
        '--skip-test-db',
        `--tmpdir=${join(this.#folder, 'tmp')}`,
        ...asUser(),
      ],
      { encoding: 'utf8' },
    );
    if (made.status !== 0) throw new Error(`mariadb-install-db: ${made.stderr}`);
  }

  async start(isFirst = false): Promise<void> {
    const [port, group, increments, transfer] = this.#ports;
    this.#process = spawn(
      server ?? '',
      [
        '--no-defaults',
        ...asUser(),
        `--datadir=${join(this.#folder, 'data')}`,
        // Not /tmp: a server that starts removes what looks like its own temporary tables, another one's as well.
        `--tmpdir=${join(this.#folder, 'tmp')}`,
        `--socket=${join(this.#folder, 's')}`,
        `--pid-file=${join(this.#folder, 'pid')}`,
        `--log-error=${join(this.#folder, 'log.err')}`,
        `--port=${port}`,
        '--bind-address=127.0.0.1',
        '--skip-name-resolve',
        '--binlog-format=ROW',
        '--innodb-autoinc-lock-mode=2',
        '--innodb-buffer-pool-size=32M',
        '--innodb-log-file-size=16M',
        '--wsrep-on=ON',
        `--wsrep-provider=${provider}`,
        `--wsrep-cluster-address=gcomm://${isFirst ? '' : this.#group}`,
        '--wsrep-cluster-name=mgc_test',
        `--wsrep-node-address=127.0.0.1:${group}`,
        '--wsrep-sst-method=rsync',
        `--wsrep-sst-receive-address=127.0.0.1:${transfer}`,
        `--wsrep-provider-options=base_port=${group};gmcast.listen_addr=tcp://127.0.0.1:${group};ist.recv_addr=127.0.0.1:${increments};gcache.size=64M;evs.suspect_timeout=PT3S`,
      ],
      { stdio: 'ignore' },
    );
    await until(`the server on port ${port} to join the cluster`, 60_000, async () => {
      if (this.#process?.exitCode != null) throw new Error('it has ended');
      return this.#isReady();
    });
  }

  async kill(): Promise<void> {
    const child = this.#process;
    if (child === null || child.exitCode !== null || child.signalCode !== null) return;
    const ended = new Promise<void>((resolve) => {
      child.once('exit', () => resolve());
    });
    child.kill('SIGKILL');
    await ended;
  }

  async log(): Promise<string> {
    const text = await readFile(join(this.#folder, 'log.err'), 'utf8').catch(() => '');
    return text.split('\n').slice(-60).join('\n');
  }

  async #isReady(): Promise<boolean> {
    try {
      const connection = await mariadbConnection(`${this.origin}/mysql`);
      try {
        const [rows] = await connection.query(`SHOW STATUS LIKE 'wsrep_ready'`);
        return (rows as { Value: string }[])[0]?.Value === 'ON';
      } finally {
        connection.destroy();
      }
    } catch {
      return false;
    }
  }
}

/** As root, servers run as the package's own user: the transfer between them drops root's rights and could not write. */
const isRoot = process.getuid?.() === 0;

function asUser(): readonly string[] {
  return isRoot ? ['--user=mysql'] : [];
}

async function giveAway(folder: string): Promise<void> {
  if (!isRoot) return;
  const id = (flag: string): number => Number(spawnSync('id', [flag, 'mysql'], { encoding: 'utf8' }).stdout);
  await chown(folder, id('-u'), id('-g'));
}

async function freePorts(count: number): Promise<readonly number[]> {
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

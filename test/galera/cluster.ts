/**
 * A Galera cluster of MariaDB servers on loopback, started by the test itself from what Debian installs
 * (mariadb-server, galera-4, rsync). Data lies in a temporary folder; nothing outside of it is touched.
 */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { mariadbConnection } from '../harness/mariadb-database.js';
import {
  commonOptions,
  freePorts,
  giveAway,
  installData,
  killServer,
  logOf,
  serverBinary,
  whyNoServer,
} from '../harness/mariadb-server.js';
import { until } from '../harness/wait.js';

const providers = ['/usr/lib/galera/libgalera_smm.so', '/usr/lib64/galera-4/libgalera_smm.so'];
const provider = providers.find(existsSync);

/** Null when a cluster can be started here, else what is missing. */
export function whyNoCluster(): string | null {
  const noServer = whyNoServer();
  if (noServer !== null) return noServer;
  if (provider === undefined) return 'there is no Galera provider (apt-get install galera-4)';
  if (spawnSync('rsync', ['--version']).status !== 0) return 'there is no rsync (apt-get install rsync)';
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
    await installData(this.#folder);
  }

  async start(isFirst = false): Promise<void> {
    const [port, group, increments, transfer] = this.#ports;
    this.#process = spawn(
      serverBinary ?? '',
      [
        ...commonOptions(this.#folder, port ?? 0),
        '--binlog-format=ROW',
        '--innodb-autoinc-lock-mode=2',
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
    await killServer(this.#process);
  }

  log(): Promise<string> {
    return logOf(this.#folder);
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

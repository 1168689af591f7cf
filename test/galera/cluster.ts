/**
 * A Galera cluster of MariaDB servers on loopback, started by the test itself from what Debian installs
 * (mariadb-server, galera-4, rsync). Data lies in a temporary folder; nothing outside of it is touched.
 */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { mariadbConnection } from '../harness/mariadb-database.js';
import {
  freePorts,
  giveAway,
  hasEnded,
  installMariadb,
  killServer,
  lastWords,
  mariadbArguments,
  mariadbd,
  whyNoMariadb,
} from '../harness/mariadb-program.js';
import { until } from '../harness/wait.js';

const providers = ['/usr/lib/galera/libgalera_smm.so', '/usr/lib64/galera-4/libgalera_smm.so'];
const provider = providers.find(existsSync);

/** Null when a cluster can be started here, else what is missing. */
export function whyNoCluster(): string | null {
  const why = whyNoMariadb();
  if (why !== null) return why;
  if (provider === undefined) return 'there is no Galera provider (apt-get install galera-4)';
  if (spawnSync('rsync', ['--version']).status !== 0) return 'there is no rsync (apt-get install rsync)';
  return null;
}

/** How long a test that starts a node again must be ready to wait. */
export const joinWithinMs = 120_000;
const mostStarts = 5;

export type GaleraNode = {
  readonly port: number;
  /** `mysql://root@127.0.0.1:port` */
  readonly origin: string;
  kill(): Promise<void>;
  /** Starts it again where it is gone; resolves when it is part of the cluster. */
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

  install(): Promise<void> {
    return installMariadb(this.#folder);
  }

  /**
   * One that comes back too early is turned away by the others and ends: it is started again, as a service manager
   * does. The whole of its data is copied to it, beside whatever else the machine does: seconds, or a minute.
   */
  async start(isFirst = false): Promise<void> {
    let starts = 0;
    await until(`the server on port ${this.port} to join the cluster`, joinWithinMs, async () => {
      if (this.#process === null || hasEnded(this.#process)) {
        if (starts === mostStarts) throw new Error(`it ended ${starts} times:\n${await this.log()}`);
        starts += 1;
        this.#launch(isFirst);
      }
      return this.#isReady();
    });
  }

  #launch(isFirst: boolean): void {
    const [, group, increments, transfer] = this.#ports;
    this.#process = spawn(
      mariadbd ?? '',
      [
        ...mariadbArguments(this.#folder, this.port),
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
  }

  kill(): Promise<void> {
    return killServer(this.#process);
  }

  log(): Promise<string> {
    return lastWords(this.#folder);
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

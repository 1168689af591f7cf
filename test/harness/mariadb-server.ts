/** A MariaDB server of a test's own that writes a binary log, so that others can be its replicas. */
import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { mariadbConnection } from './mariadb-database.js';
import {
  freePorts,
  installMariadb,
  killServer,
  lastWords,
  mariadbArguments,
  mariadbd,
} from './mariadb-program.js';
import { until } from './wait.js';

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
      await installMariadb(folder);
      server.#process = spawn(
        mariadbd ?? '',
        [
          ...mariadbArguments(folder, port),
          `--server-id=${number}`,
          `--log-bin=${join(folder, 'data', 'log')}`,
          '--binlog-format=MIXED',
          '--innodb-flush-log-at-trx-commit=2',
        ],
        { stdio: 'ignore', env: { ...process.env, TZ: 'America/New_York' } },
      );
      await until(`the server on port ${port} to answer`, 60_000, () => server.#answers());
    } catch (error) {
      const log = await lastWords(folder);
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

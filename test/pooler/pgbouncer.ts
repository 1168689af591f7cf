/** A real PgBouncer in transaction mode on a free port of loopback, in front of one server. */
import { execFileSync, spawn } from 'node:child_process';
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pg from 'pg';
import { freePorts } from '../harness/mariadb-program.js';
import { until } from '../harness/wait.js';

export type Pooler = {
  /** The same database and user as given, through the pooler. */
  readonly url: string;
  /** At the same address: what it has learned from the server's first session is forgotten. */
  startAgain(): Promise<void>;
  stop(): Promise<void>;
};

/** Null when PgBouncer can be started here, else what is missing. */
export function whyNoPooler(): string | null {
  try {
    execFileSync('pgbouncer', ['--version'], { stdio: 'ignore' });
    return null;
  } catch {
    return 'there is no pgbouncer on the PATH (Debian: apt-get install pgbouncer)';
  }
}

/** @param settings lines of the section [pgbouncer], beside those that it needs to run at all */
export async function startPooler(serverUrl: string, settings: readonly string[]): Promise<Pooler> {
  const server = new URL(serverUrl);
  const folder = mkdtempSync(join(tmpdir(), 'message-gc-pooler-'));
  chmodSync(folder, 0o755);
  const [port = 0] = await freePorts(1);
  writeFileSync(join(folder, 'users.txt'), `"${server.username}" ""\n`);
  const config = [
    '[databases]',
    `* = host=${server.hostname} port=${server.port}`,
    '[pgbouncer]',
    'listen_addr = 127.0.0.1',
    `listen_port = ${port}`,
    'unix_socket_dir =',
    'auth_type = trust',
    `auth_file = ${join(folder, 'users.txt')}`,
    'pool_mode = transaction',
    ...settings,
  ];
  writeFileSync(join(folder, 'pgbouncer.ini'), `${config.join('\n')}\n`);
  // It refuses to run as root, and then takes another user.
  const as = process.getuid?.() === 0 ? ['-u', 'postgres'] : [];
  const url = new URL(server.href);
  url.port = String(port);
  let stopProcess = async (): Promise<void> => undefined;
  const start = async (): Promise<void> => {
    const child = spawn('pgbouncer', [...as, join(folder, 'pgbouncer.ini')], {
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    let said = '';
    for (const stream of [child.stdout, child.stderr])
      stream.on('data', (part: Buffer) => (said += part.toString('utf8')));
    const ended = new Promise<void>((resolve) => child.once('close', () => resolve()));
    const kill = (): void => void child.kill('SIGKILL');
    process.once('exit', kill);
    stopProcess = async () => {
      kill();
      await ended;
      process.off('exit', kill);
    };
    await until('the pooler to answer', 10_000, () => answers(url.href)).catch((cause: unknown) => {
      throw new Error(`PgBouncer did not answer: ${said}`, { cause });
    });
  };
  const stop = async (): Promise<void> => {
    await stopProcess();
    rmSync(folder, { recursive: true, force: true });
  };
  try {
    await start();
  } catch (cause) {
    await stop();
    throw cause;
  }
  return {
    url: url.href,
    stop,
    async startAgain() {
      await stopProcess();
      await start();
    },
  };
}

async function answers(url: string): Promise<true | null> {
  const client = new pg.Client({ connectionString: url });
  client.on('error', () => undefined);
  try {
    await client.connect();
    await client.query('SELECT 1');
    return true;
  } catch {
    return null;
  } finally {
    await client.end().catch(() => undefined);
  }
}

/** A MariaDB server that belongs to one test, so that it can be killed and started again over its data. */
import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createMariadbDatabase, mariadbConnection } from './mariadb-database.js';
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
} from './mariadb-program.js';
import { until } from './wait.js';

export type PrivateMariadb = {
  /** Of an empty database. */
  readonly url: string;
  /** kill -9. */
  crash(): Promise<void>;
  /** At the same address, over the same data. */
  startAgain(): Promise<void>;
  /** Ends it and removes its folder. */
  stop(): Promise<void>;
};

/** `more`: further arguments of the server. */
export async function startPrivateMariadb(more: readonly string[] = []): Promise<PrivateMariadb> {
  const why = whyNoMariadb();
  if (why !== null) throw new Error(`A MariaDB server of the test's own cannot be started: ${why}`);
  const folder = await mkdtemp(join(tmpdir(), 'mgc-mariadb-'));
  await giveAway(folder);
  const [port = 0] = await freePorts(1);
  const origin = `mysql://root@127.0.0.1:${port}/mysql`;
  let child: ChildProcess | null = null;
  const launch = async (): Promise<void> => {
    const launched = spawn(mariadbd ?? '', [...mariadbArguments(folder, port), ...more], { stdio: 'ignore' });
    child = launched;
    await until(`the server on port ${port} to answer`, 60_000, async () => {
      if (hasEnded(launched)) throw new Error(`it has ended:\n${await lastWords(folder)}`);
      return answers(origin);
    });
  };
  // A runner that is ended takes its server along.
  const atExit = (): void => void child?.kill('SIGKILL');
  process.once('exit', atExit);
  const stop = async (): Promise<void> => {
    process.off('exit', atExit);
    await killServer(child);
    await rm(folder, { recursive: true, force: true });
  };
  try {
    await installMariadb(folder);
    await launch();
    const { url } = await createMariadbDatabase(new URL(origin));
    return { url, crash: () => killServer(child), startAgain: launch, stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

async function answers(url: string): Promise<true | null> {
  try {
    (await mariadbConnection(url)).destroy();
    return true;
  } catch {
    return null;
  }
}

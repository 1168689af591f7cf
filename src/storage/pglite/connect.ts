/**
 * Opens the embedded database: locks the folder, makes the database if there is none, starts the engine, and gives
 * a `pg.Pool` with one client, so that all SQL of the PostgreSQL engine runs on it unchanged.
 *
 * What it cannot do, and callers must know: `statement_timeout` never fires and
 * `idle_in_transaction_session_timeout` hangs the engine, so neither is ever set; there is one session, so nothing
 * can cancel a statement or hold a lock against us. kill -9 is survived; power loss is not, because the engine
 * writes without fsync.
 */
import {
  accessSync,
  closeSync,
  constants,
  existsSync,
  mkdirSync,
  openSync,
  readSync,
  realpathSync,
  statSync,
} from 'node:fs';
import { basename, dirname, join, resolve } from 'node:path';
import type pg from 'pg';
import { Refusal } from '../../core/errors.js';
import type { Log } from '../../kit/log.js';
import { sleep } from '../../kit/sleep.js';
import { SessionStream } from './duplex.js';
import { EmbeddedEngine } from './engine.js';
import { lockFolder } from './folder-lock.js';
import { makeFolder } from './make-folder.js';
import { OneSessionPool } from './one-session.js';

export type Embedded = {
  readonly pool: pg.Pool;
  /** True when the last owner did not close it, and its log was replayed. */
  readonly recovered: boolean;
  /** Tells others who meet the lock where this process can be reached. */
  note(text: string): void;
  /** Waits up to 3 s for the session to be given back, writes everything out, unlocks. May be called again. */
  close(): Promise<void>;
};

/** Longer than any statement of ours; a wait without an end would be a defect that nobody sees. */
const waitForSessionMs = 120_000;

/** How long `close` waits for the session to be given back; a batch takes 50 ms. */
const giveBackMs = 3_000;

/** Throws a Refusal when another process has the folder; otherwise errors with the code ECONNREFUSED. */
export async function openEmbedded(
  folder: string,
  log: Log,
  types?: pg.CustomTypesConfig,
): Promise<Embedded> {
  const { place, lock } = takeFolder(folder);
  const engine = new EmbeddedEngine(place, log);
  let recovered = false;
  try {
    const made = await makeFolder(place);
    recovered = !made && !wasClosed(place);
    await engine.start();
  } catch (error) {
    await engine.close();
    lock.release();
    throw error;
  }
  if (recovered) log.warn({ folder: place }, 'the embedded database was not closed; its log was replayed');
  const pool = new OneSessionPool({
    stream: () => new SessionStream(engine),
    // All named, because `pg` takes what is missing from PGUSER, PGSSLMODE and others of its environment.
    user: 'postgres',
    database: 'postgres',
    host: 'embedded',
    port: 5432,
    password: 'none',
    ssl: false,
    application_name: 'message-gc',
    ...(types === undefined ? {} : { types }),
    idleTimeoutMillis: 0,
    connectionTimeoutMillis: waitForSessionMs,
  });
  // Without a listener an idle client whose engine broke would end the process. The engine has logged it.
  pool.on('error', (error) => log.debug({ error: error.message }, 'the idle session was cut'));
  let closing: Promise<void> | null = null;
  const close = async (): Promise<void> => {
    const waiting = new AbortController();
    try {
      // Whoever still holds the session after this time is cut, like on a server that is shut down.
      await Promise.race([pool.end(), sleep(giveBackMs, waiting.signal)]);
    } finally {
      waiting.abort();
      await engine.close();
      lock.release();
    }
  };
  return {
    pool,
    recovered,
    note: (text) => lock.note(text),
    close: () => (closing ??= close()),
  };
}

/** One folder must have one lock, by whatever way it is named. */
function takeFolder(folder: string) {
  try {
    const parent = dirname(resolve(folder));
    mkdirSync(parent, { recursive: true });
    const place = realpathOf(join(realpathSync(parent), basename(resolve(folder))));
    if (existsSync(place)) {
      if (!statSync(place).isDirectory()) throw unusable(folder, 'it is a file');
      accessSync(place, constants.R_OK | constants.W_OK | constants.X_OK);
    }
    return { place, lock: lockFolder(`${place}.lock`) };
  } catch (error) {
    if (error instanceof Error && 'code' in error && unusableCodes.has(String(error.code)))
      throw unusable(folder, error.message);
    throw error;
  }
}

const unusableCodes = new Set([
  'EACCES',
  'EPERM',
  'EROFS',
  'ENOTDIR',
  'ENOENT',
  'EEXIST',
  'ELOOP',
  'ENAMETOOLONG',
]);

function unusable(folder: string, why: string): Refusal {
  return new Refusal(
    'configuration',
    `The folder of the embedded database, ${resolve(folder)}, cannot be made or written: ${why}. Name another one in MESSAGE_GC_DATA or in DATABASE_URL=pglite:DIR`,
  );
}

function realpathOf(path: string): string {
  try {
    return realpathSync(path);
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return path;
    throw error;
  }
}

/** What the control file says of the last end: `DB_SHUTDOWNED` is 1, stored behind an 8-byte and two 4-byte fields. */
function wasClosed(folder: string): boolean {
  const state = Buffer.alloc(4);
  const file = openSync(join(folder, 'global', 'pg_control'), 'r');
  try {
    readSync(file, state, 0, 4, 16);
  } finally {
    closeSync(file);
  }
  return state.readUInt32LE(0) === 1;
}

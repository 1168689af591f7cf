/**
 * The database thread: runs PGlite and answers the wire protocol over the message port. It stands in a thread of its
 * own because the engine blocks its event loop while it works (3 s when it makes a database, 30 ms in a batch).
 *
 * Promises: one message is answered after another; a session begins with nothing open from the one before it; after
 * a FATAL or PANIC no statement runs and nothing more is written, not even at the end.
 *
 * The engine runs alone (`--single`), without the background processes of a server. So it never makes a checkpoint
 * by itself, and its log grew by 32 MB for every 100,000 rows written, with no end, all of it to be replayed after a
 * kill. The thread therefore makes checkpoints between transactions.
 */
import { readFile } from 'node:fs/promises';
import { isMainThread, parentPort, workerData, type MessagePort } from 'node:worker_threads';
import { PGlite } from '@electric-sql/pglite';
import { FatalWatch } from './fatal-watch.js';
import type { FromWorker, ToWorker, WorkerTask } from './worker-messages.js';

/** Log written since the last checkpoint that asks for the next one. Replaying it takes about a second. */
const checkpointBytes = 64 * 1024 * 1024;
/** How many messages may pass before the log is measured again; measuring costs 0.3 ms. */
const measureEvery = 100;
/** A long statement can write much in few messages, so the time counts as well. */
const measureAfterMs = 500;

const settings = [
  // With the default of 128 MB the process took 0.8 to 0.9 GB; inserts are a quarter slower with 16.
  'shared_buffers=16MB',
  // Otherwise up to 1 GB of used log files is kept for later use.
  'min_wal_size=32MB',
  'max_wal_size=128MB',
  // What sessions on a server say when they begin; here nobody reads the options of a start-up message.
  'TimeZone=UTC',
  'DateStyle=ISO',
  'row_security=off',
];
const startParams = [...PGlite.defaultStartParams, ...settings.flatMap((setting) => ['-c', setting])];

class DatabaseThread {
  readonly #port: MessagePort;
  readonly #db: PGlite;
  #watch = new FatalWatch();
  #queue: Promise<void> = Promise.resolve();
  #session = 0;
  #broken = false;
  #messages = 0;
  #measuredAt = performance.now();
  #checkpointAt = '0/0';

  constructor(port: MessagePort, db: PGlite) {
    this.#port = port;
    this.#db = db;
  }

  serve(): void {
    this.#port.on('message', (message: ToWorker) => {
      this.#queue = this.#queue
        .then(() => this.#answer(message))
        .catch((error: unknown) => this.#break(error instanceof Error ? error.message : String(error)));
    });
    this.#say({ kind: 'ready' });
  }

  async #answer(message: ToWorker): Promise<void> {
    if (message.kind === 'close') {
      // A broken engine must not be closed: it would call its state in memory a clean shutdown.
      if (!this.#broken) await this.#db.close();
      this.#say({ kind: 'closed' });
      this.#port.close();
      return;
    }
    if (this.#broken) return;
    if (message.kind === 'left') {
      if (message.session === this.#session) await this.#clear();
      return;
    }
    if (message.session < this.#session) return;
    if (message.session !== this.#session) {
      await this.#clear();
      this.#session = message.session;
      this.#watch = new FatalWatch();
    }
    await this.#execute(message.bytes, message.session);
    await this.#checkpoint();
  }

  async #execute(bytes: Uint8Array, session: number): Promise<void> {
    let fatal: string | null = null;
    await this.#db.execProtocolRawStream(bytes, {
      // Nothing to do for files on disk; leaving it out saves a turn of the event loop per message.
      syncToFs: false,
      onRawData: (chunk) => {
        fatal ??= this.#watch.read(chunk);
        // The chunk is a window on the engine's memory, so what leaves the thread is a copy.
        const copy = new Uint8Array(chunk);
        this.#say({ kind: 'bytes', session, bytes: copy }, [copy.buffer]);
      },
    });
    if (fatal !== null) this.#break(fatal);
  }

  /** What a server does when a connection ends: nothing of it stays, neither transaction nor setting nor statement. */
  async #clear(): Promise<void> {
    if (this.#session === 0) return;
    this.#session = 0;
    for (const bytes of [sync, query('ROLLBACK'), query('DISCARD ALL')]) {
      let fatal: string | null = null;
      const watch = new FatalWatch();
      await this.#db.execProtocolRawStream(bytes, {
        syncToFs: false,
        onRawData: (chunk) => {
          fatal ??= watch.read(chunk);
        },
      });
      if (fatal !== null) {
        this.#break(fatal);
        return;
      }
    }
  }

  async #checkpoint(): Promise<void> {
    this.#messages += 1;
    const now = performance.now();
    if (this.#messages < measureEvery && now - this.#measuredAt < measureAfterMs) return;
    if (this.#broken || this.#db.isInTransaction()) return;
    this.#messages = 0;
    this.#measuredAt = now;
    const written = await this.#db.exec(
      `SELECT pg_wal_lsn_diff(pg_current_wal_insert_lsn(), '${this.#checkpointAt}')::float8 AS bytes,
              pg_current_wal_insert_lsn()::text AS at`,
    );
    const row = written[0]?.rows[0];
    if (this.#checkpointAt !== '0/0' && Number(row?.['bytes']) < checkpointBytes) return;
    // The first measurement only notes where the log stands.
    if (this.#checkpointAt !== '0/0') await this.#db.exec('CHECKPOINT');
    this.#checkpointAt = String(row?.['at']);
  }

  #break(words: string): void {
    if (this.#broken) return;
    this.#broken = true;
    this.#say({ kind: 'broken', words });
  }

  #say(message: FromWorker, moved: readonly ArrayBuffer[] = []): void {
    this.#port.postMessage(message, [...moved]);
  }
}

const sync = Uint8Array.of(0x53, 0, 0, 0, 4);

function query(text: string): Uint8Array {
  const body = Buffer.from(`${text}\0`, 'utf8');
  const message = Buffer.alloc(5 + body.length);
  message.write('Q', 0, 'latin1');
  message.writeInt32BE(4 + body.length, 1);
  body.copy(message, 5);
  return message;
}

async function main(port: MessagePort, task: WorkerTask): Promise<void> {
  if (task.kind === 'serve') {
    new DatabaseThread(port, await PGlite.create({ dataDir: task.folder, startParams })).serve();
    return;
  }
  const template = task.template === null ? {} : { loadDataDir: new Blob([await readFile(task.template)]) };
  const db = await PGlite.create({ dataDir: task.folder, startParams, ...template });
  await db.close();
  port.postMessage({ kind: 'closed' } satisfies FromWorker);
  port.close();
}

if (!isMainThread && parentPort !== null) {
  const port = parentPort;
  main(port, workerData as WorkerTask).catch((error: unknown) => {
    const words = error instanceof Error ? error.message : String(error);
    port.postMessage({ kind: 'broken', words } satisfies FromWorker);
    port.close();
  });
}

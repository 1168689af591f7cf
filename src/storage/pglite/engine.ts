/**
 * The database thread as the main thread has it: started when a session asks, ended by `close`, and started anew
 * after the engine broke. A broken engine is ended as if by kill -9, so that the next start replays its log; every
 * session is then cut like a lost connection (`ECONNRESET`), whose last transaction may have been committed or not.
 */
import { Worker } from 'node:worker_threads';
import type { Log } from '../../kit/log.js';
import type { SessionDoor, SessionStream } from './duplex.js';
import { workerFile } from './worker-file.js';
import type { FromWorker, ToWorker, WorkerTask } from './worker-messages.js';

/** How long the engine may take to write everything out; measured 5 to 50 ms. */
const closeDeadlineMs = 10_000;

export class EmbeddedEngine implements SessionDoor {
  readonly #folder: string;
  readonly #log: Log;
  readonly #streams = new Map<number, SessionStream>();
  #lastSession = 0;
  /** The thread that answers now. */
  #live: Worker | null = null;
  #starting: Promise<Worker> | null = null;
  /** Two engines on one folder would destroy it, so a start waits until the one before is gone. */
  #gone: Promise<unknown> = Promise.resolve();
  #closed = false;

  constructor(folder: string, log: Log) {
    this.#folder = folder;
    this.#log = log;
  }

  async open(stream: SessionStream): Promise<number> {
    await this.start();
    this.#lastSession += 1;
    this.#streams.set(this.#lastSession, stream);
    return this.#lastSession;
  }

  send(session: number, bytes: Uint8Array): void {
    if (!this.#streams.has(session)) return;
    this.#live?.postMessage({ kind: 'bytes', session, bytes } satisfies ToWorker, [
      bytes.buffer as ArrayBuffer,
    ]);
  }

  leave(session: number): void {
    if (this.#streams.delete(session)) this.#live?.postMessage({ kind: 'left', session } satisfies ToWorker);
  }

  /** Resolves when the database takes sessions; rejects with the code ECONNREFUSED. May be called again. */
  async start(): Promise<void> {
    if (this.#closed) {
      throw Object.assign(new Error(`The embedded database in ${this.#folder} is closed.`), {
        code: 'ECONNREFUSED',
      });
    }
    this.#starting ??= this.#begin();
    await this.#starting;
  }

  /** Writes everything out and ends the thread. Open sessions are cut. */
  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    this.#cut('the embedded database is being closed');
    // A start that fails says so to whoever asked for it.
    await this.#starting?.catch(() => null);
    const worker = this.#live;
    this.#live = null;
    if (worker !== null) {
      const ended = new Promise<void>((resolve) => {
        worker.once('exit', () => resolve());
      });
      worker.postMessage({ kind: 'close' } satisfies ToWorker);
      const deadline = setTimeout(() => {
        this.#log.warn({ folder: this.#folder }, 'the embedded database did not close in time and was ended');
        void worker.terminate();
      }, closeDeadlineMs);
      await ended;
      clearTimeout(deadline);
    }
    await this.#gone;
  }

  async #begin(): Promise<Worker> {
    await this.#gone;
    const worker = spawn({ kind: 'serve', folder: this.#folder });
    try {
      await firstWord(worker, this.#folder);
    } catch (error) {
      this.#starting = null;
      this.#gone = worker.terminate();
      throw error;
    }
    worker.on('message', (message: FromWorker) => {
      if (message.kind === 'bytes') this.#streams.get(message.session)?.answer(message.bytes);
      if (message.kind === 'broken') this.#lose(worker, message.words);
    });
    worker.on('error', (error) => this.#lose(worker, error.message));
    worker.once('exit', (code) => this.#lose(worker, `its thread ended with code ${code}`));
    this.#live = worker;
    return worker;
  }

  #lose(worker: Worker, words: string): void {
    if (worker !== this.#live) return;
    this.#live = null;
    this.#starting = null;
    this.#gone = worker.terminate();
    this.#log.error(
      { folder: this.#folder, found: words },
      'the embedded database broke; it is started again from its log when it is needed',
    );
    this.#cut(`the embedded database broke: ${words}`);
  }

  #cut(words: string): void {
    const streams = [...this.#streams.values()];
    this.#streams.clear();
    for (const stream of streams) {
      // The code of a connection that was lost, because that is what it means for whoever waits for an answer.
      stream.destroy(Object.assign(new Error(words), { code: 'ECONNRESET' }));
    }
  }
}

/** Makes a new database in `folder`, which must be empty. Its memory (0.7 GB for a moment) ends with its thread. */
export async function makeDatabase(folder: string, template: string | null): Promise<void> {
  const worker = spawn({ kind: 'make', folder, template });
  await firstWord(worker, folder);
  await worker.terminate();
}

function spawn(task: WorkerTask): Worker {
  // Nothing of the process goes in: neither its arguments for node nor its environment are the thread's business.
  return new Worker(workerFile(), { workerData: task, execArgv: [], env: {} });
}

function firstWord(worker: Worker, folder: string): Promise<void> {
  return new Promise((resolve, reject) => {
    const refuse = (words: string, cause?: unknown): void =>
      reject(
        Object.assign(new Error(`Starting the embedded database in ${folder}: ${words}`, { cause }), {
          code: 'ECONNREFUSED',
        }),
      );
    worker.once('message', (message: FromWorker) => {
      if (message.kind === 'broken') refuse(message.words);
      else resolve();
    });
    worker.once('error', (error) => refuse(error.message, error));
    worker.once('exit', (code) => refuse(`its thread ended with code ${code}`));
  });
}

import { stat } from 'node:fs/promises';
import { resolve } from 'node:path';
import { wordsOf } from '../core/errors.js';
import type { Gate } from '../core/gate.js';
import type { Finding } from '../core/ports.js';
import type { Log } from '../kit/log.js';
import { sleep } from '../kit/sleep.js';

/** A cheap call; batches ask the answer and not the disk. A run that begins meanwhile does not get far. */
const everyMs = 200;

/** A file system that is away may keep a look for ever. */
const answerWithinMs = 2_000;

/** What a look at the path gave: null, no file; otherwise what the reason shows. */
export type StopFileSight = string | null;

/**
 * A kill switch for whoever has a shell and nothing else: while the file is there, this process begins no batch. A
 * path that cannot be looked at stops too: nobody can say that it is not there.
 */
export class StopFile {
  readonly #path: string;
  readonly #log: Log;
  readonly #stopping = new AbortController();
  readonly #see: (path: string) => Promise<StopFileSight>;
  #sight: StopFileSight = null;
  /** The look that is on: a second one would only wait beside it, on a thread of its own. */
  #looking: Promise<StopFileSight> | null = null;
  #watching: Promise<void> | null = null;

  constructor(path: string, log: Log, see = seeStopFile) {
    this.#path = resolve(path);
    this.#log = log;
    this.#see = see;
  }

  readonly gate: Gate = () =>
    this.#sight === null ? null : { code: 'stop_file', signal: 'file', value: this.#sight, limit: null };

  /** Resolves after the first look: nothing may begin before it. */
  async begin(): Promise<void> {
    await this.#look();
    this.#watching ??= this.#watch();
  }

  async end(): Promise<void> {
    this.#stopping.abort();
    await this.#watching;
  }

  async #watch(): Promise<void> {
    const { signal } = this.#stopping;
    while (!signal.aborted) {
      await sleep(everyMs, signal);
      if (!signal.aborted) await this.#look();
    }
  }

  async #look(): Promise<void> {
    const before = this.#sight;
    this.#sight = await this.#seen();
    if (this.#sight === before) return;
    const facts = { file: this.#path };
    if (this.#sight === null) this.#log.info(facts, 'the stop file is gone: batches may begin');
    else this.#log.warn(facts, `the stop file is there, so no batch begins here: ${this.#sight}`);
  }

  /** Without an answer in time it stops, as whatever cannot be looked at. */
  async #seen(): Promise<StopFileSight> {
    this.#looking ??= this.#see(this.#path).finally(() => {
      this.#looking = null;
    });
    const { signal } = this.#stopping;
    const waiting = new AbortController();
    const enough = (): void => waiting.abort();
    signal.addEventListener('abort', enough, { once: true });
    const late = sleep(answerWithinMs, waiting.signal).then(() =>
      signal.aborted
        ? this.#sight
        : `${this.#path} cannot be looked at: no answer within ${answerWithinMs / 1_000} s`,
    );
    try {
      return await Promise.race([this.#looking, late]);
    } finally {
      enough();
      signal.removeEventListener('abort', enough);
    }
  }
}

export async function seeStopFile(path: string): Promise<StopFileSight> {
  const full = resolve(path);
  try {
    await stat(full);
    return full;
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? error.code : null;
    return code === 'ENOENT' || code === 'ENOTDIR' ? null : `${full} cannot be looked at: ${wordsOf(error)}`;
  }
}

/** For the doctor; null where there is none. */
export async function stopFileFinding(path: string): Promise<Finding | null> {
  const sight = await seeStopFile(path);
  if (sight === null) return null;
  return {
    level: 'warning',
    check: 'stop_file',
    found: `The stop file is there: ${sight}`,
    why: 'While it is, no process that sees it begins a batch; runs wait with the reason stop_file.',
    todo: `Remove it when runs may go on: rm ${resolve(path)}`,
  };
}

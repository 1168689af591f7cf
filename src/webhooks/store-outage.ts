/**
 * Says once that the store does not answer, and once that it does again: an outage of an hour is two lines in the
 * log. Counts the failures in a row, for the pause before the next try.
 */
import { StoreError, wordsOf } from '../core/errors.js';
import { exponentialMs, jittered } from '../kit/backoff.js';
import type { Log } from '../kit/log.js';

/** These heal by waiting; every other kind wants a person. */
const passing: ReadonlySet<string> = new Set(['unreachable', 'conflict', 'slow', 'duplicate']);

export class StoreOutage {
  readonly #log: Log;
  #failures = 0;

  constructor(log: Log) {
    this.#log = log;
  }

  met(error: unknown, doing: string): void {
    this.#failures += 1;
    if (this.#failures > 1) return;
    const facts = { words: wordsOf(error), doing };
    if (error instanceof StoreError && passing.has(error.kind)) {
      this.#log.warn(facts, 'callbacks wait: the database could not be asked; trying again');
    } else {
      this.#log.error(facts, 'callbacks wait: this fails at every try until somebody mends it');
    }
  }

  over(): void {
    if (this.#failures > 0) this.#log.info({ failures: this.#failures }, 'callbacks go on');
    this.#failures = 0;
  }

  /** 1 s to 15 s, longer with every failure in a row. */
  pauseMs(): number {
    return Math.min(15_000, jittered(exponentialMs(Math.max(1, this.#failures), 1_250, 15_000)));
  }
}

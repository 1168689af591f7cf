import { type Bell, sleep } from '../kit/sleep.js';
import { eventId } from '../wire/run-events.js';
import type { RunShape } from '../wire/run-reply.js';

/** An event a second is enough to watch a run by, and one question a second to the database for all listeners. */
const everyMs = 1_000;

/**
 * The newest run, for everybody who listens: one poller while there are listeners, none while there is none. It keeps
 * only the latest state, and a listener takes what is there when it has room: whoever reads slowly misses states and
 * never makes them pile up.
 */
export class RunFeed {
  readonly #read: () => Promise<RunShape | null>;
  readonly #closing = new AbortController();
  readonly #bells = new Set<Bell>();
  #latest: RunShape | null = null;
  #isPolling = false;

  constructor(read: () => Promise<RunShape | null>) {
    this.#read = read;
  }

  get latest(): RunShape | null {
    return this.#latest;
  }

  get listeners(): number {
    return this.#bells.size;
  }

  /** Fires when the process stops: every stream ends. */
  get closing(): AbortSignal {
    return this.#closing.signal;
  }

  /** `bell` rings at every change until `leave`. Throws what the first look throws. */
  async join(bell: Bell): Promise<void> {
    if (this.#bells.size === 0) this.#latest = await this.#read();
    this.#bells.add(bell);
    if (!this.#isPolling) void this.#poll();
  }

  leave(bell: Bell): void {
    this.#bells.delete(bell);
  }

  close(): void {
    this.#closing.abort();
  }

  async #poll(): Promise<void> {
    this.#isPolling = true;
    while (this.#bells.size > 0 && !this.#closing.signal.aborted) {
      await sleep(everyMs, this.#closing.signal);
      if (this.#bells.size === 0 || this.#closing.signal.aborted) break;
      // The database is away: nothing new is known until it is back.
      const next = await this.#read().catch(() => undefined);
      if (next === undefined || idOf(next) === idOf(this.#latest)) continue;
      this.#latest = next;
      for (const bell of this.#bells) bell.ring();
    }
    this.#isPolling = false;
  }
}

function idOf(run: RunShape | null): string | null {
  return run === null ? null : eventId(run);
}

/**
 * Waits `ms` milliseconds or until the signal fires, whichever is first. Never throws: the caller looks at the
 * signal. The timer is cleared on either way out, so that a stopped service leaves nothing behind.
 */
export function sleep(ms: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal?.aborted === true) {
      resolve();
      return;
    }
    const done = (): void => {
      clearTimeout(timer);
      signal?.removeEventListener('abort', done);
      resolve();
    };
    const timer = setTimeout(done, ms);
    signal?.addEventListener('abort', done, { once: true });
  });
}

/** A bell that a waiting loop listens to: `ring` ends the wait in hand, or the next one. */
export class Bell {
  #rung = false;
  readonly #waiting = new Set<() => void>();

  ring(): void {
    if (this.#waiting.size === 0) this.#rung = true;
    for (const wake of this.#waiting) wake();
  }

  async wait(ms: number, signal?: AbortSignal): Promise<void> {
    if (this.#rung) {
      this.#rung = false;
      return;
    }
    const stop = new AbortController();
    const wake = (): void => stop.abort();
    this.#waiting.add(wake);
    try {
      await sleep(ms, signal === undefined ? stop.signal : AbortSignal.any([signal, stop.signal]));
    } finally {
      this.#waiting.delete(wake);
    }
  }
}

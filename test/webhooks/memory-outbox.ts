/** An outbox in memory that keeps the promises of the port: claims, attempts, due times, on a clock set by hand. */
import type { Callback, CallbackState, Outbox } from '../../src/core/ports.js';

type Row = {
  readonly id: string;
  readonly run: string;
  readonly body: string;
  readonly joinedRequests: readonly string[];
  state: 'waiting' | 'delivered';
  attempts: number;
  dueAt: number;
  claimedUntil: number;
  lastStatus: number | null;
  lastError: string | null;
};

export class MemoryOutbox implements Outbox {
  readonly rows = new Map<string, Row>();
  /** What `refused` was told, in order. */
  readonly delays: number[] = [];
  claims = 0;
  renewals = 0;
  /** Calls of any kind, answered or not. */
  looks = 0;
  /** Thrown by every method while set. */
  broken: Error | null = null;
  nowMs = 0;
  readonly #watchers = new Set<() => void>();

  add(id: string, options: { readonly run?: string; readonly joined?: readonly string[] } = {}): void {
    this.rows.set(id, {
      id,
      run: options.run ?? 'run-1',
      body: `{"services":[{"message":{"gc":{"messages_deleted":5,"status":"complete","id":"${id}"}}}]}`,
      joinedRequests: options.joined ?? [],
      state: 'waiting',
      attempts: 0,
      dueAt: this.nowMs,
      claimedUntil: 0,
      lastStatus: null,
      lastError: null,
    });
  }

  row(id: string): Row {
    const row = this.rows.get(id);
    if (row === undefined) throw new Error(`no callback ${id}`);
    return row;
  }

  claimDue(limit: number, claimMs: number, inHand: readonly string[] = []): Promise<readonly Callback[]> {
    return this.#answer(() => {
      this.claims += 1;
      const due = [...this.rows.values()]
        .filter((row) => this.#isDue(row) && !inHand.includes(row.id))
        .slice(0, limit);
      return due.map((row) => {
        row.attempts += 1;
        row.claimedUntil = this.nowMs + claimMs;
        return { ...row };
      });
    });
  }

  renew(callback: Callback, claimMs: number): Promise<void> {
    return this.#answer(() => {
      const row = this.row(callback.id);
      if (row.state !== 'waiting' || row.attempts !== callback.attempts || row.claimedUntil === 0) return;
      this.renewals += 1;
      row.claimedUntil = this.nowMs + claimMs;
    });
  }

  delivered(id: string, status: number): Promise<void> {
    return this.#answer(() => {
      const row = this.row(id);
      row.state = 'delivered';
      row.lastStatus = status;
    });
  }

  refused(callback: Callback, delayMs: number, status: number | null, words: string): Promise<void> {
    return this.#answer(() => {
      const row = this.row(callback.id);
      if (row.state !== 'waiting' || row.attempts !== callback.attempts) return;
      this.delays.push(delayMs);
      row.dueAt = this.nowMs + delayMs;
      row.claimedUntil = 0;
      row.lastStatus = status;
      row.lastError = words;
    });
  }

  nextDueMs(): Promise<number | null> {
    return this.#answer(() => {
      const waiting = [...this.rows.values()].filter((row) => row.state === 'waiting');
      if (waiting.length === 0) return null;
      return Math.max(
        0,
        Math.min(...waiting.map((row) => Math.max(row.dueAt, row.claimedUntil))) - this.nowMs,
      );
    });
  }

  waiting(): Promise<number> {
    return this.#answer(() => [...this.rows.values()].filter((row) => row.state === 'waiting').length);
  }

  forRun(runId: string): Promise<readonly CallbackState[]> {
    return this.#answer(() => [...this.rows.values()].filter((row) => row.run === runId));
  }

  /** Resolves when the condition holds after some call to the outbox; fails after 5 s. */
  until(what: string, holds: () => boolean): Promise<void> {
    return new Promise((resolve, reject) => {
      const look = (): void => {
        if (!holds()) return;
        clearTimeout(deadline);
        this.#watchers.delete(look);
        resolve();
      };
      const deadline = setTimeout(() => {
        this.#watchers.delete(look);
        reject(new Error(`did not happen within 5 s: ${what}`));
      }, 5_000);
      this.#watchers.add(look);
      look();
    });
  }

  async #answer<T>(give: () => T): Promise<T> {
    this.looks += 1;
    try {
      // A turn of the event loop, as a real store takes at least; without it a loop could starve the sockets unseen.
      await new Promise(setImmediate);
      if (this.broken !== null) throw this.broken;
      return give();
    } finally {
      for (const look of this.#watchers) look();
    }
  }

  #isDue(row: Row): boolean {
    return row.state === 'waiting' && row.dueAt <= this.nowMs && row.claimedUntil <= this.nowMs;
  }
}

import type { PoolClient } from 'pg';
import { StoreError } from '../../core/errors.js';

/**
 * The application is never the victim. PostgreSQL aborts the transaction whose `deadlock_timeout` expires first, so a
 * batch never begins to wait later than D after its first row lock, D = min(500 ms, deadlock_timeout / 2), and each
 * wait is at most min(100 ms, deadlock_timeout / 10). `lock_timeout` alone is per lock: one DELETE over rows that
 * were released one by one ran 963 ms under 100 ms. So before every statement `statement_timeout` is set to what is
 * left of D. The longest that anybody can wait for us is D plus one COMMIT.
 */
export class LockBudget {
  readonly totalMs: number;
  readonly lockWaitMs: number;
  readonly #client: PoolClient;
  readonly #hasTimeLimits: boolean;
  #startedAt: number | null = null;
  #roundTrips = 0;

  constructor(client: PoolClient, hasTimeLimits: boolean, deadlockTimeoutMs: number) {
    this.#client = client;
    this.#hasTimeLimits = hasTimeLimits;
    this.totalMs = Math.max(10, Math.floor(Math.min(500, deadlockTimeoutMs / 2)));
    this.lockWaitMs = Math.max(1, Math.floor(Math.min(100, deadlockTimeoutMs / 10)));
  }

  /** The next statement takes the first row lock; until then statement_timeout is D already. */
  start(): void {
    this.#startedAt = performance.now();
    this.#roundTrips = 1;
  }

  /** Call before every further statement of the transaction. Nothing left of D: the batch gives up. */
  async limit(): Promise<void> {
    if (this.#startedAt === null) return;
    const [limit] = this.limits();
    this.#roundTrips += limit === undefined ? 1 : 2;
    if (limit !== undefined) await this.#client.query(limit);
  }

  /** The same for statements that are sent in one message: what must stand in front of them. */
  limits(): readonly string[] {
    if (this.#startedAt === null || !this.#hasTimeLimits) return [];
    const leftMs = Math.floor(this.totalMs - this.heldMs());
    if (leftMs < 1) {
      throw new StoreError(
        'slow',
        'BUDGET',
        'delete a range of messages',
        `the batch held row locks for ${Math.round(this.heldMs())} ms, its limit is ${this.totalMs} ms`,
        undefined,
      );
    }
    return [`SET LOCAL statement_timeout = '${leftMs}ms'`];
  }

  /** Statements sent since the first row lock, with those that set a limit. */
  get roundTrips(): number {
    return this.#roundTrips;
  }

  /** Milliseconds since the first row lock; 0 before it. */
  heldMs(): number {
    return this.#startedAt === null ? 0 : performance.now() - this.#startedAt;
  }
}

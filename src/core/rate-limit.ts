import type { Clock } from '../kit/clock.js';

/**
 * At most so many messages a second, as a token bucket that holds one second's worth. Tokens are taken before BEGIN:
 * a wait inside a transaction would hold its locks.
 *
 * A batch larger than the bucket begins when the bucket is full and is paid for afterwards, so that a limit of
 * 5 rows/s still lets a batch of 10 through. In any stretch of t seconds no more than `(t + 1) · limit + one batch`
 * begins.
 */
export interface RateLimit {
  /**
   * 0: `n` tokens were taken, begin the batch. More: nothing was taken; ask again after so many milliseconds (or
   * earlier, the limit may have changed).
   */
  waitMs(n: number): number;
  /**
   * A batch took tokens for what it meant to walk and used others: it found fewer victims than keys, or more than one
   * in each block. The difference is given back, or owed.
   */
  settle(taken: number, used: number): void;
  /** Messages a second; null lifts the limit. Acts at the next question. */
  setLimit(limit: number | null): void;
  readonly limit: number | null;
}

/** With a limit of 0 nothing ever begins; asking again after a second finds out when it is raised. */
const askAgainMs = 1_000;

export function createRateLimit(clock: Clock, initial: number | null): RateLimit {
  let limit = initial;
  let tokens = burstOf(limit);
  let filledAt = clock.monotonicMs();
  const fill = (): void => {
    const now = clock.monotonicMs();
    if (limit !== null) tokens = Math.min(burstOf(limit), tokens + ((now - filledAt) * limit) / 1_000);
    filledAt = now;
  };
  return {
    waitMs(n) {
      if (limit === null) return 0;
      if (!(limit > 0)) return askAgainMs;
      fill();
      const missing = Math.min(n, burstOf(limit)) - tokens;
      // A millionth of a token is rounding, not debt: without this a wait of exactly the named time could be short.
      if (missing > 1e-6) return (missing * 1_000) / limit;
      tokens -= n;
      return 0;
    },
    settle(taken, used) {
      if (limit === null) return;
      fill();
      tokens = Math.min(burstOf(limit), tokens + taken - used);
    },
    setLimit(next) {
      if (next === limit) return;
      fill();
      // From "no limit" the bucket starts full; otherwise what is there stays, within the new second's worth.
      tokens = limit === null ? burstOf(next) : Math.min(burstOf(next), tokens);
      limit = next;
    },
    get limit() {
      return limit;
    },
  };
}

/** One second's worth, at least one: below one row a second the bucket must still be able to hold a row. */
function burstOf(limit: number | null): number {
  return limit === null ? 0 : Math.max(1, limit);
}

import type { Clock } from '../../src/kit/clock.js';

/** A clock that only the test moves. */
export type HandClock = Clock & { advance(ms: number): void };

export function createHandClock(startMs = Date.UTC(2026, 0, 1)): HandClock {
  let at = startMs;
  return {
    monotonicMs: () => at,
    now: () => new Date(at),
    advance: (ms) => {
      at += ms;
    },
  };
}

import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createRateLimit } from '../../src/core/rate-limit.js';
import { createHandClock } from './hand-clock.js';

describe('rate limit', () => {
  it('lets everything through without a limit', () => {
    expect(createRateLimit(createHandClock(), null).waitMs(1e9)).toBe(0);
  });

  it('lets one second of work through at once, and then waits for tokens', () => {
    const clock = createHandClock();
    const limit = createRateLimit(clock, 100);
    expect(limit.waitMs(60)).toBe(0);
    expect(limit.waitMs(60)).toBeCloseTo(200);
    clock.advance(100);
    expect(limit.waitMs(60)).toBeCloseTo(100);
    clock.advance(100);
    expect(limit.waitMs(60)).toBe(0);
  });

  it('saves up no more than a second', () => {
    const clock = createHandClock();
    const limit = createRateLimit(clock, 100);
    clock.advance(3_600_000);
    expect(limit.waitMs(100)).toBe(0);
    expect(limit.waitMs(1)).toBeCloseTo(10);
  });

  it('lets a batch larger than the bucket begin, and has it paid for afterwards', () => {
    const clock = createHandClock();
    const limit = createRateLimit(clock, 5);
    expect(limit.waitMs(50)).toBe(0);
    expect(limit.waitMs(5)).toBeCloseTo(10_000);
  });

  it('takes back what a batch did not use', () => {
    const limit = createRateLimit(createHandClock(), 100);
    expect(limit.waitMs(100)).toBe(0);
    limit.settle(100, 60);
    expect(limit.waitMs(40)).toBe(0);
    limit.settle(1e9, 0);
    expect(limit.waitMs(100)).toBe(0);
    expect(limit.waitMs(1)).toBeGreaterThan(0);
  });

  it('has a batch that used more than it took pay for it: ten blocks may hold a thousand messages', () => {
    const clock = createHandClock();
    const limit = createRateLimit(clock, 100);
    expect(limit.waitMs(10)).toBe(0);
    limit.settle(10, 1_000);
    expect(limit.waitMs(10)).toBeCloseTo(9_100);
    clock.advance(9_100);
    expect(limit.waitMs(10)).toBe(0);
  });

  it('obeys a changed limit at the next question', () => {
    const clock = createHandClock();
    const limit = createRateLimit(clock, 10);
    expect(limit.waitMs(10)).toBe(0);
    expect(limit.waitMs(10)).toBeCloseTo(1_000);
    limit.setLimit(1_000);
    expect(limit.waitMs(10)).toBeCloseTo(10);
    limit.setLimit(null);
    expect(limit.waitMs(1e6)).toBe(0);
    limit.setLimit(20);
    expect(limit.waitMs(20)).toBe(0);
    expect(limit.waitMs(20)).toBeCloseTo(1_000);
  });

  it('lets nothing through at a limit of 0, and asks again', () => {
    const limit = createRateLimit(createHandClock(), 0);
    expect(limit.waitMs(1)).toBe(1_000);
    limit.setLimit(10);
    expect(limit.limit).toBe(10);
  });

  it('never lets more begin than the limit allows, a burst and one batch aside', () => {
    const ask = fc.record({ n: fc.integer({ min: 1, max: 300 }), pause: fc.nat({ max: 2_000 }) });
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 200 }), fc.array(ask, { maxLength: 50 }), (rate, asks) => {
        const clock = createHandClock(0);
        const limit = createRateLimit(clock, rate);
        let begun = 0;
        for (const { n, pause } of asks) {
          clock.advance(pause);
          for (let ms = limit.waitMs(n); ms > 0; ms = limit.waitMs(n)) clock.advance(ms);
          begun += n;
          expect(begun).toBeLessThanOrEqual((clock.monotonicMs() / 1_000 + 1) * rate + n + 0.01);
        }
      }),
    );
  });
});

import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createProgress } from '../../src/core/progress.js';
import { createHandClock } from './hand-clock.js';

describe('progress', () => {
  it('knows nothing before anything was told', () => {
    expect(createProgress(createHandClock())).toMatchObject({
      share: null,
      rowsPerSecond: 0,
      etaSeconds: null,
    });
  });

  it('counts the rows of the last ten seconds', () => {
    const clock = createHandClock();
    const progress = createProgress(clock);
    for (let i = 0; i < 40; i += 1) {
      clock.advance(500);
      progress.deleted(50);
    }
    expect(progress.rowsPerSecond).toBeCloseTo(100, -1);
    clock.advance(5_000);
    expect(progress.rowsPerSecond).toBeCloseTo(50, -1);
    clock.advance(10_000);
    expect(progress.rowsPerSecond).toBe(0);
  });

  it('takes no single batch for a speed in the first second', () => {
    const clock = createHandClock();
    const progress = createProgress(clock);
    clock.advance(5);
    progress.deleted(1_000);
    expect(progress.rowsPerSecond).toBe(1_000);
  });

  it('guesses the end from the speed of the share', () => {
    const clock = createHandClock();
    const progress = createProgress(clock);
    progress.reached(0.1);
    expect(progress.etaSeconds).toBeNull();
    clock.advance(10_000);
    progress.reached(0.2);
    expect(progress.etaSeconds).toBeCloseTo(80);
    // The share stands still: the guess grows until the window holds no progress, then there is none.
    clock.advance(10_000);
    expect(progress.etaSeconds).toBeCloseTo(160);
    clock.advance(60_000);
    expect(progress.etaSeconds).toBeNull();
  });

  it('knows no end where all was walked once: locked rows and what moved are still to come', () => {
    const clock = createHandClock();
    const progress = createProgress(clock);
    progress.reached(0.5);
    clock.advance(10_000);
    progress.reached(1);
    expect(progress.etaSeconds).toBeNull();
  });

  it('knows no end right after the pace has changed, and then goes by the new one', () => {
    const clock = createHandClock();
    const progress = createProgress(clock);
    progress.reached(0.1);
    clock.advance(10_000);
    progress.reached(0.5);
    progress.paceChanged();
    expect(progress.etaSeconds).toBeNull();
    expect(progress.share).toBe(0.5);
    progress.reached(0.5);
    clock.advance(10_000);
    progress.reached(0.51);
    expect(progress.etaSeconds).toBeCloseTo(490);
  });

  it('never shows a falling share, nor one outside of 0 to 1', () => {
    const told = fc.oneof(fc.double({ min: -1, max: 2 }), fc.constant(null));
    fc.assert(
      fc.property(fc.array(fc.tuple(told, fc.nat({ max: 90_000 }))), (events) => {
        const clock = createHandClock();
        const progress = createProgress(clock);
        let last = 0;
        for (const [share, pause] of events) {
          clock.advance(pause);
          progress.reached(share);
          const shown = progress.share;
          if (shown !== null) {
            expect(shown).toBeGreaterThanOrEqual(last);
            expect(shown).toBeLessThanOrEqual(1);
            last = shown;
          }
          const eta = progress.etaSeconds;
          if (eta !== null) {
            expect(Number.isFinite(eta)).toBe(true);
            expect(eta).toBeGreaterThanOrEqual(0);
          }
        }
      }),
    );
  });
});

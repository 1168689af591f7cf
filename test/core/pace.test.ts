import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { dutyOn, paces, restingReason, restMs } from '../../src/core/pace.js';

const middle = (): number => 0.5;

describe('pace', () => {
  it('rests as long as it worked when gentle, a quarter of it when balanced, and never when full', () => {
    expect(restMs(40, paces.gentle.duty, middle)).toBeCloseTo(40);
    expect(restMs(40, paces.balanced.duty, middle)).toBeCloseTo(10);
    expect(restMs(40, paces.full.duty, middle)).toBe(0);
  });

  it('rests longer on an engine that asks for it, and only when gentle', () => {
    expect(dutyOn(paces.gentle, { gentleDuty: 0.3 })).toBe(0.3);
    expect(dutyOn(paces.gentle, { gentleDuty: 0.8 })).toBe(0.5);
    expect(dutyOn(paces.balanced, { gentleDuty: 0.3 })).toBe(0.8);
    expect(dutyOn(paces.full, { gentleDuty: 0.3 })).toBe(1);
  });

  it('uses two workers only when nobody else is to be spared', () => {
    expect([paces.gentle.workers, paces.balanced.workers, paces.full.workers]).toEqual([1, 1, 2]);
  });

  it('spreads rests by a fifth to either side', () => {
    expect(restMs(100, 0.5, () => 0)).toBeCloseTo(80);
    expect(restMs(100, 0.5, () => 0.999_999)).toBeCloseTo(120);
  });

  it('never rests longer than five seconds and the spread, whatever the batch took', () => {
    const anything = fc.double({ min: -1, max: 1e9, noNaN: false });
    const chance = fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true });
    fc.assert(
      fc.property(anything, fc.double({ min: -1, max: 2 }), chance, (batchMs, duty, random) => {
        const ms = restMs(batchMs, duty, () => random);
        expect(ms).toBeGreaterThanOrEqual(0);
        expect(ms).toBeLessThanOrEqual(6_000);
      }),
    );
  });

  it('keeps the share of work at the duty, on the average', () => {
    fc.assert(
      fc.property(
        fc.double({ min: 0.1, max: 500, noNaN: true }),
        fc.double({ min: 0.2, max: 1 }),
        (ms, duty) => {
          if (Number.isNaN(duty)) return;
          expect(ms / (ms + restMs(ms, duty, middle))).toBeCloseTo(duty, 6);
        },
      ),
    );
  });

  it('says why it rests', () => {
    expect(restingReason(0.5, new Date(Date.UTC(2026, 10, 22, 10)))).toEqual({
      code: 'resting',
      signal: 'duty',
      value: 0.5,
      limit: null,
      since: '2026-11-22T10:00:00.000Z',
    });
  });
});

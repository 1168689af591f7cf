import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { batchLimits, createBatchSize, type BatchSize } from '../../src/core/batch-size.js';

const options = { targetMs: 50, min: 10, max: 50_000, first: 1_000 };

/** Runs batches on a database that does so many units a millisecond. */
function settle(size: BatchSize, unitsPerMs: number, batches: number): void {
  for (let i = 0; i < batches; i += 1) size.succeeded(size.current, size.current / unitsPerMs);
}

describe('batch size', () => {
  it('begins where it is told, within its limits', () => {
    expect(createBatchSize(options).current).toBe(1_000);
    expect(createBatchSize({ ...options, first: 1 }).current).toBe(10);
    expect(createBatchSize({ ...options, first: 1e9 }).current).toBe(50_000);
  });

  it('settles at the target time, from below and from above', () => {
    const size = createBatchSize(options);
    settle(size, 100, 40);
    expect(size.current).toBeGreaterThan(4_500);
    expect(size.current).toBeLessThanOrEqual(5_000);
    settle(size, 40, 40);
    expect(size.current).toBeGreaterThan(1_800);
    expect(size.current).toBeLessThan(2_200);
  });

  it('grows by at most the half and shrinks by at most the half', () => {
    const size = createBatchSize(options);
    size.succeeded(1_000, 1);
    expect(size.current).toBe(1_500);
    const slow = createBatchSize(options);
    slow.succeeded(1_000, 240);
    expect(slow.current).toBe(500);
  });

  it('grows from a single block', () => {
    const size = createBatchSize({ ...batchLimits.blocks, targetMs: 50, first: 1 });
    settle(size, 1, 20);
    expect(size.current).toBeGreaterThan(40);
  });

  it('falls to a tenth when a batch takes over five targets, and forgets the faster past', () => {
    const size = createBatchSize({ ...options, first: 10_000 });
    settle(size, 200, 30);
    expect(size.current).toBe(10_000);
    size.succeeded(10_000, 251);
    expect(size.current).toBe(1_000);
    // With the past kept, the mean would still be above 100 units/ms, and the size would grow.
    size.succeeded(1_000, 100);
    expect(size.current).toBe(500);
  });

  it('does not take a hiccup of a few targets for a panic where the target is short', () => {
    const size = createBatchSize({ ...options, targetMs: 2, first: 1_000 });
    settle(size, 500, 30);
    size.succeeded(1_000, 49);
    expect(size.current).toBe(500);
    size.succeeded(500, 51);
    expect(size.current).toBe(50);
  });

  it('works at least as long as a batch costs besides, up to a limit', () => {
    const costing = (besidesMs: number): number => {
      const size = createBatchSize({ ...options, targetMs: 2 });
      for (let i = 0; i < 60; i += 1) size.succeeded(size.current, size.current / 100, besidesMs);
      return size.current / 100;
    };
    expect(costing(1)).toBeCloseTo(2, 0);
    expect(costing(7)).toBeCloseTo(7, 0);
    expect(costing(500)).toBeCloseTo(20, 0);
  });

  it('halves after a failure and says when it can go no lower', () => {
    const size = createBatchSize({ ...options, first: 45 });
    expect(size.floor).toBe(false);
    size.failed();
    expect(size.current).toBe(22);
    size.failed();
    size.failed();
    size.failed();
    expect(size).toMatchObject({ current: 2, floor: false });
    size.failed();
    expect(size).toMatchObject({ current: 1, floor: true });
  });

  it('grows back to the least size after failures, though that is slower than the target', () => {
    const size = createBatchSize({ ...options, first: 10 });
    for (let i = 0; i < 4; i += 1) size.failed();
    expect(size.current).toBe(1);
    // By half each time: 1, 1.5, 2.25 and so on.
    for (const expected of [1, 2, 3]) {
      size.succeeded(size.current, 200);
      expect(size.current).toBe(expected);
    }
    for (let i = 0; i < 5; i += 1) size.succeeded(size.current, 200);
    expect(size.current).toBe(10);
  });

  it('learns nothing from a batch that walked nothing', () => {
    const size = createBatchSize(options);
    size.succeeded(0, 49);
    expect(size.current).toBe(1_000);
  });

  it('weighs the newest batches most', () => {
    const size = createBatchSize(options);
    settle(size, 20, 20);
    const before = size.current;
    size.succeeded(before, before / 10);
    size.succeeded(size.current, size.current / 10);
    size.succeeded(size.current, size.current / 10);
    expect(size.current).toBeLessThan(before * 0.8);
  });

  it('stays within its limits and its steps, whatever it is told', () => {
    const event = fc.oneof(
      fc.record({ units: fc.nat({ max: 100_000 }), ms: fc.double({ min: 0, max: 5_000, noNaN: true }) }),
      fc.constant('failed' as const),
      fc.constant({ units: 10, ms: Number.NaN }),
    );
    fc.assert(
      fc.property(fc.constantFrom('key' as const, 'blocks' as const), fc.array(event), (walk, events) => {
        const { min, max } = batchLimits[walk];
        const size = createBatchSize({ ...batchLimits[walk], targetMs: 50 });
        for (const happened of events) {
          const before = size.current;
          if (happened === 'failed') size.failed();
          else size.succeeded(happened.units, happened.ms);
          expect(Number.isInteger(size.current)).toBe(true);
          if (happened !== 'failed' && before >= min) expect(size.current).toBeGreaterThanOrEqual(min);
          expect(size.current).toBeLessThanOrEqual(max);
          // One more than the half at most: the fraction that is kept inside.
          expect(size.current).toBeLessThanOrEqual(Math.floor((before + 1) * 1.5));
          const isPanic = happened !== 'failed' && happened.ms > 250;
          expect(size.current).toBeGreaterThanOrEqual(
            Math.max(1, Math.floor(before * (isPanic ? 0.1 : 0.5))),
          );
          expect(size.floor).toBe(size.current === 1);
        }
      }),
    );
  });
});

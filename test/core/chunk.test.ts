import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { chunkOf, chunkUnits } from '../../src/core/chunk.js';

describe('chunk', () => {
  it('is twenty batches before the speed is known', () => {
    expect(chunkUnits({ batchUnits: 500, unitsPerSecond: null, runAgeMs: 0 })).toBe(10_000);
    expect(chunkUnits({ batchUnits: 500, unitsPerSecond: 0, runAgeMs: 1e9 })).toBe(10_000);
  });

  it('is a second of work in a young run and a fiftieth of its age in an old one', () => {
    expect(chunkUnits({ batchUnits: 500, unitsPerSecond: 30_000, runAgeMs: 10_000 })).toBe(30_000);
    expect(chunkUnits({ batchUnits: 500, unitsPerSecond: 30_000, runAgeMs: 600_000 })).toBe(360_000);
  });

  it('is never less than one batch', () => {
    expect(chunkUnits({ batchUnits: 5_000, unitsPerSecond: 3, runAgeMs: 0 })).toBe(5_000);
  });

  it('leaves the other workers of the node their part of what is left', () => {
    const facts = { batchUnits: 500, unitsPerSecond: null, runAgeMs: 0 };
    expect(chunkOf({ ...facts, workers: 1 })).toEqual({ units: 10_000, share: 1, least: 2_000 });
    expect(chunkOf({ ...facts, workers: 2 })).toEqual({ units: 10_000, share: 0.5, least: 2_000 });
  });

  it('is a whole number that can be added to a key, and grows with the age of the run', () => {
    const speed = fc.oneof(fc.double({ min: 0, max: 1e12, noNaN: true }), fc.constant(null));
    fc.assert(
      fc.property(
        fc.double({ min: 0.1, max: 50_000, noNaN: true }),
        speed,
        fc.nat(),
        fc.nat(),
        (size, s, a, b) => {
          const at = (runAgeMs: number): number =>
            chunkUnits({ batchUnits: size, unitsPerSecond: s, runAgeMs });
          const [young, old] = [at(Math.min(a, b)), at(Math.max(a, b))];
          expect(Number.isSafeInteger(young)).toBe(true);
          expect(young).toBeGreaterThanOrEqual(Math.ceil(size));
          expect(old).toBeGreaterThanOrEqual(young);
        },
      ),
    );
  });
});

import fc from 'fast-check';
import { expect, test } from 'vitest';
import { napsFor } from '../../src/core/naps.js';

test('half of the time: a nap after each piece of work that is as long', () => {
  expect(napsFor(1.1, 0.5)).toEqual({ ms: 1.1, pieceMs: 1.1 });
});

test('more of the time: longer pieces; less of it: pieces of a millisecond, and the rest is rested after the batch', () => {
  expect(napsFor(1.1, 0.8)?.pieceMs).toBeCloseTo(4.4);
  expect(napsFor(1.1, 0.1)?.pieceMs).toBe(1);
});

test('no naps without rests, and none where the engine has none', () => {
  expect(napsFor(1.1, 1)).toBeUndefined();
  expect(napsFor(null, 0.5)).toBeUndefined();
});

test('whatever the duty, a piece takes a millisecond at least and ends', () => {
  fc.assert(
    fc.property(
      fc.double({ min: 0.01, max: 5, noNaN: true }),
      fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true }),
      (ms, duty) => {
        const pieceMs = napsFor(ms, duty)?.pieceMs ?? Number.NaN;
        expect(pieceMs).toBeGreaterThanOrEqual(1);
        expect(pieceMs).toBeLessThanOrEqual(1_000);
      },
    ),
  );
});

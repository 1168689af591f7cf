import fc from 'fast-check';
import { expect, test } from 'vitest';
import { figuresOf, histogramOf, together } from '../../bench/gentleness/quantiles.mjs';

const times = fc.array(fc.double({ min: 0.02, max: 60_000, noNaN: true }), { minLength: 1, maxLength: 400 });

test('a histogram gives the request at each rank back to within one per cent', () => {
  fc.assert(
    fc.property(times, (all) => {
      const sorted = all.toSorted((a, b) => a - b);
      const figures = figuresOf(histogramOf(all));
      expect(figures.requests).toBe(all.length);
      for (const [share, found] of [
        [0.5, figures.p50],
        [0.99, figures.p99],
        [0.999, figures.p999],
        [1, figures.max],
      ] as const) {
        const exact = sorted[Math.ceil(share * all.length) - 1] ?? Number.NaN;
        expect(Math.abs(found / exact - 1)).toBeLessThan(0.01);
      }
    }),
  );
});

test('phases put together have the figures of all their requests', () => {
  fc.assert(
    fc.property(times, times, (one, other) => {
      expect(figuresOf(together(histogramOf(one), histogramOf(other)))).toEqual(
        figuresOf(histogramOf([...one, ...other])),
      );
    }),
  );
});

test('no request has no figures', () => {
  expect(figuresOf('')).toEqual({
    requests: 0,
    p50: Number.NaN,
    p99: Number.NaN,
    p999: Number.NaN,
    max: Number.NaN,
  });
});

import fc from 'fast-check';
import { expect, test } from 'vitest';
import { createNapPlan } from '../../src/core/naps.js';

const told = (rows: number, workMs: number, ms: number | null = 1.1) => {
  const plan = createNapPlan(ms);
  plan.worked(rows, workMs);
  return plan;
};

test('half of the time: a nap for each piece of work that is as long', () => {
  expect(told(2_000, 10).next(0.5)).toEqual({ ms: 1.1, everyRows: 220 });
});

test('more of the time: longer pieces; less of it: pieces of a millisecond, and the rest is rested after the batch', () => {
  expect(told(2_000, 10).next(0.8)?.everyRows).toBe(880);
  expect(told(2_000, 10).next(0.1)?.everyRows).toBe(200);
});

test('no naps without rests, where the engine has none, and before anything is known of the speed', () => {
  expect(told(2_000, 10).next(1)).toBeUndefined();
  expect(told(2_000, 10, null).next(0.5)).toBeUndefined();
  expect(told(0, 10).next(0.5)).toBeUndefined();
});

test('the newest batches count most, and one without victims counts not', () => {
  const plan = told(2_000, 10);
  plan.worked(0, 50);
  expect(plan.next(0.5)?.everyRows).toBe(220);
  for (let i = 0; i < 20; i += 1) plan.worked(4_000, 10);
  expect(plan.next(0.5)?.everyRows).toBeGreaterThan(430);
});

test('whatever it is told, there is a whole number of rows between two naps, and not a few', () => {
  const amount = fc.double({ min: 0, max: 1e9, noNaN: true });
  fc.assert(
    fc.property(
      fc.array(fc.tuple(fc.nat(1_000_000), amount), { maxLength: 20 }),
      fc.double({ min: 0, max: 1, noNaN: true }),
      (batches, duty) => {
        const plan = createNapPlan(1.1);
        for (const [rows, ms] of batches) plan.worked(rows, ms);
        const naps = plan.next(duty);
        if (naps === undefined) return;
        expect(Number.isSafeInteger(naps.everyRows)).toBe(true);
        expect(naps.everyRows).toBeGreaterThanOrEqual(50);
      },
    ),
  );
});

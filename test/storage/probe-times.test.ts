import { expect, test } from 'vitest';
import { percentile, ProbeTimes } from '../../src/storage/signals/probe-times.js';
import { Trail } from '../../src/storage/signals/trail.js';

/** Twenty probes of 2 ms, 200 ms apart; answers when the last was answered. */
function steady(times: ProbeTimes): number {
  for (let probe = 0; probe < 20; probe += 1) {
    times.asked(probe * 200);
    times.answered(probe * 200 + 2);
  }
  return 19 * 200 + 2;
}

test('one slow probe of twenty is not the 95th percentile, two are', () => {
  const times = new ProbeTimes(200);
  const at = steady(times);
  times.asked(at);
  times.answered(at + 150);
  expect(times.p95(at + 150)).toBe(2);
  times.asked(at + 200);
  times.answered(at + 290);
  expect(times.p95(at + 290)).toBe(90);
});

test('a probe that hangs shows while it hangs, with those that it keeps from being made', () => {
  const times = new ProbeTimes(200);
  const at = steady(times);
  times.asked(at);
  expect(times.p95(at + 1), 'it is merely on its way').toBe(2);
  expect(times.p95(at + 900)).toBe(700);
  times.answered(at + 1_500);
  // As the application felt it: 1500, 1300, 1100 …
  expect(times.p95(at + 1_500)).toBe(1_300);
});

test('what could not be asked is no time', () => {
  const times = new ProbeTimes(200);
  expect(times.p95(0)).toBeNull();
  const at = steady(times);
  times.asked(at);
  times.dropped();
  expect(times.p95(at + 5_000)).toBe(2);
});

test('of few figures the second longest counts, so that one alone decides nothing', () => {
  expect(percentile([])).toBeNull();
  expect(percentile([7])).toBe(7);
  expect(percentile([1, 90, 2])).toBe(2);
});

test('a position is behind since the counter was first seen beyond it', () => {
  const trail = new Trail();
  trail.note(100, 0);
  trail.note(100, 1_000);
  trail.note(200, 2_000);
  trail.note(300, 3_000);
  expect(trail.behindMs(300, 9_000)).toBe(0);
  expect(trail.behindMs(250, 9_000)).toBe(6_000);
  expect(trail.behindMs(100, 9_000)).toBe(7_000);
  // At least so long: before the first note nothing is known.
  expect(trail.behindMs(50, 9_000)).toBe(9_000);
});

test('a counter that goes back is that of another server', () => {
  const trail = new Trail();
  trail.note(500, 0);
  trail.note(100, 1_000);
  expect(trail.behindMs(100, 5_000)).toBe(0);
  expect(trail.behindMs(50, 5_000)).toBe(4_000);
});

import { expect, test } from 'vitest';
import { paces } from '../../src/core/pace.js';
import type { Run } from '../../src/core/run.js';
import { RunInHand } from '../../src/coreapp/run-in-hand.js';
import { createHandClock } from '../core/hand-clock.js';

function inHand() {
  const clock = createHandClock();
  const run = { id: 'a'.repeat(32), profile: null, maxRate: null } as Run;
  const batchTargetMs = { gentle: 2, alone: 20 };
  const hand = new RunInHand(run, {
    clock,
    pace: paces.gentle,
    choices: {},
    batchTargetMs,
    gentleDuty: 0.3,
    napMs: null,
  });
  return { clock, hand, since: () => hand.live.reason.since };
}

test('a reason that others interrupt for moments has been there since it began', () => {
  const { clock, hand, since } = inHand();
  hand.because('rate_limited', 'max_rows_per_second', 300, 300);
  const began = since();
  for (let i = 0; i < 20; i += 1) {
    clock.advance(900);
    hand.because('working');
    hand.because('resting', 'duty', 0.5);
    clock.advance(100);
    hand.because('rate_limited', 'max_rows_per_second', 299, 300);
  }
  expect(since()).toBe(began);
  // Gone for longer, it begins anew.
  hand.because('working');
  clock.advance(10_000);
  hand.because('rate_limited', 'max_rows_per_second', 300, 300);
  expect(since()).not.toBe(began);
});

test('after a stand-still neither speed nor end is reckoned with the time that it took', () => {
  const { clock, hand } = inHand();
  hand.progress.reached(0.1);
  clock.advance(10_000);
  hand.removed(10_000);
  hand.progress.reached(0.2);
  for (let second = 0; second < 30; second += 1) {
    clock.advance(1_000);
    hand.heldBack({ code: 'paused', signal: null, value: null, limit: null });
    hand.progress.reached(0.2);
  }
  hand.because('working');
  clock.advance(1_000);
  hand.removed(1_000);
  hand.progress.reached(0.21);
  expect(hand.live.rowsPerSecond).toBeCloseTo(1_000);
  expect(hand.live.etaSeconds).toBeCloseTo(79);
});

test('the rest that an engine asks for counts at gentle, and no longer where an operator sets another profile', () => {
  const { hand } = inHand();
  expect(hand.allowedDuty).toBe(0.3);
  hand.obey({ profile: 'balanced', maxRate: null });
  expect(hand.allowedDuty).toBe(0.8);
  hand.obey({ profile: 'gentle', maxRate: null });
  expect(hand.allowedDuty).toBe(0.3);
});

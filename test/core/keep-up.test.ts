import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { keepUp, type PastRun, usualSpeed } from '../../src/core/keep-up.js';
import { weekdays, type WindowPlan } from '../../src/core/windows.js';

const hour = 3_600_000;
const day = 24 * hour;
const now = new Date('2026-11-26T12:00Z');
const always: WindowPlan = { timeZone: 'UTC', windows: [] };
const nights: WindowPlan = { timeZone: 'UTC', windows: [{ days: weekdays, from: '22:00', to: '04:00' }] };

/** A run that began so long ago and took 100 s. */
function run(agoMs: number, deleted: number, more: Partial<PastRun> = {}): PastRun {
  const started = now.getTime() - agoMs;
  return {
    outcome: 'complete',
    policyHash: 'a',
    horizon: started,
    started,
    ended: started + 100_000,
    deleted,
    ...more,
  };
}

describe('keeping up', () => {
  it('is unknown before there are two complete runs', () => {
    expect(keepUp([], always, now)).toEqual({
      eligiblePerDay: null,
      capacityPerDay: null,
      keepsUp: null,
      measuredSeconds: null,
    });
    expect(keepUp([run(day, 1_000_000)], always, now).eligiblePerDay).toBeNull();
    expect(keepUp([run(0, 10), run(hour - 1, 10)], always, now).eligiblePerDay).toBeNull();
  });

  it('takes what the second of two runs deleted for what became eligible between them', () => {
    const found = keepUp([run(0, 50_000), run(day / 2, 9_000_000)], always, now);
    expect(found.eligiblePerDay).toBe(100_000);
    expect(found.measuredSeconds).toBe(43_200);
  });

  it('counts what failed runs between deleted, and not what was deleted since the last complete run', () => {
    const failed = { outcome: 'failed' } as const;
    const found = keepUp(
      [run(0, 7, failed), run(hour, 30_000), run(2 * hour, 20_000, failed), run(25 * hour, 5)],
      always,
      now,
    );
    expect(found.eligiblePerDay).toBe(50_000);
  });

  it('does not take a backlog under another policy for growth', () => {
    const found = keepUp([run(0, 9e6), run(day, 1_000, { policyHash: 'b' })], always, now);
    expect(found.eligiblePerDay).toBeNull();
  });

  it('looks back a week', () => {
    const found = keepUp([run(0, 10), run(7 * day, 70), run(8 * day, 9e6)], always, now);
    expect(found.eligiblePerDay).toBeCloseTo(10 / 7);
  });

  it('has the speed of a usual run in the hours that windows allow as its capacity', () => {
    // 20,000 in 100 s: 200 a second.
    expect(keepUp([run(hour, 20_000)], always, now).capacityPerDay).toBe(200 * 86_400);
    const atNight = [run(hour * 13, 20_000)];
    expect(keepUp(atNight, nights, now).capacityPerDay).toBe(200 * 6 * 3_600);
  });

  it('does not count the time outside of the windows as work', () => {
    // From 03:59 to 22:01: two minutes of work.
    const started = Date.parse('2026-11-25T03:59Z');
    const past = run(0, 12_000, { started, ended: Date.parse('2026-11-25T22:01Z') });
    expect(usualSpeed([past], nights)).toBe(100);
  });

  it('does not keep up when more becomes eligible than can be deleted', () => {
    const runs = [run(0, 200_000, { ended: now.getTime() + 4 * hour }), run(hour, 10)];
    expect(keepUp(runs, always, now).keepsUp).toBe(false);
    expect(keepUp([run(0, 200_000), run(day, 10)], always, now).keepsUp).toBe(true);
  });

  it('measures a steady flow exactly, however runs divide it', () => {
    const gaps = fc.array(fc.integer({ min: 60_000, max: day }), { minLength: 2, maxLength: 30 });
    fc.assert(
      fc.property(
        gaps,
        fc.integer({ min: 1, max: 1_000 }),
        fc.infiniteStream(fc.boolean()),
        (all, perMs, fails) => {
          let started = now.getTime() - 60 * day;
          let backlog = 0;
          const runs: PastRun[] = [];
          for (const gap of all) {
            started += gap;
            backlog += gap * perMs;
            const isFailed = fails.next().value === true;
            const deleted = isFailed ? Math.floor(backlog / 2) : backlog;
            backlog -= deleted;
            runs.unshift(
              run(0, deleted, { started, horizon: started, outcome: isFailed ? 'failed' : 'complete' }),
            );
          }
          const { eligiblePerDay, keepsUp } = keepUp(runs, always, now);
          if (eligiblePerDay !== null) expect(eligiblePerDay / day).toBeCloseTo(perMs, 6);
          else expect(keepsUp).toBeNull();
        },
      ),
    );
  });

  it('never tells a figure that is no number', () => {
    const aRun = fc.record({
      outcome: fc.constantFrom('complete' as const, 'failed' as const),
      policyHash: fc.constantFrom('a', 'b'),
      horizon: fc.option(fc.integer({ min: 0, max: now.getTime() })),
      started: fc.integer({ min: 0, max: now.getTime() }),
      ended: fc.integer({ min: 0, max: now.getTime() }),
      deleted: fc.nat(),
    });
    fc.assert(
      fc.property(fc.array(aRun, { maxLength: 12 }), (runs) => {
        const found = keepUp(runs, always, now);
        for (const figure of [found.eligiblePerDay, found.capacityPerDay, found.measuredSeconds]) {
          if (figure !== null) expect(Number.isFinite(figure) && figure >= 0).toBe(true);
        }
      }),
    );
  });
});

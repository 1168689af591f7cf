import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  minutesOf,
  openings,
  openMs,
  stateAt,
  type WeeklyWindow,
  weekdays,
  type WindowPlan,
} from '../../src/core/windows.js';

const hour = 3_600_000;
const day = 24 * hour;
const at = (text: string) => Date.parse(text);
const plan = (timeZone: string, ...windows: WeeklyWindow[]): WindowPlan => ({ timeZone, windows });
const nights = { days: weekdays, from: '22:00', to: '06:00' };
/** As texts, to be read. */
const shown = (of: WindowPlan, from: string, until: string) =>
  openings(of, at(from), at(until)).map(({ start, end }) => [
    new Date(start).toISOString().slice(0, 16),
    new Date(end).toISOString().slice(0, 16),
  ]);

describe('windows', () => {
  it('are always open when there are none', () => {
    expect(stateAt(plan('UTC'), 0)).toEqual({ kind: 'always' });
    expect(openMs(plan('UTC'), 0, day)).toBe(day);
  });

  it('that cross midnight belong to the day on which they begin', () => {
    // 27 November 2026 is a Friday.
    const friday = plan('UTC', { days: ['fri'], from: '22:00', to: '06:00' });
    expect(stateAt(friday, at('2026-11-27T05:00Z'))).toEqual({
      kind: 'closed',
      opens: at('2026-11-27T22:00Z'),
    });
    expect(stateAt(friday, at('2026-11-28T05:59:59.999Z'))).toEqual({
      kind: 'open',
      end: at('2026-11-28T06:00Z'),
    });
    expect(stateAt(friday, at('2026-11-28T06:00Z'))).toEqual({
      kind: 'closed',
      opens: at('2026-12-04T22:00Z'),
    });
  });

  it('that touch or overlap are one', () => {
    const both = plan(
      'UTC',
      { days: ['sat'], from: '20:00', to: '24:00' },
      { days: ['sun'], from: '00:00', to: '04:00' },
      { days: ['sun'], from: '03:00', to: '05:00' },
    );
    expect(shown(both, '2026-11-28T00:00Z', '2026-11-30T00:00Z')).toEqual([
      ['2026-11-28T20:00', '2026-11-29T05:00'],
    ]);
  });

  it('mean the clocks of their zone: an hour shorter in the night to summer time, an hour longer in autumn', () => {
    const berlin = plan('Europe/Berlin', nights);
    expect(shown(berlin, '2026-03-28T12:00Z', '2026-03-29T12:00Z')).toEqual([
      ['2026-03-28T21:00', '2026-03-29T04:00'],
    ]);
    expect(shown(berlin, '2026-10-24T12:00Z', '2026-10-25T12:00Z')).toEqual([
      ['2026-10-24T20:00', '2026-10-25T05:00'],
    ]);
  });

  it('inside the hour that does not exist do not open that night', () => {
    const inGap = plan('Europe/Berlin', { days: weekdays, from: '02:15', to: '02:45' });
    expect(shown(inGap, '2026-03-28T12:00Z', '2026-03-30T12:00Z')).toEqual([
      ['2026-03-30T00:15', '2026-03-30T00:45'],
    ]);
  });

  it('inside the hour that exists twice open once', () => {
    const twice = plan('Europe/Berlin', { days: weekdays, from: '02:15', to: '02:45' });
    expect(shown(twice, '2026-10-24T12:00Z', '2026-10-25T12:00Z')).toEqual([
      ['2026-10-25T00:15', '2026-10-25T00:45'],
    ]);
  });

  it('have times of the day from 00:00 to 24:00', () => {
    expect(['00:00', '09:05', '24:00'].map(minutesOf)).toEqual([0, 545, 1_440]);
    expect(['24:01', '9:00', '12:60', '12', '', 'noon'].map(minutesOf)).toEqual(Array(6).fill(null));
  });
});

const clock = fc
  .integer({ min: 0, max: 1_439 })
  .map((minute) => [Math.floor(minute / 60), minute % 60].map((n) => String(n).padStart(2, '0')).join(':'));
const aWindow = fc
  .record({ days: fc.subarray([...weekdays], { minLength: 1 }), from: clock, to: clock })
  .filter(({ from, to }) => from !== to);
const somePlan = fc.record({
  timeZone: fc.constantFrom('UTC', 'Europe/Berlin', 'America/New_York', 'Australia/Lord_Howe'),
  windows: fc.array(aWindow, { minLength: 1, maxLength: 4 }),
});
const sometime = fc.integer({ min: at('2026-01-01T00:00Z'), max: at('2027-12-31T00:00Z') });

describe('any windows', () => {
  it('are open exactly when the clocks of the zone stand in one of them', () => {
    // In UTC, where the clocks can be read without the code that is tested.
    fc.assert(
      fc.property(fc.array(aWindow, { minLength: 1, maxLength: 4 }), sometime, (windows, now) => {
        const minute = new Date(now).getUTCHours() * 60 + new Date(now).getUTCMinutes();
        const isOn = (days: readonly string[], shift: number): boolean =>
          days.includes(weekdays[new Date(now - shift).getUTCDay()] ?? '');
        const open = windows.some(({ days, from, to }) => {
          const [begins, ends] = [minutesOf(from) ?? 0, minutesOf(to) ?? 0];
          if (begins < ends) return isOn(days, 0) && minute >= begins && minute < ends;
          return (isOn(days, 0) && minute >= begins) || (isOn(days, day) && minute < ends);
        });
        expect(stateAt({ timeZone: 'UTC', windows }, now).kind).toBe(open ? 'open' : 'closed');
      }),
    );
  });

  it('come in order, apart from one another, and change state at their ends', () => {
    fc.assert(
      fc.property(somePlan, sometime, (of, now) => {
        const found = openings(of, now, now + 14 * day);
        for (const [at, { start, end }] of found.entries()) {
          expect(end).toBeGreaterThan(start);
          expect(start).toBeGreaterThan(found[at - 1]?.end ?? 0);
          // Windows that touch one another for days on end are not followed beyond what is looked at.
          if (end > now + 13 * day) continue;
          expect(stateAt(of, end - 1)).toEqual({ kind: 'open', end });
          expect(stateAt(of, end).kind).toBe('closed');
          if (start > now) expect(stateAt(of, start - 1)).toEqual({ kind: 'closed', opens: start });
        }
        expect(found.length).toBeGreaterThan(0);
      }),
      { numRuns: 50 },
    );
  });

  it('are open as long in two stretches as in both together', () => {
    fc.assert(
      fc.property(somePlan, sometime, fc.nat(10 * day), fc.nat(10 * day), (of, from, first, second) => {
        const parts = openMs(of, from, from + first) + openMs(of, from + first, from + first + second);
        expect(openMs(of, from, from + first + second)).toBe(parts);
      }),
      { numRuns: 50 },
    );
  });
});

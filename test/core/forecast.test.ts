import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { forecast, unknownForecast, workLeft } from '../../src/core/forecast.js';
import { openMs, weekdays, type WindowPlan } from '../../src/core/windows.js';

const nights: WindowPlan = { timeZone: 'UTC', windows: [{ days: weekdays, from: '22:00', to: '06:00' }] };
const always: WindowPlan = { timeZone: 'UTC', windows: [] };
const at = (text: string) => new Date(text);
const hours = (n: number) => n * 3_600;

describe('a forecast', () => {
  it('is unknown while the work that is left is', () => {
    expect(forecast(null, nights, at('2026-11-26T23:00Z'))).toEqual(unknownForecast);
  });

  it('fits without windows, whenever it ends', () => {
    expect(forecast(hours(30), always, at('2026-11-26T23:00Z'))).toEqual({
      fits: true,
      endsAt: at('2026-11-28T05:00Z'),
      windows: 1,
    });
  });

  it('fits exactly into what is left of the window', () => {
    const now = at('2026-11-26T23:00Z');
    expect(forecast(hours(7), nights, now)).toEqual({
      fits: true,
      endsAt: at('2026-11-27T06:00Z'),
      windows: 1,
    });
    expect(forecast(hours(7) + 1, nights, now)).toEqual({
      fits: false,
      endsAt: at('2026-11-27T22:00:01Z'),
      windows: 2,
    });
  });

  it('outside of the windows speaks of the next one', () => {
    expect(forecast(hours(1), nights, at('2026-11-26T12:00Z'))).toEqual({
      fits: true,
      endsAt: at('2026-11-26T23:00Z'),
      windows: 1,
    });
  });

  it('names no date beyond ten weeks', () => {
    expect(forecast(hours(24 * 70), nights, at('2026-11-26T12:00Z'))).toEqual({
      fits: false,
      endsAt: null,
      windows: null,
    });
  });

  it('ends when the windows up to then have given as much time as the work takes', () => {
    const now = at('2026-11-26T12:34Z');
    fc.assert(
      fc.property(fc.integer({ min: 1, max: hours(400) }), (seconds) => {
        const { endsAt, windows, fits } = forecast(seconds, nights, now);
        expect(openMs(nights, now.getTime(), endsAt?.getTime() ?? 0)).toBe(seconds * 1_000);
        expect(windows).toBe(Math.ceil(seconds / hours(8)));
        expect(fits).toBe(seconds <= hours(8));
      }),
    );
  });
});

describe('the work that is left', () => {
  const run = { etaSeconds: null, messagesDeleted: 60_000, share: 0.25, usualSpeed: 1_000 };

  it('is what the working process says', () => {
    expect(workLeft({ ...run, etaSeconds: 7 })).toBe(7);
  });

  it('is reckoned from what is gone where nobody says it', () => {
    expect(workLeft(run)).toBe(180);
  });

  it('is unknown at the beginning, without a plan and without earlier runs', () => {
    expect(workLeft({ ...run, share: 0.005 })).toBeNull();
    expect(workLeft({ ...run, share: null })).toBeNull();
    expect(workLeft({ ...run, share: 1 })).toBeNull();
    expect(workLeft({ ...run, messagesDeleted: 0 })).toBeNull();
    expect(workLeft({ ...run, usualSpeed: null })).toBeNull();
  });
});

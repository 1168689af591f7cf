import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { dayAt, isTimeZone, momentOf, nearestTimeZone, weekdayOf } from '../../src/kit/time-zone.js';

const moment = (zone: string, [year, month, day]: readonly [number, number, number], minute: number) =>
  new Date(momentOf(zone, { year, month, day }, minute)).toISOString();

describe('a time zone', () => {
  it('is known by its IANA name only', () => {
    expect(['UTC', 'Europe/Berlin', 'America/St_Johns'].every(isTimeZone)).toBe(true);
    expect(['', 'Berlin', 'Europe/Berln', '+02:00', 'CEST+1', 'Mars/Base'].some(isTimeZone)).toBe(false);
  });

  it('is guessed from a typing error and from a city alone', () => {
    expect(nearestTimeZone('Europe/Berln')).toBe('Europe/Berlin');
    expect(nearestTimeZone('berlin')).toBe('Europe/Berlin');
    expect(nearestTimeZone('New York')).toBe('America/New_York');
    expect(nearestTimeZone('utc')).toBe('UTC');
    expect(nearestTimeZone('nowhere at all')).toBeNull();
  });

  it('has a moment for every time of its clocks', () => {
    expect(moment('UTC', [2026, 11, 26], 90)).toBe('2026-11-26T01:30:00.000Z');
    expect(moment('Europe/Berlin', [2026, 7, 1], 0)).toBe('2026-06-30T22:00:00.000Z');
    expect(moment('Asia/Kathmandu', [2026, 7, 1], 1_440)).toBe('2026-07-01T18:15:00.000Z');
  });

  it('has the end of the gap for a time that does not exist', () => {
    expect(moment('Europe/Berlin', [2026, 3, 29], 150)).toBe('2026-03-29T01:00:00.000Z');
    // Half an hour of summer time.
    expect(moment('Australia/Lord_Howe', [2026, 10, 4], 135)).toBe('2026-10-03T15:30:00.000Z');
    // At midnight itself.
    expect(moment('America/Santiago', [2026, 9, 6], 0)).toBe('2026-09-06T04:00:00.000Z');
  });

  it('has the first occurrence for a time that exists twice', () => {
    expect(moment('Europe/Berlin', [2026, 10, 25], 150)).toBe('2026-10-25T00:30:00.000Z');
  });

  it('gives a moment that lies on the day, unless the gap has moved it', () => {
    const zones = ['UTC', 'Europe/Berlin', 'America/New_York', 'Asia/Kolkata', 'Pacific/Auckland'];
    const sometime = fc.integer({ min: Date.UTC(2024, 0, 1), max: Date.UTC(2030, 0, 1) });
    fc.assert(
      fc.property(
        fc.constantFrom(...zones),
        sometime,
        fc.integer({ min: 0, max: 1_439 }),
        (zone, ms, minute) => {
          const day = dayAt(zone, ms);
          expect(dayAt(zone, momentOf(zone, day, minute))).toEqual(day);
        },
      ),
    );
  });

  it('has the same weekdays as everywhere', () => {
    expect(weekdayOf({ year: 2026, month: 11, day: 26 })).toBe(4);
  });
});

import { describe, expect, it } from 'vitest';
import { cronFault, latestFiring, nextFiring } from '../../src/kit/cron.js';

const at = (text: string) => new Date(text);
const latest = (pattern: string, zone: string, text: string) =>
  latestFiring(pattern, zone, at(text))?.toISOString();
const next = (pattern: string, zone: string, text: string) =>
  nextFiring(pattern, zone, at(text))?.toISOString();

describe('a cron expression', () => {
  it('has fired at the very moment that it names, and not before', () => {
    expect(latest('0 3 * * *', 'UTC', '2026-11-26T03:00:00.000Z')).toBe('2026-11-26T03:00:00.000Z');
    expect(latest('0 3 * * *', 'UTC', '2026-11-26T02:59:59.999Z')).toBe('2026-11-25T03:00:00.000Z');
    expect(next('0 3 * * *', 'UTC', '2026-11-26T03:00:00.000Z')).toBe('2026-11-27T03:00:00.000Z');
  });

  it('means the clocks of its time zone', () => {
    expect(next('0 3 * * *', 'Europe/Berlin', '2026-07-01T12:00:00Z')).toBe('2026-07-02T01:00:00.000Z');
    expect(next('0 3 * * *', 'Europe/Berlin', '2026-12-01T12:00:00Z')).toBe('2026-12-02T02:00:00.000Z');
  });

  it('fires right after the gap when its time does not exist', () => {
    // On 29 March 2026 clocks in Berlin go from 02:00 to 03:00, which is 01:00 UTC.
    expect(next('30 2 * * *', 'Europe/Berlin', '2026-03-28T12:00:00Z')).toBe('2026-03-29T01:00:00.000Z');
    expect(latest('30 2 * * *', 'Europe/Berlin', '2026-03-29T12:00:00Z')).toBe('2026-03-29T01:00:00.000Z');
  });

  it('fires once when its time exists twice', () => {
    // On 25 October 2026 02:30 comes at 00:30 UTC and again at 01:30 UTC.
    expect(next('30 2 * * *', 'Europe/Berlin', '2026-10-24T12:00:00Z')).toBe('2026-10-25T00:30:00.000Z');
    expect(next('30 2 * * *', 'Europe/Berlin', '2026-10-25T00:30:00Z')).toBe('2026-10-26T01:30:00.000Z');
    expect(latest('30 2 * * *', 'Europe/Berlin', '2026-10-25T01:45:00Z')).toBe('2026-10-25T00:30:00.000Z');
  });

  it('of every hour fires in both of two hours with the same name', () => {
    expect(latest('30 * * * *', 'Europe/Berlin', '2026-10-25T01:45:00Z')).toBe('2026-10-25T01:30:00.000Z');
  });

  it.each(['0 3 * * *', '*/2 * * * * *', '@daily', '0 3 * * MON-FRI', '0 3 L * *', '0 0 29 2 *'])(
    'may be %j',
    (pattern) => {
      expect(cronFault(pattern)).toBeNull();
    },
  );

  it.each([
    ['', 'a cron expression such as'],
    ['every night', 'a cron expression such as'],
    ['0 3 * *', 'a cron expression such as'],
    ['0 3 * * * * 2027', 'a cron expression such as'],
    ['2026-01-01T00:00:00', 'a cron expression such as'],
    ['? 3 * * *', 'a cron expression such as'],
    ['0 25 * * *', 'Invalid value for hour: 25'],
    ['0 0 30 2 *', 'no date fits'],
    ['@reboot', 'not supported'],
  ])('may not be %j', (pattern, words) => {
    expect(cronFault(pattern)).toContain(words);
  });
});

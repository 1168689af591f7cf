import type { AgeUnit } from './mapping.js';

const digits: Readonly<Partial<Record<AgeUnit, number>>> = {
  epoch_s: 0,
  epoch_ms: 3,
  epoch_us: 6,
  epoch_ns: 9,
};

/** The largest moment that a Date can hold, in milliseconds. */
const farthestMs = 8_640_000_000_000_000n;

/**
 * An epoch, whole or decimal, as a moment in UTC with microseconds (`2026-11-22T10:00:00.000000Z`); null for a unit
 * that is a time, for what is no number, and for what lies beyond the calendar.
 */
export function momentOf(epoch: string, unit: AgeUnit): string | null {
  const places = digits[unit];
  const parts = /^(-?)(\d+)(?:\.(\d+))?$/.exec(epoch);
  if (places === undefined || parts === null) return null;
  const [, sign, whole = '0', fraction = ''] = parts;
  // As nanoseconds, exactly: what the unit lacks is taken from the fraction.
  const nanos = BigInt(
    whole +
      fraction
        .padEnd(9, '0')
        .slice(0, 9 - places)
        .padEnd(9 - places, '0'),
  );
  const micros = (sign === '-' ? -nanos : nanos) / 1_000n;
  const ms = (micros - (((micros % 1_000n) + 1_000n) % 1_000n)) / 1_000n;
  if (ms > farthestMs || ms < -farthestMs) return null;
  const rest = String(((micros % 1_000n) + 1_000n) % 1_000n).padStart(3, '0');
  return new Date(Number(ms)).toISOString().replace('Z', `${rest}Z`);
}

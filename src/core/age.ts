import type { AgeUnit } from './mapping.js';

const perSecond: Readonly<Partial<Record<AgeUnit, bigint>>> = {
  epoch_s: 1n,
  epoch_ms: 1_000n,
  epoch_us: 1_000_000n,
  epoch_ns: 1_000_000_000n,
};

/**
 * A moment as a whole number of an epoch's unit, as text (nanoseconds exceed a double). Rounded down, so that a
 * message is never taken for older than it is; null for units that are times.
 *
 * @param moment UTC with microseconds: `2026-11-22T10:00:00.000000Z`
 */
export function epochText(moment: string, unit: AgeUnit, plusSeconds = 0): string | null {
  const units = perSecond[unit];
  if (units === undefined) return null;
  const fraction = BigInt((/\.(\d{1,6})/.exec(moment)?.[1] ?? '').padEnd(6, '0'));
  const whole = BigInt(Math.floor(Date.parse(moment.replace(/\.\d+/, '')) / 1_000));
  const micros = whole * 1_000_000n + fraction + BigInt(Math.round(plusSeconds * 1_000_000));
  const scaled = micros * units;
  const quotient = scaled / 1_000_000n;
  return String(scaled < 0n && scaled % 1_000_000n !== 0n ? quotient - 1n : quotient);
}

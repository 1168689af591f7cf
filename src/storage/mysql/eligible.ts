import { epochText } from '../../core/age.js';
import type { Age, Mapping } from '../../core/mapping.js';
import type { Policy } from '../../core/policy.js';
import { quoted, textSql } from './names.js';

/**
 * Which messages may go, as one condition over alias `m`: old enough, processed, and not held. Repeated inside every
 * DELETE. NULL anywhere means no.
 */
export function eligibleSql({ mapping, retentionSeconds }: Policy, horizon: string): string {
  const holds = mapping.holds.map(
    ({ where }) => `(${withNow(where, mapping.age, horizon, retentionSeconds)}) IS NOT TRUE`,
  );
  const processed = withNow(mapping.processed, mapping.age, horizon, retentionSeconds);
  return `(${[oldEnoughSql(mapping, horizon), `(${processed})`, ...holds].join(' AND ')})`;
}

/** Compares the column itself, so that its index serves. What is no age (NULL, 0, a zero date) is never old enough. */
export function oldEnoughSql({ age }: Mapping, horizon: string): string {
  const column = `m.${quoted(age.column)}`;
  const epoch = epochText(horizon, age.unit);
  if (epoch !== null) return `${column} <= ${epoch} AND ${column} > 0`;
  // No zero as a literal: strict servers refuse it. Nothing of ours is older than this.
  return `${column} <= ${momentSql(horizon, age, 0)} AND ${column} > TIMESTAMP'1000-01-01 00:00:00'`;
}

/** `:now` is the time at which the horizon was frozen, in the unit of the age. */
function withNow(sql: string, age: Age, horizon: string, plusSeconds: number): string {
  return sql.replaceAll(
    /(?<![:\w]):now\b/g,
    () => epochText(horizon, age.unit, plusSeconds) ?? `(${momentSql(horizon, age, plusSeconds)})`,
  );
}

/** A moment as the column has it; sessions are in UTC, so a TIMESTAMP column needs no zone. */
function momentSql(horizon: string, { unit, zone }: Age, plusSeconds: number): string {
  const utc = `TIMESTAMP${textSql(horizon.replace('T', ' ').replace('Z', ''))}`;
  const moment =
    plusSeconds === 0 ? utc : `${utc} + INTERVAL ${Math.round(plusSeconds * 1_000_000)} MICROSECOND`;
  if (unit !== 'datetime' || zone === null || zone.toUpperCase() === 'UTC') return moment;
  return `CONVERT_TZ(${moment}, '+00:00', ${textSql(zone)})`;
}

import { epochText } from '../../core/age.js';
import type { Age, Mapping } from '../../core/mapping.js';
import { replaceNow } from '../../core/now-parameter.js';
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

/**
 * The part of it that speaks of the row's own columns: for rows that this transaction locked under the whole of it.
 * Where messages refer to each other, clearing a reference may change what a predicate says of it.
 */
export function repeatableSql({ mapping, retentionSeconds }: Policy, horizon: string): string {
  const isSelf = mapping.dependents.some(({ table }) => table.name === mapping.table.name);
  const repeated = [`(${mapping.processed})`, ...mapping.holds.map(({ where }) => `(${where}) IS NOT TRUE`)]
    .filter((sql) => !isSelf && !/\bselect\b/i.test(sql))
    .map((sql) => withNow(sql, mapping.age, horizon, retentionSeconds));
  return `(${[oldEnoughSql(mapping, horizon), ...repeated].join(' AND ')})`;
}

/** Compares the column itself, so that its index serves. What is no age (NULL, 0, a zero date) is never old enough. */
export function oldEnoughSql({ age }: Mapping, horizon: string): string {
  const column = `m.${quoted(age.column)}`;
  const epoch = epochText(horizon, age.unit);
  if (epoch !== null) return `${column} <= ${epoch} AND ${column} > 0`;
  // No zero as a literal: strict servers refuse it. MySQL takes a literal below the least TIMESTAMP for "always true", and a
  // zero date for old enough: it must be the least itself.
  const least = age.unit === 'timestamptz' ? '1970-01-01 00:00:01' : '1000-01-01 00:00:00';
  return `${column} <= ${edgeSql(horizon, age)} AND ${column} >= TIMESTAMP'${least}'`;
}

/**
 * The horizon as the column's clock read it. A named zone sets its clock back in autumn and reads an hour twice: from
 * the reading of an hour later an hour is taken off, so that no message is taken for older than it is.
 */
export function edgeSql(horizon: string, age: Age): string {
  if (!isNamedZone(age)) return momentSql(horizon, age, 0);
  return `LEAST(${momentSql(horizon, age, 0)}, ${momentSql(horizon, age, 3_600)} - INTERVAL 1 HOUR)`;
}

function isNamedZone({ unit, zone }: Age): boolean {
  return unit === 'datetime' && zone !== null && !/^(utc|[+-]\d{1,2}:\d{2})$/i.test(zone);
}

/** `:now` is the time at which the horizon was frozen, in the unit of the age. */
function withNow(sql: string, age: Age, horizon: string, plusSeconds: number): string {
  return replaceNow(
    sql,
    () => epochText(horizon, age.unit, plusSeconds) ?? `(${momentSql(horizon, age, plusSeconds)})`,
  );
}

/** A moment as the column's clock reads it; sessions are in UTC, so a TIMESTAMP column needs no zone. */
function momentSql(horizon: string, { unit, zone }: Age, plusSeconds: number): string {
  const utc = `TIMESTAMP${textSql(horizon.replace('T', ' ').replace('Z', ''))}`;
  const moment =
    plusSeconds === 0 ? utc : `${utc} + INTERVAL ${Math.round(plusSeconds * 1_000_000)} MICROSECOND`;
  if (unit !== 'datetime' || zone === null || zone.toUpperCase() === 'UTC') return moment;
  return `CONVERT_TZ(${moment}, '+00:00', ${textSql(zone)})`;
}

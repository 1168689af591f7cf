import { epochText } from '../../core/age.js';
import type { Age, Mapping } from '../../core/mapping.js';
import { replaceNow } from '../../core/now-parameter.js';
import type { Policy } from '../../core/policy.js';
import { quoted } from './names.js';
import type { Parameters } from './range.js';

/**
 * Where the condition stands. Beside a range of keys or blocks no index of the age is wanted, and `age > lowest` would
 * cost more than it says: for its estimate the planner looks up the lowest age in the index, every time, and behind a
 * walk the entries there are dead. It read 100 heap blocks and made them dirty for each statement (0.6 ms instead of
 * 0.1 ms of planning, and 100 blocks to write once more). There the same is said in words that are no range.
 */
export type Place = 'anywhere' | 'in range';

/**
 * Which messages may go, as one condition over alias `m`: old enough, processed, and not held. Repeated inside every
 * DELETE. NULL anywhere means no.
 */
export function eligibleSql(
  { mapping, retentionSeconds }: Policy,
  horizon: string,
  parameters: Parameters,
  place: Place = 'anywhere',
): string {
  const processed = withNow(mapping.processed, mapping.age, horizon, retentionSeconds, parameters);
  const holds = mapping.holds.map(
    ({ where }) => `(${withNow(where, mapping.age, horizon, retentionSeconds, parameters)}) IS NOT TRUE`,
  );
  return `(${[oldEnoughSql(mapping, horizon, parameters, place), `(${processed})`, ...holds].join(' AND ')})`;
}

/**
 * Compares the column itself, so that its index serves. What is no age (NULL, 0, -infinity) is never old enough.
 * (A column of doubles cannot itself tell nanoseconds apart; it is compared as a double.)
 */
export function oldEnoughSql(
  { age }: Mapping,
  horizon: string,
  parameters: Parameters,
  place: Place = 'anywhere',
): string {
  const column = `m.${quoted(age.column)}`;
  const epoch = epochText(horizon, age.unit);
  if (epoch !== null) {
    const isAge = `${column} > 0`;
    return `${column} <= ${parameters.add(epoch, 'bigint')} AND ${place === 'anywhere' ? isAge : `CASE WHEN ${isAge} THEN 1 ELSE 0 END <> 0`}`;
  }
  const moment = parameters.add(horizon, 'timestamptz');
  const latest = age.unit === 'timestamptz' ? moment : latestReadingSql(age, moment, parameters);
  return `${column} <= ${latest} AND ${column} ${place === 'anywhere' ? '>' : '<>'} '-infinity'`;
}

/**
 * The latest clock reading that is certainly not after a moment. Where a clock is set back, an hour of readings comes
 * twice, and one of them may be an hour younger than it looks: shortly before such a moment the answer is the reading
 * without that hour. (No zone sets its clock back by more than three hours.)
 */
function latestReadingSql(age: Age, moment: string, parameters: Parameters): string {
  const zone = zoneSql(age, parameters);
  const reading = `(${moment} AT TIME ZONE ${zone})`;
  if (!isNamedZone(age.zone)) return reading;
  return `least(${reading}, (${moment} + interval '3 hours') AT TIME ZONE ${zone} - interval '3 hours')`;
}

const offset = /^([+-])(\d{1,2})(?::?(\d{2}))?$/;

function isNamedZone(zone: string | null): boolean {
  return zone !== null && zone.toUpperCase() !== 'UTC' && !offset.test(zone);
}

/**
 * The zone of an age as SQL. An offset is an interval: as a zone's name PostgreSQL reads `+02:00` the POSIX way, as
 * two hours west of Greenwich.
 */
export function zoneSql({ zone }: Age, parameters: Parameters): string {
  const [, sign, hours, minutes = '00'] = offset.exec(zone ?? '') ?? [];
  return hours === undefined
    ? parameters.add(zone ?? 'UTC', 'text')
    : parameters.add(`${sign}${hours}:${minutes}`, 'interval');
}

/** `:now` is the time at which the horizon was frozen, in the unit of the age. (`::now` is a cast to a type.) */
function withNow(
  sql: string,
  age: Age,
  horizon: string,
  plusSeconds: number,
  parameters: Parameters,
): string {
  return replaceNow(sql, () => {
    const epoch = epochText(horizon, age.unit, plusSeconds);
    if (epoch !== null) return parameters.add(epoch, 'bigint');
    const moment = `(${parameters.add(horizon, 'timestamptz')} + ${parameters.add(plusSeconds, 'float8')} * interval '1 second')`;
    return age.unit === 'timestamptz' ? moment : `(${moment} AT TIME ZONE ${zoneSql(age, parameters)})`;
  });
}

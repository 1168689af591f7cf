import { epochText } from '../../core/age.js';
import type { Age, Mapping } from '../../core/mapping.js';
import type { Policy } from '../../core/policy.js';
import { quoted } from './names.js';
import type { Parameters } from './range.js';

/**
 * Which messages may go, as one condition over alias `m`: old enough, processed, and not held. Repeated inside every
 * DELETE. NULL anywhere means no.
 */
export function eligibleSql(
  { mapping, retentionSeconds }: Policy,
  horizon: string,
  parameters: Parameters,
): string {
  const processed = withNow(mapping.processed, mapping.age, horizon, retentionSeconds, parameters);
  const holds = mapping.holds.map(
    ({ where }) => `(${withNow(where, mapping.age, horizon, retentionSeconds, parameters)}) IS NOT TRUE`,
  );
  return `(${[oldEnoughSql(mapping, horizon, parameters), `(${processed})`, ...holds].join(' AND ')})`;
}

/**
 * Compares the column itself, so that its index serves. What is no age (NULL, 0, -infinity) is never old enough.
 */
export function oldEnoughSql({ age }: Mapping, horizon: string, parameters: Parameters): string {
  const column = `m.${quoted(age.column)}`;
  const epoch = epochText(horizon, age.unit);
  if (epoch !== null) return `${column} <= ${parameters.add(epoch, 'bigint')} AND ${column} > 0`;
  const moment = parameters.add(horizon, 'timestamptz');
  if (age.unit === 'timestamptz') return `${column} <= ${moment} AND ${column} > '-infinity'`;
  return `${column} <= (${moment} AT TIME ZONE ${parameters.add(age.zone ?? 'UTC', 'text')}) AND ${column} > '-infinity'`;
}

/** `:now` is the time at which the horizon was frozen, in the unit of the age. (`::now` is a cast to a type.) */
function withNow(
  sql: string,
  age: Age,
  horizon: string,
  plusSeconds: number,
  parameters: Parameters,
): string {
  return sql.replaceAll(/(?<![:\w]):now\b/g, () => {
    const epoch = epochText(horizon, age.unit, plusSeconds);
    if (epoch !== null) return parameters.add(epoch, 'bigint');
    const moment = `(${parameters.add(horizon, 'timestamptz')} + ${parameters.add(plusSeconds, 'float8')} * interval '1 second')`;
    return age.unit === 'timestamptz'
      ? moment
      : `(${moment} AT TIME ZONE ${parameters.add(age.zone ?? 'UTC', 'text')})`;
  });
}

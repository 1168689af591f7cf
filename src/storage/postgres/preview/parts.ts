/** The pieces of which the counting statements are made; all speak of the message as `m`. */
import type { Mapping } from '../../../core/mapping.js';
import type { Policy } from '../../../core/policy.js';
import type { FlatDependent } from '../../checks/flat-dependents.js';
import { eligibleSql, zoneSql } from '../eligible.js';
import { quoted, quotedTable } from '../names.js';
import type { Parameters } from '../range.js';

/** Old enough and processed, whatever holds say. */
export function candidateSql(policy: Policy, horizon: string, parameters: Parameters): string {
  return eligibleSql(
    { ...policy, mapping: { ...policy.mapping, holds: [], holdList: null } },
    horizon,
    parameters,
  );
}

/** Old enough and processed, and this hold keeps it. */
export function heldSql(policy: Policy, where: string, horizon: string, parameters: Parameters): string {
  const processed = `(${policy.mapping.processed}\n) AND (${where}\n)`;
  return candidateSql({ ...policy, mapping: { ...policy.mapping, processed } }, horizon, parameters);
}

/** An age as text: a time in UTC with microseconds, or the number of an epoch, which `momentFrom` reads. */
export function ageText({ age }: Mapping, value: string, parameters: Parameters): string {
  if (age.unit.startsWith('epoch')) return `(${value})::numeric::text`;
  const moment = age.unit === 'timestamptz' ? value : `(${value} AT TIME ZONE ${zoneSql(age, parameters)})`;
  return `to_char(${moment} AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')`;
}

/** `d0.a = x.b AND …` for each table of the path, nested as joins behind `x`, the messages. */
export function pathJoins({ path }: FlatDependent): string {
  return path
    .map((dependent, level) => {
      const above = level === 0 ? 'x' : `d${level - 1}`;
      const on = dependent.match
        .map(({ column, message }) => `d${level}.${quoted(column)} = ${above}.${quoted(message)}`)
        .join(' AND ');
      return `JOIN ${quotedTable(dependent.table)} d${level} ON ${on}`;
    })
    .join(' ');
}

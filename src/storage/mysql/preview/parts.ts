/** The pieces of which the counting statements are made; all speak of the message as `m`. */
import type { Mapping } from '../../../core/mapping.js';
import type { Policy } from '../../../core/policy.js';
import type { FlatDependent } from '../../checks/flat-dependents.js';
import { eligibleSql } from '../eligible.js';
import { quoted, quotedTable, textSql } from '../names.js';

/** Old enough and processed, whatever holds say. */
export function candidateSql(policy: Policy, horizon: string): string {
  return eligibleSql({ ...policy, mapping: { ...policy.mapping, holds: [], holdList: null } }, horizon);
}

/** Old enough and processed, and this hold keeps it. */
export function heldSql(policy: Policy, where: string, horizon: string): string {
  const processed = `(${policy.mapping.processed}\n) AND (${where}\n)`;
  return candidateSql({ ...policy, mapping: { ...policy.mapping, processed } }, horizon);
}

/** An age as text: a time in UTC with microseconds, or the number of an epoch, which `momentFrom` reads. */
export function ageText({ age }: Mapping, value: string): string {
  if (age.unit.startsWith('epoch')) return `CAST(${value} AS CHAR)`;
  const zone = age.unit === 'datetime' ? (age.zone ?? 'UTC') : 'UTC';
  const moment = zone.toUpperCase() === 'UTC' ? value : `CONVERT_TZ(${value}, ${textSql(zone)}, '+00:00')`;
  return `DATE_FORMAT(${moment}, '%Y-%m-%dT%H:%i:%s.%fZ')`;
}

/** `d0.a = x.b AND …` for each table of the path, nested as joins behind `x`, the messages. */
export function pathJoins({ path }: FlatDependent): string {
  return path
    .map((dependent, level) => {
      const above = level === 0 ? 'x' : `d${level - 1}`;
      const on = dependent.match
        .map(({ column, message }) => `d${level}.${quoted(column)} = ${above}.${quoted(message)}`)
        .join(' AND ');
      return `JOIN ${quotedTable(dependent.table)} AS d${level} ON ${on}`;
    })
    .join(' ');
}

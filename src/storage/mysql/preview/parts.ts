/** The pieces of which the counting statements are made; all speak of the message as `m`. */
import { momentOf } from '../../../core/age-moment.js';
import type { Mapping } from '../../../core/mapping.js';
import type { Policy } from '../../../core/policy.js';
import { flatDependents, type FlatDependent } from '../../checks/flat-dependents.js';
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

export function momentFrom({ age }: Mapping, text: unknown): string | null {
  if (typeof text !== 'string') return null;
  return age.unit.startsWith('epoch') ? momentOf(text, age.unit) : text;
}

/** Dependents that a run deletes or clears itself, which are those that it counts. */
export function countedDependents(mapping: Mapping): readonly FlatDependent[] {
  return flatDependents(mapping).filter(
    ({ dependent }) => dependent.action === 'delete' || dependent.action === 'set_null',
  );
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

/** Columns of the message that its dependents refer to, and its key. */
export function referredColumns({ key, dependents }: Mapping): readonly string[] {
  return [...new Set([...key, ...dependents.flatMap(({ match }) => match.map(({ message }) => message))])];
}

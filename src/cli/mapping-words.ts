import { durationWords } from '../kit/duration-words.js';
import { type Dependent, type Mapping, nameOf } from '../core/mapping.js';
import type { Policy } from '../core/policy.js';

/** A policy in lines for people: what would be collected, and what stays. */
export function policyLines({ mapping, retentionSeconds }: Policy): readonly string[] {
  const { age, holdList } = mapping;
  return [
    `store         ${mapping.store}`,
    `table         ${nameOf(mapping.table)}, key ${mapping.key.join(', ')}`,
    `age           ${age.column} (${age.unit}${age.zone === null ? '' : `, ${age.zone}`})`,
    `retention     ${durationWords(retentionSeconds)}`,
    `processed     ${oneLine(mapping.processed)}`,
    ...mapping.holds.map(({ name, where }) => `hold          ${name}: ${oneLine(where)}`),
    `hold list     by key${holdList === null ? '' : ` and by ${holdList.contact}`}`,
    ...dependentLines(mapping.dependents, ''),
    `foreign keys  ${mapping.foreignKeys}`,
    `walk          ${mapping.walk ?? 'auto'}`,
  ];
}

function dependentLines(dependents: readonly Dependent[], indent: string): readonly string[] {
  return dependents.flatMap(({ table, match, action, dependents: nested = [] }) => [
    `dependents    ${indent}${nameOf(table)} (${match.map(matchWords).join(', ')}): ${action}`,
    ...dependentLines(nested, `${indent}  `),
  ]);
}

function matchWords({ column, message }: Mapping['dependents'][number]['match'][number]): string {
  return `${column} = ${message}`;
}

function oneLine(sql: string): string {
  return sql.replaceAll(/\s*\n\s*/g, ' ').trim();
}

import { StoreError } from '../../core/errors.js';
import type { BatchRequest } from '../../core/ports.js';
import type { Plan } from '../../core/run.js';
import type { Mapping } from '../../core/mapping.js';
import type { WalkRange } from './batch-range.js';
import { eligibleSql, repeatableSql } from './eligible.js';
import { holdListSql } from './hold-clause.js';
import { columnsSql, type Pair } from './keys.js';
import { comment, quoted } from './names.js';
import { columnTypes, rangeSql } from './range.js';

/** A batch whose span was entered: whether anything stands in the hold list was read in this transaction. */
export type Work = BatchRequest & { readonly isHeld: boolean };

/** Which messages may go, asked of rows that nobody has locked yet. */
export function eligibleNow({ policy, plan, isHeld }: Work): string {
  const eligible = eligibleSql(policy, plan.horizon);
  return isHeld ? `${eligible} AND ${holdListSql(policy.mapping, plan)}` : eligible;
}

/**
 * What is asked again of rows that this transaction has locked under the whole condition. Their columns cannot have
 * changed; a subquery is not repeated: what it found may be a dependent that is gone by now, and in a DELETE it would
 * lock the rows that it reads.
 */
export function stillEligible({ policy, plan }: Work): string {
  return repeatableSql(policy, plan.horizon);
}

export function eligibleIn(work: Work, range: WalkRange): string {
  return `${rangeSql(work.policy.mapping, work.plan, range.from, range.to)} AND ${eligibleNow(work)}`;
}

export function marked({ run, span }: BatchRequest, sql: string): string {
  return `${comment(run.id, span.no)} ${sql}`;
}

/** The message columns that are needed after the rows are gone: the key, and what dependents refer to. */
export function neededColumns(mapping: Mapping): readonly string[] {
  const referred = mapping.dependents.flatMap(({ match }) => match.map(({ message }) => message));
  return [...new Set([...mapping.key, ...referred])];
}

export function neededSql(mapping: Mapping, plan: Plan, prefix: 'm.' | ''): string {
  return columnsSql(neededColumns(mapping), columnTypes(plan), prefix);
}

/** The message's own key, to be compared with one that was read. */
export function keyPairs(mapping: Mapping, plan: Plan): readonly Pair[] {
  const types = columnTypes(plan);
  return mapping.key.map((column) => ({
    mine: `m.${quoted(column)}`,
    theirs: column,
    type: types[column] ?? 'varchar',
  }));
}

/** What this transaction has locked is there until it deletes it. */
export function mustBeSame(locked: number, deleted: number, what: string): void {
  if (deleted === locked) return;
  throw new StoreError(
    'conflict',
    '',
    'delete a range of messages',
    `${locked} rows of ${what} were locked and ${deleted} deleted`,
    undefined,
  );
}

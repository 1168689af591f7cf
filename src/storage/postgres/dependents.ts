import type { PoolClient } from 'pg';
import { type Dependent, type Mapping, nameOf } from '../../core/mapping.js';
import type { BatchRequest } from '../../core/ports.js';
import type { DependentCounts, Plan } from '../../core/run.js';
import type { LockBudget } from './lock-budget.js';
import { comment, quoted, quotedTable } from './names.js';
import { columnTypes, Parameters } from './range.js';

/*
 * Keys travel as PostgreSQL array text ('{1,2,3}'), one array per column, from one statement's answer to the next
 * one's parameter, without being taken apart in this process.
 */

/** The message columns that are needed after the rows are gone: the key, and what dependents refer to. */
function neededColumns(mapping: Mapping): readonly string[] {
  const referred = mapping.dependents.flatMap((dependent) => dependent.match.map((pair) => pair.message));
  return [...new Set([...mapping.key, ...referred])];
}

export function returnedSql(mapping: Mapping): string {
  return neededColumns(mapping)
    .map((column) => `m.${quoted(column)}`)
    .join(', ');
}

export function returnedColumns(mapping: Mapping): string {
  const arrays = neededColumns(mapping).map(
    (column) => `array_agg(${quoted(column)})::text AS ${quoted(`a_${column}`)}`,
  );
  return ['count(*)::int AS n', ...arrays].join(', ');
}

/** Locks the rows of a condition and gives their keys. */
export function lockedKeysSql(
  mapping: Mapping,
  where: string,
  lock: 'FOR UPDATE' | 'FOR UPDATE SKIP LOCKED',
): string {
  return `WITH locked AS MATERIALIZED (SELECT ${returnedSql(mapping)} FROM ${quotedTable(mapping.table)} m WHERE ${where} ${lock})
    SELECT ${returnedColumns(mapping)} FROM locked`;
}

/** Keys of some messages as array texts, by column. */
export class Keys {
  readonly count: number;
  readonly #arrays: Readonly<Record<string, string>>;

  constructor(count: number, arrays: Readonly<Record<string, string>>) {
    this.count = count;
    this.#arrays = arrays;
  }

  array(column: string): string {
    return this.#arrays[column] ?? '{}';
  }

  /** A condition over alias `m` that holds for exactly these messages. */
  matchSql(mapping: Mapping, plan: Plan, parameters: Parameters): string {
    return this.#match(
      mapping.key.map((column) => ({ mine: `m.${quoted(column)}`, message: column })),
      plan,
      parameters,
    );
  }

  /** A condition over alias `d` that holds for exactly the dependents of these messages. */
  dependentSql(dependent: Dependent, plan: Plan, parameters: Parameters): string {
    return this.#match(
      dependent.match.map((pair) => ({ mine: `d.${quoted(pair.column)}`, message: pair.message })),
      plan,
      parameters,
    );
  }

  #match(
    pairs: readonly { readonly mine: string; readonly message: string }[],
    plan: Plan,
    parameters: Parameters,
  ): string {
    const types = columnTypes(plan);
    const arrays = pairs.map(({ message }) =>
      parameters.add(this.array(message), `${types[message] ?? 'text'}[]`),
    );
    return pairs.length === 1
      ? `${pairs[0]?.mine} = ANY(${arrays[0]})`
      : `(${pairs.map(({ mine }) => mine).join(', ')}) IN (SELECT * FROM unnest(${arrays.join(', ')}))`;
  }
}

/** The answer row of `returnedColumns`. */
export function keysOf(row: Readonly<Record<string, string | number | null>> | undefined): Keys {
  const arrays: Record<string, string> = {};
  for (const [name, value] of Object.entries(row ?? {})) {
    if (name.startsWith('a_') && typeof value === 'string') arrays[name.slice(2)] = value;
  }
  return new Keys(Number(row?.['n'] ?? 0), arrays);
}

/** Deletes or clears what goes with these messages, in the mapping's order; counted apart from the messages. */
export async function deleteDependents(
  client: PoolClient,
  budget: LockBudget,
  { policy: { mapping }, plan, run, span }: BatchRequest,
  keys: Keys,
): Promise<DependentCounts> {
  const counts: Record<string, number> = {};
  if (keys.count === 0) return counts;
  for (const dependent of mapping.dependents) {
    await budget.limit();
    const parameters = new Parameters();
    const where = keys.dependentSql(dependent, plan, parameters);
    const table = quotedTable(dependent.table);
    const statement =
      dependent.action === 'delete'
        ? `DELETE FROM ${table} AS d WHERE ${where}`
        : `UPDATE ${table} AS d SET ${dependent.match.map((pair) => `${quoted(pair.column)} = NULL`).join(', ')} WHERE ${where}`;
    const done = await client.query(`${comment(run.id, span.no)} ${statement}`, parameters.values);
    const name = nameOf(dependent.table);
    counts[name] = (counts[name] ?? 0) + (done.rowCount ?? 0);
  }
  return counts;
}

import type { Mapping } from '../../core/mapping.js';
import type { Plan } from '../../core/run.js';
import { quoted } from './names.js';

/**
 * Ranges of the walking order as SQL over alias `m`, and the plan's frozen facts that they need. A bound is a
 * canonical JSON array of text; it is compared by the database alone (collations, uuids, 64 bit), never here.
 */

/** A growing list of parameters: `add` gives the placeholder. */
export class Parameters {
  readonly values: unknown[] = [];
  readonly #places = new Map<string, string>();

  add(value: unknown, type: string): string {
    this.values.push(value);
    return `$${this.values.length}::${type}`;
  }

  /** The same value again under the same name is sent once. */
  once(name: string, value: unknown, type: string): string {
    const known = this.#places.get(`${name} ${type}`) ?? this.add(value, type);
    this.#places.set(`${name} ${type}`, known);
    return known;
  }
}

export type Bound = readonly string[];

export function boundOf(text: string): Bound {
  return JSON.parse(text) as Bound;
}

export function textOf(bound: Bound): string {
  return JSON.stringify(bound);
}

/** Types of the key's columns as the catalogue writes them, frozen into the plan. */
export function keyTypes(plan: Plan): readonly string[] {
  return JSON.parse(plan.guards['key_types'] ?? '[]') as string[];
}

/** Types of the message's columns. */
export function columnTypes(plan: Plan): Readonly<Record<string, string>> {
  return JSON.parse(plan.guards['column_types'] ?? '{}') as Record<string, string>;
}

const integerTypes = new Set(['smallint', 'integer', 'bigint']);

/** One integer column: bounds can be added to, and a range of n keys holds at most n rows. */
export function isCountable(plan: Plan): boolean {
  const types = keyTypes(plan);
  return plan.walk === 'key' && types.length === 1 && integerTypes.has(types[0] ?? '');
}

/**
 * Whether a batch ends at cursor + size, without asking the index: with at most 4 keys a row the range holds between
 * size/4 and size rows. Sparser keys are probed (`OFFSET size`), which bounds the rows exactly.
 */
export function isDense(plan: Plan): boolean {
  return plan.walk === 'blocks' || (isCountable(plan) && plan.sparseness <= 4);
}

export function keyColumns(mapping: Mapping): readonly string[] {
  return mapping.key.map((column) => `m.${quoted(column)}`);
}

/** The columns by which the walk is ordered: a bound has a text for each. */
export function orderColumns(mapping: Mapping, plan: Plan): readonly string[] {
  return [...(plan.walk === 'age' ? [`m.${quoted(mapping.age.column)}`] : []), ...keyColumns(mapping)];
}

/** `(cursor, to]` as conditions; an empty bound is no condition. */
export function rangeSql(
  mapping: Mapping,
  plan: Plan,
  parameters: Parameters,
  from: Bound,
  to: Bound,
): string {
  if (plan.walk === 'blocks') {
    const low = parameters.add(`(${from[0] ?? '0'},0)`, 'tid');
    const high = to.length === 0 ? null : parameters.add(`(${to[0]},0)`, 'tid');
    return `m.ctid >= ${low}${high === null ? '' : ` AND m.ctid < ${high}`}`;
  }
  const parts: string[] = [];
  if (from.length > 0) parts.push(compare(mapping, plan, parameters, '>', from));
  if (to.length > 0) parts.push(compare(mapping, plan, parameters, '<=', to));
  return parts.length === 0 ? 'true' : parts.join(' AND ');
}

function compare(
  mapping: Mapping,
  plan: Plan,
  parameters: Parameters,
  operator: string,
  bound: Bound,
): string {
  const types = [
    ...(plan.walk === 'age' ? [columnTypes(plan)[mapping.age.column] ?? 'text'] : []),
    ...keyTypes(plan),
  ];
  const columns = orderColumns(mapping, plan);
  const values = bound.map((value, index) => parameters.add(value, comparable(types[index] ?? 'text')));
  return columns.length === 1
    ? `${columns[0]} ${operator} ${values[0]}`
    : `(${columns.join(', ')}) ${operator} (${values.join(', ')})`;
}

/** One below the least smallint must still be a parameter; all integer types share an index operator family. */
function comparable(type: string): string {
  return integerTypes.has(type) ? 'bigint' : type;
}

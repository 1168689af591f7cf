import { StoreError } from '../../core/errors.js';
import type { Mapping } from '../../core/mapping.js';
import type { Plan } from '../../core/run.js';
import { quoted, textSql } from './names.js';

/**
 * Ranges of the walking order as SQL over alias `m`, and the plan's frozen facts that they need. A bound is a canonical
 * JSON array of text; it is compared by the database alone (collations, unsigned 64 bit), never here. A bound of fewer
 * values than the order has columns speaks of the first columns only: the ends of a walk by age are ages.
 */
export type Bound = readonly string[];

export function boundOf(text: string): Bound {
  return JSON.parse(text) as Bound;
}

export function textOf(bound: Bound): string {
  return JSON.stringify(bound);
}

/** Types of the message columns (DATA_TYPE of the catalogue), frozen into the plan. */
export function columnTypes(plan: Plan): Readonly<Record<string, string>> {
  return JSON.parse(plan.guards['column_types'] ?? '{}') as Record<string, string>;
}

/** The columns of the walking order: the key, or the age and then the key. */
export function walkOrder({ age, key }: Mapping, plan: Pick<Plan, 'walk'>): readonly string[] {
  return plan.walk === 'age' ? [age.column, ...key.filter((column) => column !== age.column)] : key;
}

const integers = new Set(['tinyint', 'smallint', 'mediumint', 'int', 'bigint']);

export function isInteger(type: string): boolean {
  return integers.has(type);
}

const binaries = new Set(['binary', 'varbinary', 'tinyblob', 'blob', 'mediumblob', 'longblob']);
const texts = new Set(['char', 'varchar', 'tinytext', 'text', 'mediumtext', 'longtext', 'uuid']);
const times = new Set(['date', 'datetime', 'timestamp']);

/** What values of a type may be compared with, so that equal means the same; null: nothing that can be written down. */
export function familyOf(type: string): 'number' | 'bytes' | 'text' | 'time' | null {
  if (integers.has(type) || type === 'decimal') return 'number';
  if (binaries.has(type)) return 'bytes';
  if (texts.has(type)) return 'text';
  return times.has(type) ? 'time' : null;
}

/** Whether values of a type can be written down exactly and compare as they are ordered in the index. */
export function canBeBound(type: string): boolean {
  return familyOf(type) !== null;
}

/** A column as text that `literal` turns back into the same value. */
export function asText(column: string, type: string): string {
  if (binaries.has(type)) return `HEX(${column})`;
  // As a number: a ZEROFILL column is otherwise written with its zeros here and without them where it is added to.
  if (integers.has(type)) return `CAST(${column} + 0 AS CHAR)`;
  return texts.has(type) ? column : `CAST(${column} AS CHAR)`;
}

/** A value as SQL, so that the server compares it as the column's own type. */
export function literal(value: string, type: string): string {
  if (integers.has(type) || type === 'decimal') {
    if (/^-?\d+(\.\d+)?$/.test(value)) return value;
    throw new StoreError(
      'other',
      'BOUND',
      'read a bound',
      `"${value}" is no number, but its column is ${type}`,
      undefined,
    );
  }
  if (binaries.has(type)) return `x'${value.replaceAll(/[^0-9A-Fa-f]/g, '')}'`;
  return textSql(value);
}

/** A walk by one integer column: bounds can be added to, and a range of n keys holds at most n rows. */
export function isCountable({ key }: Mapping, plan: Plan): boolean {
  const [first = ''] = key;
  return plan.walk === 'key' && key.length === 1 && integers.has(columnTypes(plan)[first] ?? '');
}

/**
 * Whether a batch ends at cursor + size, without asking the index: with at most 4 keys a row the range holds between
 * size/4 and size rows. Sparser keys are probed (`OFFSET size`), which bounds the rows exactly.
 */
export function isDense(mapping: Mapping, plan: Plan): boolean {
  return isCountable(mapping, plan) && plan.sparseness <= 4;
}

export function keyColumns(mapping: Mapping): readonly string[] {
  return mapping.key.map((column) => `m.${quoted(column)}`);
}

export function walkColumns(mapping: Mapping, plan: Plan): readonly string[] {
  return walkOrder(mapping, plan).map((column) => `m.${quoted(column)}`);
}

/**
 * `(cursor, to]` over `columns`; an empty bound is no condition. Several columns are written out as nested
 * conditions: a row constructor `(a, b) > (1, 2)` scans the index from its start (30,059 rows read instead of 60).
 */
export function rangeSql(
  mapping: Mapping,
  plan: Plan,
  from: Bound,
  to: Bound,
  columns = walkColumns(mapping, plan),
): string {
  const types = columnTypes(plan);
  const order = walkOrder(mapping, plan);
  const values = (bound: Bound): string[] =>
    bound.map((value, place) => literal(value, types[order[place] ?? ''] ?? 'varchar'));
  const parts: string[] = [];
  if (from.length > 0) parts.push(beyond(columns, values(from), '>', '>'));
  if (to.length > 0) parts.push(beyond(columns, values(to), '<', '<='));
  return parts.length === 0 ? 'true' : parts.join(' AND ');
}

/** `a >= 1 AND (a > 1 OR b > 2)`; the last column alone may be equal, when `last` says so. */
function beyond(
  columns: readonly string[],
  values: readonly string[],
  strict: '<' | '>',
  last: '<=' | '>',
): string {
  const [column = '', ...rest] = columns;
  const [value = '', ...others] = values;
  if (others.length === 0) return `${column} ${last} ${value}`;
  return `(${column} ${strict}= ${value} AND (${column} ${strict} ${value} OR ${beyond(rest, others, strict, last)}))`;
}

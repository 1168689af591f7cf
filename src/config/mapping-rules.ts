import { predicateProblems } from '../core/predicate.js';
import type { Dialect } from '../core/sql-tokens.js';
import { zoneOf } from './age-zone.js';
import { durationSeconds, longestRetentionSeconds } from './duration.js';
import { type FieldProblem, fieldName } from './schema-problems.js';
import { type FieldPath, valueAt } from './yaml-text.js';

/**
 * What the schema cannot say of a store: how its fields go together. The store may break the schema too (all problems
 * are told at once), so nothing is taken for granted.
 *
 * @param dialect of the database; null while it is not known, and the SQL is then read both ways.
 */
export function ruleProblems(store: unknown, dialect: Dialect | null): readonly FieldProblem[] {
  return [
    ...nameProblems(store),
    ...keyProblems(store),
    ...ageProblems(store),
    ...retentionProblems(store),
    ...processedProblems(store, dialect),
    ...holdProblems(store, dialect),
    ...dependentProblems(store),
    ...engineProblems(store, dialect),
  ];
}

const textAt = (value: unknown, ...path: FieldPath): string | null => {
  const found = valueAt(value, path);
  return typeof found === 'string' ? found : null;
};
const listAt = (value: unknown, ...path: FieldPath): readonly unknown[] => {
  const found = valueAt(value, path);
  return Array.isArray(found) ? (found as readonly unknown[]) : [];
};
const problem = (path: FieldPath, words: string): FieldProblem => ({
  path: ['stores', 0, ...path],
  words: `${fieldName(['stores', 0, ...path])} ${words}`,
});

function nameProblems(store: unknown): readonly FieldProblem[] {
  const [name, other] = [textAt(store, 'name'), textAt(store, 'store')];
  if (valueAt(store, ['name']) === undefined && valueAt(store, ['store']) === undefined)
    return [problem(['name'], 'is missing, expected a name for the store')];
  if (name !== null && other !== null && name !== other)
    return [problem(['store'], `is "${other}", but name is "${name}"; expected one of the two`)];
  return [];
}

function keyProblems(store: unknown): readonly FieldProblem[] {
  const columns = listAt(store, 'key').map((column) => textAt(column, 'column') ?? column);
  const twice = columns.findIndex((column, place) => columns.indexOf(column) !== place);
  return twice === -1
    ? []
    : [problem(['key', twice], `names "${String(columns[twice])}" again; expected each column once`)];
}

function ageProblems(store: unknown): readonly FieldProblem[] {
  const unit = textAt(store, 'age', 'unit');
  const zone = textAt(store, 'age', 'zone');
  if (unit === null) return [];
  const needsZone = unit === 'timestamp' || unit === 'datetime';
  if (zone === null || zone === '') {
    return needsZone && valueAt(store, ['age', 'zone']) === undefined
      ? [
          problem(
            ['age', 'zone'],
            `is missing: ${unit} is the reading of a clock; expected the zone in which the application writes: utc, an offset such as +02:00, or a zone such as Europe/Berlin`,
          ),
        ]
      : [];
  }
  if (!needsZone)
    return [problem(['age', 'zone'], `is "${zone}", but ${unit} has its zone in it; take the line away`)];
  const read = zoneOf(zone);
  return 'problem' in read ? [problem(['age', 'zone'], `is ${read.problem}`)] : [];
}

function retentionProblems(store: unknown): readonly FieldProblem[] {
  const seconds = retentionOf(store);
  if (seconds === null) return [];
  if (seconds > longestRetentionSeconds)
    return [problem(['retention'], `is "${String(valueAt(store, ['retention']))}", expected at most 36500d`)];
  if (seconds === 0 && valueAt(store, ['allow_zero_retention']) !== true)
    return [
      problem(
        ['retention'],
        'is 0: every processed message would go at once; expected a time such as 30d, or allow_zero_retention: true beside it if that is meant',
      ),
    ];
  return [];
}

/** Seconds; null when it cannot be read. */
export function retentionOf(store: unknown): number | null {
  const value = valueAt(store, ['retention']);
  return value === 0 ? 0 : typeof value === 'string' ? durationSeconds(value) : null;
}

/** A part that is there and is not switched off. */
export function isOn(part: unknown): boolean {
  return part !== undefined && valueAt(part, ['off_by_default']) !== true;
}

function processedProblems(store: unknown, dialect: Dialect | null): readonly FieldProblem[] {
  const processed = valueAt(store, ['processed']);
  if (typeof processed !== 'object' || processed === null) return [];
  const where = valueAt(processed, ['where']);
  const isEverything = valueAt(processed, ['everything']) === true;
  const found: FieldProblem[] = [];
  if (where === undefined && !isEverything)
    found.push(
      problem(['processed', 'where'], 'is missing, expected one SQL condition over the message as m'),
    );
  if (typeof where === 'string' && isEverything) {
    const asCondition = sqlProblems(where, dialect, 'message');
    const isNarrower = asCondition.length === 0;
    if (isNarrower)
      found.push(
        problem(['processed', 'everything'], 'is true, but where asks for less; expected one of the two'),
      );
    else
      found.push(
        ...sqlProblems(where, dialect, 'anything').map((words) => problem(['processed', 'where'], words)),
      );
  }
  for (const path of [['where'], ['legacy', 'where'], ['stale', 'where']] as const) {
    const sql = textAt(processed, ...path);
    if (sql === null || (path[0] === 'where' && isEverything)) continue;
    if (path[0] !== 'where' && !isOn(valueAt(processed, [path[0]]))) continue;
    found.push(
      ...sqlProblems(sql, dialect, 'message').map((words) => problem(['processed', ...path], words)),
    );
  }
  return found;
}

function holdProblems(store: unknown, dialect: Dialect | null): readonly FieldProblem[] {
  const names = holdNames(listAt(store, 'hold'));
  return listAt(store, 'hold').flatMap((hold, place) => {
    const name = names[place] ?? '';
    const sql = textAt(hold, 'where');
    return [
      ...(names.indexOf(name) === place
        ? []
        : [problem(['hold', place], `has the name "${name}" again; expected names that differ`)]),
      ...(name === 'hold_list'
        ? [
            problem(
              ['hold', place, 'name'],
              'is "hold_list", the name of the list that message-gc keeps; expected another',
            ),
          ]
        : []),
      ...(sql === null || !isOn(hold) ? [] : sqlProblems(sql, dialect, 'anything')).map((words) =>
        problem(['hold', place, 'where'], words),
      ),
    ];
  });
}

/** The name of each hold: its own, or its place in the list. */
export function holdNames(holds: readonly unknown[]): readonly string[] {
  return holds.map((hold, place) => textAt(hold, 'name') ?? `hold_${place + 1}`);
}

function sqlProblems(sql: string, dialect: Dialect | null, about: 'message' | 'anything'): readonly string[] {
  const read = dialect === null ? (['postgresql', 'mysql'] as const) : [dialect];
  const found = read.map((one) => predicateProblems(sql, { dialect: one, about }));
  return found.find((problems) => problems.length === 0) ?? found[0] ?? [];
}

function dependentProblems(store: unknown): readonly FieldProblem[] {
  const messages = tableAt(valueAt(store, ['table']));
  const look = (list: readonly unknown[], path: FieldPath): readonly FieldProblem[] =>
    list.flatMap((dependent, place) => {
      if (!isOn(dependent)) return [];
      const here = [...path, place];
      const action = textAt(dependent, 'action');
      const nested = listAt(dependent, 'dependents');
      const isSelf = isSameTable(messages, tableAt(valueAt(dependent, ['table'])));
      return [
        ...(isSelf && action === 'delete'
          ? [
              problem(
                [...here, 'action'],
                'is delete on the messages table itself, so messages would go that are not eligible; expected set_null or leave_to_fk',
              ),
            ]
          : []),
        ...(nested.length > 0 && action !== 'delete'
          ? [
              problem(
                [...here, 'dependents'],
                `stand below ${String(action)}; expected them below delete only`,
              ),
            ]
          : []),
        ...look(nested, [...here, 'dependents']),
      ];
    });
  return look(listAt(store, 'dependents'), ['dependents']);
}

type Named = { readonly schema: string | null; readonly name: string };

function tableAt(value: unknown): Named | null {
  if (typeof value === 'string') return tableOf(value);
  const name = textAt(value, 'name');
  return name === null ? null : { schema: textAt(value, 'schema'), name };
}

/** `schema.name`, or a name alone. */
export function tableOf(text: string): Named {
  const dot = text.indexOf('.');
  return dot === -1
    ? { schema: null, name: text }
    : { schema: text.slice(0, dot), name: text.slice(dot + 1) };
}

/** One that names no schema may be the other. */
function isSameTable(one: Named | null, other: Named | null): boolean {
  if (one === null || other === null || one.name !== other.name) return false;
  return one.schema === other.schema || one.schema === null || other.schema === null;
}

function engineProblems(store: unknown, dialect: Dialect | null): readonly FieldProblem[] {
  const engine = textAt(store, 'engine');
  const meant: Dialect | null = engine === null ? null : engine === 'postgresql' ? 'postgresql' : 'mysql';
  const found: FieldProblem[] = [];
  if (dialect !== null && meant !== null && meant !== dialect)
    found.push(
      problem(
        ['engine'],
        `is ${engine}, but the database is ${dialect === 'mysql' ? 'MySQL or MariaDB' : 'PostgreSQL'}; its SQL would be read otherwise`,
      ),
    );
  if (textAt(store, 'walk') === 'blocks' && (dialect ?? meant) === 'mysql')
    found.push(problem(['walk'], 'is blocks, which PostgreSQL only has; expected auto, key or age'));
  return found;
}

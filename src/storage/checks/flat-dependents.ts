import type { Dependent, Mapping, TableName } from '../../core/mapping.js';

/** A dependent with the table that its `match` refers to: the messages, or the dependent above it. */
export type FlatDependent = {
  readonly dependent: Dependent;
  readonly parent: TableName;
  /** The dependents from the messages down to this one, itself included. */
  readonly path: readonly Dependent[];
};

/** All levels in one list, in the mapping's order, those below behind the one above them. */
export function flatDependents(mapping: Mapping): readonly FlatDependent[] {
  const flat = (
    dependents: readonly Dependent[],
    parent: TableName,
    path: readonly Dependent[],
  ): readonly FlatDependent[] =>
    dependents.flatMap((dependent) => [
      { dependent, parent, path: [...path, dependent] },
      ...flat(dependent.dependents ?? [], dependent.table, [...path, dependent]),
    ]);
  return flat(mapping.dependents, mapping.table, []);
}

export function isSameTable(a: TableName, b: TableName): boolean {
  return a.schema === b.schema && a.name === b.name;
}

/** Names that the mapping uses of a table: those of the columns that a run reads or writes there. */
export function columnsUsed(mapping: Mapping, table: TableName): readonly string[] {
  const of = (owner: TableName, columns: readonly string[]): readonly string[] =>
    isSameTable(owner, table) ? columns : [];
  const own = [
    ...mapping.key,
    mapping.age.column,
    ...(mapping.holdList === null ? [] : [mapping.holdList.contact]),
  ];
  const matched = flatDependents(mapping).flatMap(({ dependent, parent }) => [
    ...of(
      dependent.table,
      dependent.match.map(({ column }) => column),
    ),
    ...of(
      parent,
      dependent.match.map(({ message }) => message),
    ),
  ]);
  return [...new Set([...of(mapping.table, own), ...matched])];
}

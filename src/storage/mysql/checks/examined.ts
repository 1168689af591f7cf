/** What the catalogue says of the tables of a mapping: read once, for all checks. */
import { StoreError } from '../../../core/errors.js';
import { type Dependent, type Mapping, nameOf, type TableName } from '../../../core/mapping.js';
import { flatDependents, isSameTable } from '../../checks/flat-dependents.js';
import { findTable, readIndexes, type RealTable } from '../catalogue.js';
import { quotedTable, textSql } from '../names.js';
import type { Session } from '../session.js';

export type Column = {
  readonly type: string;
  readonly notNull: boolean;
  /** `on update current_timestamp()` and its like, in lower case. */
  readonly extra: string;
};

export type ExaminedTable = {
  readonly table: TableName;
  /** As the mapping names it, quoted. */
  readonly sql: string;
  readonly role: 'messages' | 'dependent';
  /** What the mapping does with its rows; several entries may name one table. */
  readonly actions: readonly Dependent['action'][];
  /** Null when there is no such table, or none that this user may see. */
  readonly real: (RealTable & { readonly engine: string | null; readonly kind: string }) | null;
  readonly columns: ReadonlyMap<string, Column>;
};
export type PresentTable = ExaminedTable & { readonly real: NonNullable<ExaminedTable['real']> };

export async function readExaminedTables(
  session: Session,
  mapping: Mapping,
): Promise<readonly ExaminedTable[]> {
  const found = [await readTable(session, mapping.table, 'messages', [])];
  for (const { dependent } of flatDependents(mapping)) {
    const place = found.findIndex(({ table }) => isSameTable(table, dependent.table));
    const known = found[place];
    if (known === undefined)
      found.push(await readTable(session, dependent.table, 'dependent', [dependent.action]));
    else found[place] = { ...known, actions: [...known.actions, dependent.action] };
  }
  return found;
}

async function readTable(
  session: Session,
  table: TableName,
  role: ExaminedTable['role'],
  actions: ExaminedTable['actions'],
): Promise<ExaminedTable> {
  const real = await findTable(session, table).catch((error: unknown) => {
    if (error instanceof StoreError && error.kind === 'missing') return null;
    throw error;
  });
  return {
    table,
    sql: quotedTable(table),
    role,
    actions,
    real,
    columns: real === null ? new Map() : await readColumns(session, real),
  };
}

async function readColumns(
  session: Session,
  { database, name }: RealTable,
): Promise<ReadonlyMap<string, Column>> {
  const rows = await session.rows<{ name: string; type: string; nullable: string; extra: string }>(
    `SELECT COLUMN_NAME AS name, DATA_TYPE AS type, IS_NULLABLE AS nullable, EXTRA AS extra
     FROM information_schema.COLUMNS WHERE TABLE_SCHEMA = ${textSql(database)} AND TABLE_NAME = ${textSql(name)}`,
  );
  return new Map(
    rows.map((row) => [
      row.name,
      { type: row.type.toLowerCase(), notNull: row.nullable === 'NO', extra: row.extra.toLowerCase() },
    ]),
  );
}

export function present(tables: readonly ExaminedTable[]): readonly PresentTable[] {
  return tables.flatMap((table) => (table.real === null ? [] : [{ ...table, real: table.real }]));
}

/** Tables that are there and lose rows by our own statements, or have references cleared. */
export function changed(tables: readonly ExaminedTable[]): readonly PresentTable[] {
  return present(tables).filter(
    ({ role, actions }) => role === 'messages' || actions.includes('delete') || actions.includes('set_null'),
  );
}

export function namesOf(tables: readonly ExaminedTable[]): string {
  return tables.map(({ table }) => nameOf(table)).join(', ');
}

/** Column names know no case here. */
export function hasColumn({ columns }: ExaminedTable, wanted: string): boolean {
  return columnOf({ columns }, wanted) !== undefined;
}

export function columnOf({ columns }: Pick<ExaminedTable, 'columns'>, wanted: string): Column | undefined {
  const exact = columns.get(wanted);
  if (exact !== undefined) return exact;
  return [...columns].find(([name]) => name.toLowerCase() === wanted.toLowerCase())?.[1];
}

/** An index over all rows whose first columns are these, in any order. */
export async function leadsAnIndex(
  session: Session,
  real: RealTable,
  wanted: readonly string[],
): Promise<boolean> {
  const indexes = await readIndexes(session, real);
  return indexes.some(({ columns }) => {
    const leading = columns.slice(0, wanted.length).map((column) => column.toLowerCase());
    return wanted.every((column) => leading.includes(column.toLowerCase()));
  });
}

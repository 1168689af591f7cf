import { StoreError } from '../../core/errors.js';
import { nameOf, type TableName } from '../../core/mapping.js';
import { didYouMean } from '../../kit/nearest-name.js';
import { textSql } from './names.js';
import type { Session } from './session.js';

/** A table as the server writes its name. */
export type RealTable = { readonly database: string; readonly name: string };

export type FoundTable = RealTable & {
  readonly engine: string | null;
  readonly kind: string;
  readonly rows: number;
};

/** By its exact name, or without case where the server keeps names without case. */
export async function findTable(session: Session, table: TableName): Promise<FoundTable> {
  const database = table.schema === null ? 'DATABASE()' : textSql(table.schema);
  const rows = await session.rows<FoundTable & { folds: number }>(
    `SELECT TABLE_SCHEMA AS \`database\`, TABLE_NAME AS name, ENGINE AS engine, TABLE_TYPE AS kind,
       CAST(coalesce(TABLE_ROWS, 0) AS CHAR) + 0 AS \`rows\`, @@lower_case_table_names AS folds
     FROM information_schema.TABLES
     WHERE TABLE_SCHEMA = ${database} AND TABLE_NAME = ${textSql(table.name)}`,
  );
  const found = rows.find(({ name }) => name === table.name) ?? rows.find(({ folds }) => folds !== 0);
  if (found !== undefined) return found;
  const others = await session.rows<{ name: string }>(
    `SELECT TABLE_NAME AS name FROM information_schema.TABLES
     WHERE TABLE_SCHEMA = ${database} AND TABLE_NAME NOT LIKE 'message\\_gc\\_%' LIMIT 5000`,
  );
  const names = others.map(({ name }) => name);
  throw missing(`table ${nameOf(table)}${didYouMean(table.name, names)}`);
}

/** A batch must be able to go back: rows, count and cursor are one transaction. */
export function refuseWithoutTransactions({ name, engine, kind }: FoundTable): void {
  if (kind === 'BASE TABLE' && engine === 'InnoDB') return;
  throw unfit(
    'ENGINE',
    kind === 'BASE TABLE'
      ? `The table ${name} is kept by the engine ${engine ?? 'unknown'}, which has no transactions: a batch that fails could not be undone, and its count would be wrong. Only InnoDB tables are collected (ALTER TABLE ${name} ENGINE=InnoDB)`
      : `${name} is a ${kind.toLowerCase()}, not a table; name the table behind it`,
  );
}

export type Column = {
  /** DATA_TYPE of the catalogue, in small letters. */
  readonly type: string;
  readonly isNullable: boolean;
  /** Null: not a text. */
  readonly collation: string | null;
  /** Whether the server sets it anew whenever the row is changed. */
  readonly isMoved: boolean;
};
export type Columns = Readonly<Record<string, Column>>;

export async function readColumns(session: Session, { database, name }: RealTable): Promise<Columns> {
  const rows = await session.rows<{
    name: string;
    type: string;
    nullable: string;
    collation: string | null;
    extra: string;
  }>(
    `SELECT COLUMN_NAME AS name, DATA_TYPE AS type, IS_NULLABLE AS nullable, COLLATION_NAME AS collation, EXTRA AS extra
     FROM information_schema.COLUMNS WHERE TABLE_SCHEMA = ${textSql(database)} AND TABLE_NAME = ${textSql(name)}`,
  );
  return Object.fromEntries(
    rows.map((row) => [
      row.name,
      {
        type: row.type.toLowerCase(),
        isNullable: row.nullable === 'YES',
        collation: row.collation,
        isMoved: /on update/i.test(row.extra),
      },
    ]),
  );
}

/** The named column, by its name as the table has it. */
export function columnOf(columns: Columns, name: string, table: TableName): Column {
  const column = columns[name];
  if (column !== undefined) return column;
  throw missing(`column ${name} of ${nameOf(table)}${didYouMean(name, Object.keys(columns))}`);
}

export type Index = {
  readonly name: string;
  readonly isUnique: boolean;
  readonly columns: readonly string[];
};

/** Whole columns only: an index over the start of a text (`SUB_PART`) does not order it. */
export async function readIndexes(
  session: Session,
  { database, name }: RealTable,
): Promise<readonly Index[]> {
  const rows = await session.rows<{
    name: string;
    other: number;
    column: string | null;
    part: number | null;
  }>(
    `SELECT INDEX_NAME AS name, NON_UNIQUE AS other, COLUMN_NAME AS \`column\`, SUB_PART AS part
     FROM information_schema.STATISTICS
     WHERE TABLE_SCHEMA = ${textSql(database)} AND TABLE_NAME = ${textSql(name)} AND INDEX_TYPE = 'BTREE'
     ORDER BY INDEX_NAME = 'PRIMARY' DESC, INDEX_NAME, SEQ_IN_INDEX`,
  );
  const indexes = new Map<string, { isUnique: boolean; columns: string[] }>();
  for (const row of rows) {
    const index = indexes.get(row.name) ?? { isUnique: Number(row.other) === 0, columns: [] };
    index.columns.push(row.column === null || row.part !== null ? '' : row.column);
    indexes.set(row.name, index);
  }
  return [...indexes].map(([called, index]) => ({ name: called, ...index }));
}

export function missing(what: string): StoreError {
  return new StoreError('missing', '1146', 'read the catalogue', `There is no ${what}`, undefined);
}

/** Without it every batch would read, and lock, the whole table. */
export function noIndex(what: string): StoreError {
  return unfit('INDEX', `There is no ${what}; create it first`);
}

export function unfit(code: string, words: string): StoreError {
  return new StoreError('unfit', code, 'plan the run', words, undefined);
}

import { StoreError } from '../../core/errors.js';
import { type Mapping, nameOf, type TableName } from '../../core/mapping.js';
import { textSql } from './names.js';
import { canBeBound } from './range.js';
import type { Session } from './session.js';

/** A table as the server writes its name. */
export type RealTable = { readonly database: string; readonly name: string };

/** What the catalogue and the statistics say of the tables of a mapping. */
export type TableFacts = {
  /** Every table that loses rows, the messages table first. */
  readonly tables: readonly RealTable[];
  readonly keyTypes: readonly string[];
  readonly columnTypes: Readonly<Record<string, string>>;
  /** A unique index of exactly the key's columns, in its order. */
  readonly keyIndex: string;
  /** For each dependent, an index that begins with the columns by which it is matched. */
  readonly dependentIndexes: readonly string[];
  /** Estimated rows of the messages table; InnoDB's guess may be wrong by half. */
  readonly rows: number;
};

export async function readTableFacts(session: Session, mapping: Mapping): Promise<TableFacts> {
  const messages = await findTable(session, mapping.table);
  const dependents = [];
  for (const dependent of mapping.dependents) dependents.push(await findTable(session, dependent.table));
  for (const table of [messages, ...dependents]) refuseWithoutTransactions(table);
  const columnTypes = await readColumnTypes(session, messages);
  const keyIndexes = await readIndexes(session, messages);
  const keyIndex = keyIndexes.find(
    ({ isUnique, columns }) => isUnique && columns.join('\n') === mapping.key.join('\n'),
  );
  if (keyIndex === undefined)
    throw noIndex(`unique index over (${mapping.key.join(', ')}) of ${nameOf(mapping.table)}`);
  const dependentIndexes: string[] = [];
  for (const [place, dependent] of mapping.dependents.entries()) {
    const wanted = new Set(dependent.match.map((pair) => pair.column));
    const table = dependents[place];
    const found =
      table &&
      (await readIndexes(session, table)).find(({ columns }) => {
        const leading = new Set(columns.slice(0, wanted.size));
        return leading.size === wanted.size && [...wanted].every((column) => leading.has(column));
      });
    if (!found) throw noIndex(`index over (${[...wanted].join(', ')}) of ${nameOf(dependent.table)}`);
    dependentIndexes.push(found.name);
  }
  return {
    tables: [messages, ...dependents].map(({ database, name }) => ({ database, name })),
    keyTypes: mapping.key.map((column) => {
      const type = columnTypes[column];
      if (type === undefined) throw missing(`column ${column} of ${nameOf(mapping.table)}`);
      if (canBeBound(type)) return type;
      throw new StoreError(
        'unfit',
        'KEY_TYPE',
        'read the catalogue',
        `The key column ${column} of ${nameOf(mapping.table)} is of type ${type}, whose values cannot be written down exactly or are not ordered as they are written; choose another unique key`,
        undefined,
      );
    }),
    columnTypes,
    keyIndex: keyIndex.name,
    dependentIndexes,
    rows: messages.rows,
  };
}

type FoundTable = RealTable & {
  readonly engine: string | null;
  readonly kind: string;
  readonly rows: number;
};

/** By its exact name, or without case where the server keeps names without case. */
export async function findTable(session: Session, table: TableName): Promise<FoundTable> {
  const rows = await session.rows<FoundTable & { folds: number }>(
    `SELECT TABLE_SCHEMA AS \`database\`, TABLE_NAME AS name, ENGINE AS engine, TABLE_TYPE AS kind,
       CAST(coalesce(TABLE_ROWS, 0) AS CHAR) + 0 AS \`rows\`, @@lower_case_table_names AS folds
     FROM information_schema.TABLES
     WHERE TABLE_SCHEMA = ${table.schema === null ? 'DATABASE()' : textSql(table.schema)} AND TABLE_NAME = ${textSql(table.name)}`,
  );
  const found = rows.find(({ name }) => name === table.name) ?? rows.find(({ folds }) => folds !== 0);
  if (found === undefined) throw missing(`table ${nameOf(table)}`);
  return found;
}

/** A batch must be able to go back: rows, count and cursor are one transaction. */
function refuseWithoutTransactions({ name, engine, kind }: FoundTable): void {
  if (kind === 'BASE TABLE' && engine === 'InnoDB') return;
  throw new StoreError(
    'unfit',
    'ENGINE',
    'plan the run',
    kind === 'BASE TABLE'
      ? `The table ${name} is kept by the engine ${engine ?? 'unknown'}, which has no transactions: a batch that fails could not be undone, and its count would be wrong. Only InnoDB tables are collected (ALTER TABLE ${name} ENGINE=InnoDB)`
      : `${name} is a ${kind.toLowerCase()}, not a table`,
    undefined,
  );
}

async function readColumnTypes(
  session: Session,
  { database, name }: RealTable,
): Promise<Readonly<Record<string, string>>> {
  const rows = await session.rows<{ name: string; type: string }>(
    `SELECT COLUMN_NAME AS name, DATA_TYPE AS type FROM information_schema.COLUMNS
     WHERE TABLE_SCHEMA = ${textSql(database)} AND TABLE_NAME = ${textSql(name)}`,
  );
  return Object.fromEntries(rows.map((row) => [row.name, row.type.toLowerCase()]));
}

type Index = { readonly name: string; readonly isUnique: boolean; readonly columns: readonly string[] };

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

function missing(what: string): StoreError {
  return new StoreError('missing', '1146', 'read the catalogue', `There is no ${what}`, undefined);
}

/** Without it every batch would read, and lock, the whole table. */
function noIndex(what: string): StoreError {
  return new StoreError('unfit', 'INDEX', 'plan the run', `There is no ${what}; create it first`, undefined);
}

import { type Age, type Mapping, nameOf } from '../../core/mapping.js';
import {
  type Column,
  columnOf,
  type Columns,
  findTable,
  type Index,
  noIndex,
  readColumns,
  readIndexes,
  type RealTable,
  refuseWithoutTransactions,
  unfit,
} from './catalogue.js';
import { type FoundDependent, readDependents } from './dependent-facts.js';
import { textSql } from './names.js';
import { canBeBound, familyOf } from './range.js';
import type { Session } from './session.js';

/** What the catalogue and the statistics say of the tables of a mapping. */
export type TableFacts = {
  readonly messages: RealTable;
  readonly columns: Columns;
  /** A unique index of exactly the key's columns, in its order. */
  readonly keyIndex: string;
  /** An index in the order of the age and then the key; null: none. */
  readonly ageIndex: string | null;
  readonly dependents: readonly FoundDependent[];
  /** Estimated rows of the messages table; InnoDB's guess may be wrong by half. */
  readonly rows: number;
};

/** Reads the catalogue, and refuses with words what a run could not collect exactly or gently. */
export async function readTableFacts(session: Session, mapping: Mapping): Promise<TableFacts> {
  const found = await findTable(session, mapping.table);
  refuseWithoutTransactions(found);
  const messages = { database: found.database, name: found.name };
  const columns = await readColumns(session, messages);
  const indexes = await readIndexes(session, messages);
  const keyIndex = findKeyIndex(mapping, columns, indexes);
  await refuseAge(session, mapping, columnOf(columns, mapping.age.column, mapping.table));
  if (mapping.holdList !== null) columnOf(columns, mapping.holdList.contact, mapping.table);
  return {
    messages,
    columns,
    keyIndex,
    ageIndex: findAgeIndex(mapping, columns, indexes, keyIndex),
    dependents: await readDependents(session, mapping, messages, columns),
    rows: found.rows,
  };
}

function findKeyIndex({ key, table }: Mapping, columns: Columns, indexes: readonly Index[]): string {
  const words = `The key (${key.join(', ')}) of ${nameOf(table)}`;
  for (const name of key) {
    const { type, isNullable } = columnOf(columns, name, table);
    if (!canBeBound(type)) {
      throw unfit(
        'KEY_TYPE',
        `The key column ${name} of ${nameOf(table)} is of type ${type}, whose values cannot be written down exactly or are not ordered as they are written; choose another unique key`,
      );
    }
    if (isNullable) {
      throw unfit(
        'KEY_NULL',
        `${words} may be NULL in ${name}, so it does not tell every row from the others; choose a key whose columns are NOT NULL`,
      );
    }
  }
  const fitting = indexes.filter((index) => index.columns.join('\n') === key.join('\n'));
  const unique = fitting.find(({ isUnique }) => isUnique);
  if (unique !== undefined) return unique.name;
  const others = indexes.filter((index) => index.isUnique && !index.columns.includes(''));
  const list = others.map(({ name, columns: its }) => `${name} (${its.join(', ')})`).join(', ');
  const choice = list === '' ? '' : `. Unique here: ${list}`;
  if (fitting[0] !== undefined) {
    throw unfit(
      'KEY_UNIQUE',
      `${words} is not unique: its index ${fitting[0].name} allows several rows of one key${choice}`,
    );
  }
  throw noIndex(`unique index over (${key.join(', ')}) of ${nameOf(table)}${choice}`);
}

/** In the order of the age and then the key; a secondary index of InnoDB ends with the primary key by itself. */
function findAgeIndex(
  { age, key }: Mapping,
  columns: Columns,
  indexes: readonly Index[],
  keyIndex: string,
): string | null {
  if (!canBeBound(columns[age.column]?.type ?? '')) return null;
  const rest = key.filter((column) => column !== age.column);
  const fits = ({ columns: its }: Index): boolean =>
    its[0] === age.column &&
    (its.length === 1 ? keyIndex === 'PRIMARY' : its.slice(1).join('\n') === rest.join('\n'));
  return indexes.find(fits)?.name ?? null;
}

/** A text that is no number would be 0, or the number that it begins with: a wrong age. */
async function refuseAge(session: Session, { age, table }: Mapping, column: Column): Promise<void> {
  const words = `The age column ${age.column} of ${nameOf(table)} is of type ${column.type}`;
  const { unit, zone } = age;
  if (!fitsUnit(unit, column.type)) {
    throw unfit('AGE_TYPE', `${words}, which cannot be read in the unit ${unit}: ${unitFor(column.type)}`);
  }
  if (unit !== 'datetime' || zone === null || zone.toUpperCase() === 'UTC') return;
  const rows = await session.rows<{ at: string | null }>(
    `SELECT CONVERT_TZ('2024-01-01 00:00:00', '+00:00', ${textSql(zone)}) AS at`,
  );
  if (rows[0]?.at != null) return;
  throw unfit(
    'AGE_ZONE',
    `The server does not know the time zone ${zone} of the age column ${age.column}: its tables of time zones are empty, or there is no zone of that name. Load them (mysql_tzinfo_to_sql /usr/share/zoneinfo | mysql -u root mysql), or say UTC or an offset such as +02:00`,
  );
}

function fitsUnit(unit: Age['unit'], type: string): boolean {
  if (unit === 'timestamptz') return type === 'timestamp';
  if (unit === 'datetime') return type === 'datetime' || type === 'date';
  return familyOf(type) === 'number' || type === 'float' || type === 'double';
}

function unitFor(type: string): string {
  if (type === 'timestamp') return 'say timestamptz, for a TIMESTAMP is a moment';
  if (type === 'datetime' || type === 'date') return 'say datetime, with the zone of its clock';
  if (familyOf(type) === 'number') return 'say epoch_s, epoch_ms, epoch_us or epoch_ns';
  return 'choose a column of numbers or times';
}

/** The doctor's look at whether the tables and columns of a mapping are there, and are what it takes them for. */
import { type Mapping, nameOf } from '../../../core/mapping.js';
import type { Finding } from '../../../core/ports.js';
import { ok } from '../../checks/finding.js';
import { columnsUsed } from '../../checks/flat-dependents.js';
import { meantWords } from '../../../kit/nearest-name.js';
import { readIndexes } from '../catalogue.js';
import { quoted, textSql } from '../names.js';
import { canBeBound } from '../range.js';
import type { Session } from '../session.js';
import { columnOf, type ExaminedTable, hasColumn, namesOf, present, type PresentTable } from './examined.js';

export async function presenceFindings(
  session: Session,
  mapping: Mapping,
  tables: readonly ExaminedTable[],
): Promise<readonly Finding[]> {
  const findings: Finding[] = [];
  const missing = tables.filter(({ real }) => real === null);
  if (missing.length === 0)
    findings.push(ok('table_present', `${namesOf(tables)}: all there.`, 'The mapping names them.'));
  for (const { table } of missing) {
    const rows = await session.rows<{ name: string }>(
      `SELECT TABLE_NAME AS name FROM information_schema.TABLES
       WHERE TABLE_SCHEMA = ${table.schema === null ? 'DATABASE()' : textSql(table.schema)} LIMIT 2000`,
    );
    const names = rows.map(({ name }) => name);
    findings.push({
      level: 'error',
      check: 'table_present',
      found: `There is no table ${nameOf(table)}, or this user may not see it.${meantWords(table.name, names)}`,
      why: 'The store mapping names it.',
      todo: 'Correct the name in the mapping (upper and lower case may count), create the table, or grant SELECT on it.',
    });
  }
  for (const table of present(tables)) findings.push(engine(table.real), ...columns(mapping, table));
  return findings;
}

/** What keeps the table: only InnoDB can take a batch back. */
function engine({ name, engine: found, kind }: PresentTable['real']): Finding {
  const check = 'table_engine';
  const why =
    'Rows, count and place of a batch are one transaction; in a table without transactions a failed batch could not be undone.';
  if (kind === 'BASE TABLE' && found === 'InnoDB') return ok(check, `${name} is an InnoDB table.`, why);
  if (kind !== 'BASE TABLE') {
    const todo = 'Name the table behind it in the mapping.';
    return { level: 'error', check: 'table_kind', found: `${name} is no table (${kind}).`, why, todo };
  }
  const todo = `ALTER TABLE ${quoted(name)} ENGINE=InnoDB;`;
  return {
    level: 'error',
    check,
    found: `${name} is kept by the engine ${found ?? 'unknown'}, which has no transactions.`,
    why,
    todo,
  };
}

function columns(mapping: Mapping, table: ExaminedTable): readonly Finding[] {
  const check = 'column_present';
  const why = 'The store mapping names it.';
  const used = columnsUsed(mapping, table.table);
  const missing = used.filter((column) => !hasColumn(table, column));
  if (missing.length === 0) return [ok(check, `${nameOf(table.table)} has ${used.join(', ')}.`, why)];
  return missing.map((column) => ({
    level: 'error',
    check,
    found: `${nameOf(table.table)} has no column ${column}.${meantWords(column, [...table.columns.keys()])}`,
    why,
    todo: 'Correct the name in the mapping.',
  }));
}

/** The key must name one row, be walked in its order, and have values that can be written down. */
export async function keyFindings(
  session: Session,
  mapping: Mapping,
  messages: PresentTable,
): Promise<readonly Finding[]> {
  const words = mapping.key.join(', ');
  const why =
    'A batch remembers its place by the key: a key that several rows share would be counted wrongly, and one without an index would be looked for in the whole table.';
  const same = (columns: readonly string[]): boolean =>
    columns.join('\n').toLowerCase() === mapping.key.join('\n').toLowerCase();
  const index = (await readIndexes(session, messages.real)).filter(({ columns }) => same(columns));
  const unique = index.find(({ isUnique }) => isUnique);
  const name = nameOf(mapping.table);
  const findings: Finding[] = [
    unique !== undefined
      ? ok('key_unique', `${words} is unique, by the index ${unique.name}.`, why)
      : {
          level: 'error',
          check: 'key_unique',
          found: `The key (${words}) of ${name} is not known to be unique: ${index[0] === undefined ? 'no index over exactly these columns, in this order' : `the index ${index[0].name} is not unique`}.`,
          why,
          todo: `Name the primary key's columns in the mapping, or: CREATE UNIQUE INDEX ${quoted(`${messages.real.name}_gc_key`)} ON ${messages.sql} (${mapping.key.map(quoted).join(', ')});`,
        },
  ];
  const whyNull =
    'NULL is not in the order of the key: such a row would never be walked, and any number may have it.';
  const nullable = mapping.key.filter((column) => columnOf(messages, column)?.notNull === false);
  findings.push(
    nullable.length === 0
      ? ok('key_not_null', 'No part of the key can be NULL.', whyNull)
      : {
          level: 'error',
          check: 'key_not_null',
          found: `${nullable.join(', ')} of ${name} can be NULL.`,
          why: whyNull,
          todo: `Declare them NOT NULL (ALTER TABLE ${messages.sql} MODIFY …), or name another key.`,
        },
  );
  const strange = mapping.key.filter((column) => !canBeBound(columnOf(messages, column)?.type ?? 'int'));
  if (strange.length > 0) {
    findings.push({
      level: 'error',
      check: 'key_type',
      found: `${strange.map((column) => `${column} is of type ${columnOf(messages, column)?.type ?? ''}`).join(', ')}.`,
      why: 'Values of this type cannot be written down exactly, or are not ordered as they are written.',
      todo: 'Name another unique key in the mapping.',
    });
  }
  return findings;
}

/** The doctor's look at whether the tables and columns of a mapping are there, and are what it takes them for. */
import { type Mapping, nameOf } from '../../../core/mapping.js';
import type { Finding } from '../../../core/ports.js';
import { ok } from '../../checks/finding.js';
import { columnsUsed } from '../../checks/flat-dependents.js';
import { meantWords } from '../../../kit/nearest-name.js';
import type { Queryable } from '../own-tables.js';
import { type ExaminedTable, namesOf, present } from './examined.js';

export async function presenceFindings(
  q: Queryable,
  mapping: Mapping,
  tables: readonly ExaminedTable[],
): Promise<readonly Finding[]> {
  const findings: Finding[] = [];
  const missing = tables.filter(({ oid }) => oid === null);
  if (missing.length === 0)
    findings.push(ok('table_present', `${namesOf(tables)}: all there.`, 'The mapping names them.'));
  for (const { table } of missing) {
    const names = await relationsBeside(q, table.schema);
    findings.push({
      level: 'error',
      check: 'table_present',
      found: `There is no table ${nameOf(table)}.${meantWords(table.name, names)}`,
      why: 'The store mapping names it.',
      todo: 'Correct the name in the mapping (upper and lower case count), or create the table.',
    });
  }
  for (const table of present(tables)) {
    findings.push(kind(table), ...columns(mapping, table));
  }
  return findings;
}

async function relationsBeside(q: Queryable, schema: string | null): Promise<readonly string[]> {
  const { rows } = await q.query(
    `SELECT c.relname AS name FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
      WHERE c.relkind IN ('r', 'p', 'v') AND n.nspname = coalesce($1, current_schema()) LIMIT 2000`,
    [schema],
  );
  return rows.map((row) => String(row['name']));
}

function kind({ table, kind: found, isParent, role }: ExaminedTable): Finding {
  const check = 'table_kind';
  const name = nameOf(table);
  if (found !== 'r' && found !== 'p') {
    const what = { v: 'a view', m: 'a materialised view', f: 'a foreign table' }[found] ?? 'no table';
    return {
      level: 'error',
      check,
      found: `${name} is ${what}.`,
      why: 'Rows are locked, deleted and counted where they are stored.',
      todo: 'Name the table behind it in the mapping.',
    };
  }
  const why =
    'Rows of partitions and of inheriting tables lie in other files, where blocks and triggers are others.';
  if (found === 'r' && !isParent) return ok(check, `${name} is a plain table.`, why);
  return {
    level: 'warning',
    check,
    found: `${name} ${found === 'p' ? 'is partitioned' : 'has tables that inherit from it'}.`,
    why,
    todo:
      role === 'messages'
        ? 'Nothing: it is walked by its key, with the foreign-key checks on, which is slower. Where whole partitions are done with, dropping them yourself gives their room back at once.'
        : 'Nothing: its rows are found in all of them.',
  };
}

function columns(mapping: Mapping, { table, columns: found }: ExaminedTable): readonly Finding[] {
  const check = 'column_present';
  const why = 'The store mapping names it.';
  const used = columnsUsed(mapping, table);
  const missing = used.filter((column) => !found.has(column));
  if (missing.length === 0) return [ok(check, `${nameOf(table)} has ${used.join(', ')}.`, why)];
  return missing.map((column) => ({
    level: 'error',
    check,
    found: `${nameOf(table)} has no column ${column}.${meantWords(column, [...found.keys()])}`,
    why,
    todo: 'Correct the name in the mapping (upper and lower case count).',
  }));
}

/** The doctor's look at the foreign keys into the tables that lose rows. */
import { type Mapping, nameOf, type TableName } from '../../../core/mapping.js';
import type { Finding } from '../../../core/ports.js';
import { ok } from '../../checks/finding.js';
import { flatDependents } from '../../checks/flat-dependents.js';
import { type ForeignKey, type OnDelete, referenceFindings } from '../../checks/references.js';
import { kindOf } from '../errors.js';
import { catalogued, foreignKeyTables, tableOfName } from '../innodb-names.js';
import { quoted, quotedTable, textSql } from '../names.js';
import type { Session } from '../session.js';
import { indexSql } from './age.js';
import { changed, columnOf, type ExaminedTable, leadsAnIndex, type PresentTable } from './examined.js';

/** A constraint as one of two catalogues tells it. */
type Told = {
  readonly name: string;
  readonly database: string;
  readonly table: string;
  readonly into: string;
  readonly columns: string[];
  readonly referenced: string[];
  readonly onDelete: OnDelete;
};

export async function foreignKeyFindings(
  session: Session,
  mapping: Mapping,
  tables: readonly ExaminedTable[],
): Promise<readonly Finding[]> {
  const losing = changed(tables).filter(
    ({ role, actions }) => role === 'messages' || actions.includes('delete'),
  );
  const all = await fromInnodb(session, losing);
  const told = await complete(session, losing, all);
  const keys: ForeignKey[] = [];
  for (const one of told) keys.push(await keyOf(session, tables, losing, one));
  return [
    ...referenceFindings(mapping, keys),
    ...(all === null ? [partial()] : []),
    ...(await matchIndexes(session, mapping, tables)),
  ];
}

/**
 * Letters beyond ASCII have spellings of their own in InnoDB's catalogue, which are not read here: keys between such
 * names come from the other one, which shows what this user may see.
 */
async function complete(
  session: Session,
  losing: readonly PresentTable[],
  all: readonly Told[] | null,
): Promise<readonly Told[]> {
  const legible = (all ?? []).filter((one) => !isStrange(one.database + one.table + one.into));
  const isWhole =
    all !== null &&
    legible.length === all.length &&
    !losing.some(({ real }) => isStrange(real.database + real.name));
  if (isWhole) return all;
  const idOf = ({ database, table, name }: Told): string => JSON.stringify([database, table, name]);
  const known = new Set(legible.map(idOf));
  const seen = await fromInformationSchema(session, losing);
  return [...legible, ...seen.filter((one) => !known.has(idOf(one)))];
}

function isStrange(name: string): boolean {
  return /[^ -.0-~]|@/.test(name);
}

function partial(): Finding {
  return {
    level: 'warning',
    check: 'foreign_keys',
    found: 'Foreign keys of tables that this user may not see cannot be ruled out without PROCESS.',
    why: 'A message that a row of another table refers to cannot be deleted before that row.',
    todo: 'Grant what privilege_unchecked names.',
  };
}

/** Bits of TYPE: 1 deletes along, 2 clears; neither: the server refuses. */
function actionOf(type: number): OnDelete {
  if ((type & 1) !== 0) return 'cascade';
  return (type & 2) !== 0 ? 'set null' : 'no action';
}

/** All foreign keys, whoever owns them; null without the privilege PROCESS. */
async function fromInnodb(
  session: Session,
  tables: readonly PresentTable[],
): Promise<readonly Told[] | null> {
  const { can } = session;
  const from = foreignKeyTables(can);
  try {
    const rows = await session.rows<{
      id: string;
      from: string;
      into: string;
      type: number;
      column: string;
      other: string;
    }>(
      `SELECT f.ID AS id, f.FOR_NAME AS \`from\`, f.REF_NAME AS \`into\`, f.TYPE AS type, c.FOR_COL_NAME AS \`column\`, c.REF_COL_NAME AS other
       FROM ${from.keys} f JOIN ${from.columns} c ON c.ID = f.ID
       WHERE f.REF_NAME IN (${catalogued(
         can,
         tables.map(({ real }) => real),
       )}) ORDER BY f.ID, c.POS`,
    );
    return grouped(
      rows.map(({ id, type, column, other, ...row }) => {
        const { database, name: table } = tableOfName(can, row.from);
        const { name } = tableOfName(can, id);
        const { name: into } = tableOfName(can, row.into);
        return { id, name, database, table, into, onDelete: actionOf(type), column, other };
      }),
    );
  } catch (error) {
    if (kindOf(error).kind === 'denied') return null;
    throw error;
  }
}

/** What this user may see of them. */
async function fromInformationSchema(
  session: Session,
  tables: readonly PresentTable[],
): Promise<readonly Told[]> {
  const rows = await session.rows<{
    name: string;
    database: string;
    table: string;
    into: string;
    rule: string;
    column: string;
    other: string;
  }>(
    `SELECT r.CONSTRAINT_NAME AS name, r.CONSTRAINT_SCHEMA AS \`database\`, r.TABLE_NAME AS \`table\`,
       r.REFERENCED_TABLE_NAME AS \`into\`, r.DELETE_RULE AS rule, k.COLUMN_NAME AS \`column\`, k.REFERENCED_COLUMN_NAME AS other
     FROM information_schema.REFERENTIAL_CONSTRAINTS r JOIN information_schema.KEY_COLUMN_USAGE k
       ON k.CONSTRAINT_SCHEMA = r.CONSTRAINT_SCHEMA AND k.CONSTRAINT_NAME = r.CONSTRAINT_NAME AND k.TABLE_NAME = r.TABLE_NAME
     WHERE r.CONSTRAINT_SCHEMA IN (${[...new Set(tables.map(({ real }) => textSql(real.database)))].join(', ')})
       AND r.REFERENCED_TABLE_NAME IN (${tables.map(({ real }) => textSql(real.name)).join(', ')})
     ORDER BY r.CONSTRAINT_NAME, k.ORDINAL_POSITION`,
  );
  return grouped(
    rows.map((row) => ({
      ...row,
      id: `${row.table}/${row.name}`,
      onDelete: row.rule.toLowerCase() as OnDelete,
    })),
  );
}

function grouped(
  rows: readonly (Omit<Told, 'columns' | 'referenced'> & {
    readonly id: string;
    readonly column: string;
    readonly other: string;
  })[],
): readonly Told[] {
  const keys = new Map<string, Told>();
  for (const { id, column, other, ...rest } of rows) {
    const key = keys.get(id) ?? { ...rest, columns: [], referenced: [] };
    key.columns.push(column);
    key.referenced.push(other);
    keys.set(id, key);
  }
  return [...keys.values()];
}

async function keyOf(
  session: Session,
  tables: readonly ExaminedTable[],
  losing: readonly PresentTable[],
  told: Told,
): Promise<ForeignKey> {
  const known = tables.find(
    ({ real }) => real !== null && real.database === told.database && real.name === told.table,
  );
  const from: TableName = known?.table ?? { schema: told.database, name: told.table };
  const real = { database: told.database, name: told.table };
  const nullable = await session.rows(
    `SELECT COLUMN_NAME FROM information_schema.COLUMNS WHERE TABLE_SCHEMA = ${textSql(told.database)}
       AND TABLE_NAME = ${textSql(told.table)} AND IS_NULLABLE = 'YES' AND COLUMN_NAME IN (${told.columns.map(textSql).join(', ')})`,
  );
  return {
    name: told.name,
    from,
    into: losing.find(({ real: one }) => one.name === told.into)?.table ?? from,
    columns: told.columns,
    referenced: told.referenced,
    onDelete: told.onDelete,
    // One empty column is enough for a reference to refer to nothing; the others are left as they are.
    nullable: nullable.length > 0,
    // The server demands an index, except that it may be dropped while the checks are off.
    missingIndex: (await leadsAnIndex(session, real, told.columns))
      ? null
      : `CREATE INDEX ${quoted(`${told.table}_${told.columns.join('_')}`.slice(0, 64))} ON ${quotedTable(from)} (${told.columns.map(quoted).join(', ')});`,
    dropSql: `ALTER TABLE ${quotedTable(from)} DROP FOREIGN KEY ${quoted(told.name)};`,
  };
}

/** Dependents are looked up by their `match`, whether a foreign key stands behind it or not. */
async function matchIndexes(
  session: Session,
  mapping: Mapping,
  tables: readonly ExaminedTable[],
): Promise<readonly Finding[]> {
  const check = 'index_dependents';
  const why =
    'Every batch looks up the dependents of its messages; without an index it would read and lock the whole table.';
  const findings: Finding[] = [];
  for (const { dependent } of flatDependents(mapping)) {
    if (dependent.action === 'leave_to_fk' || dependent.action === 'keep') continue;
    const columns = dependent.match.map(({ column }) => column);
    const name = nameOf(dependent.table);
    const examined = changed(tables).find(({ table }) => nameOf(table) === name);
    if (examined === undefined || columns.some((column) => columnOf(examined, column) === undefined))
      continue;
    const words = columns.join(', ');
    findings.push(
      (await leadsAnIndex(session, examined.real, columns))
        ? ok(check, `An index on ${name} begins with ${words}.`, why)
        : {
            level: 'error',
            check,
            found: `There is no index over (${words}) of ${name}.`,
            why,
            todo: indexSql(examined, columns),
          },
    );
  }
  return findings;
}

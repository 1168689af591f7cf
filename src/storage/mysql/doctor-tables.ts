/** The doctor's look at the mapped tables: whether they are ours, and what makes a run slow or keeps checks on. */
import { StoreError } from '../../core/errors.js';
import { type Mapping, nameOf, type TableName } from '../../core/mapping.js';
import type { Finding } from '../../core/ports.js';
import { ok } from '../doctor-finding.js';
import { findTable, readIndexes, type RealTable } from './catalogue.js';
import { foreignKeysInto, innodbKey } from './foreign-keys.js';
import { quoted, quotedTable, textSql } from './names.js';
import { ownTablesState, readRecord } from './own-tables.js';
import type { Session } from './session.js';

export type ExaminedTable = {
  readonly table: TableName;
  readonly role: 'messages' | 'dependent';
  /** Null when there is no such table, or none that this user may see. */
  readonly real: (RealTable & { readonly engine: string | null; readonly kind: string }) | null;
};

export async function readExaminedTables(
  session: Session,
  mapping: Mapping,
): Promise<readonly ExaminedTable[]> {
  const found: ExaminedTable[] = [];
  for (const table of [mapping.table, ...mapping.dependents.map((dependent) => dependent.table)]) {
    const real = await findTable(session, table).catch((error: unknown) => {
      if (error instanceof StoreError && error.kind === 'missing') return null;
      throw error;
    });
    found.push({ table, role: found.length === 0 ? 'messages' : 'dependent', real });
  }
  return found;
}

export async function tableFindings(
  session: Session,
  mapping: Mapping,
  tables: readonly ExaminedTable[],
): Promise<readonly Finding[]> {
  const findings: Finding[] = [];
  if (mapping.store === 'default' && mapping.table.schema === null) findings.push(await isOurs(session));
  for (const { real, table } of tables) {
    if (real !== null) findings.push(engine(real));
    else if (!findings.some(({ check }) => check === 'table_ours')) {
      findings.push({
        level: 'error',
        check: 'table_present',
        found: `There is no table ${nameOf(table)}.`,
        why: 'The store mapping names it.',
        todo: 'Correct the name in the mapping, or create the table.',
      });
    }
  }
  const messages = tables[0]?.real;
  if (messages == null) return findings;
  findings.push(await probeIndex(session, mapping, messages));
  for (const [place, dependent] of mapping.dependents.entries()) {
    const real = tables[place + 1]?.real;
    if (real == null) continue;
    const columns = dependent.match.map(({ column }) => column);
    findings.push(await dependentIndex(session, dependent.table, real, columns));
  }
  const real = tables.flatMap((one) => (one.real === null ? [] : [one.real]));
  return [...findings, await foreignKeys(session, real), await triggers(session, real)];
}

async function isOurs(session: Session): Promise<Finding> {
  const check = 'table_ours';
  const why =
    'On its own tables message-gc works without a mapping; on others it deletes and inserts nothing.';
  const there = await session.rows(
    `SELECT 1 FROM information_schema.TABLES WHERE TABLE_SCHEMA = DATABASE() AND TABLE_NAME = 'message_gc_setting'`,
  );
  const record = there.length === 0 ? null : await readRecord(session);
  const state = await ownTablesState(session, record);
  if (state === 'ours') return ok(check, 'The messages table was made by message-gc.', why);
  if (state === 'absent') {
    const found = 'There is no messages table yet.';
    return { level: 'warning', check, found, why, todo: 'Create it: message-gc migrate' };
  }
  return {
    level: 'error',
    check,
    found:
      record === null
        ? 'There is a messages or message_receipts table that message-gc did not make.'
        : 'The messages or message_receipts table has another shape than the one that message-gc made.',
    why,
    todo: 'Name another database; describing your table in a store mapping (message-gc init) comes with a later version.',
  };
}

function engine({ name, engine: found, kind }: NonNullable<ExaminedTable['real']>): Finding {
  const check = 'table_engine';
  const why =
    'Rows, count and place of a batch are one transaction; in a table without transactions a failed batch could not be undone.';
  if (kind === 'BASE TABLE' && found === 'InnoDB') return ok(check, `${name} is an InnoDB table.`, why);
  if (kind !== 'BASE TABLE') {
    const todo = 'Name the table behind it in the mapping.';
    return { level: 'error', check, found: `${name} is no table (${kind}).`, why, todo };
  }
  const todo = `ALTER TABLE ${quoted(name)} ENGINE=InnoDB;`;
  return { level: 'error', check, found: `${name} is kept by the engine ${found ?? 'unknown'}.`, why, todo };
}

async function probeIndex(session: Session, mapping: Mapping, real: RealTable): Promise<Finding> {
  const check = 'index_probe';
  const why =
    'The first look of a run asks for the oldest message; with an index an empty run costs milliseconds.';
  if (await leadsAnIndex(session, real, [mapping.age.column]))
    return ok(check, `An index begins with ${mapping.age.column}.`, why);
  const todo = `CREATE INDEX ${quoted(`${real.name}_${mapping.age.column}`)} ON ${quotedTable(mapping.table)} (${quoted(mapping.age.column)});`;
  return { level: 'warning', check, found: `No index begins with ${mapping.age.column}.`, why, todo };
}

async function dependentIndex(
  session: Session,
  table: TableName,
  real: RealTable,
  columns: readonly string[],
): Promise<Finding> {
  const check = 'index_dependents';
  const name = nameOf(table);
  const why =
    'Every batch looks up the dependents of its messages; without an index it would read and lock the whole table.';
  const words = columns.join(', ');
  if (await leadsAnIndex(session, real, columns))
    return ok(check, `An index on ${name} begins with ${words}.`, why);
  const todo = `CREATE INDEX ${quoted(`${real.name}_${columns.join('_')}`)} ON ${quotedTable(table)} (${columns.map(quoted).join(', ')});`;
  return { level: 'error', check, found: `No index on ${name} begins with ${words}.`, why, todo };
}

async function leadsAnIndex(session: Session, real: RealTable, wanted: readonly string[]): Promise<boolean> {
  const indexes = await readIndexes(session, real);
  return indexes.some(({ columns }) => {
    const leading = columns.slice(0, wanted.length);
    return wanted.every((column) => leading.includes(column));
  });
}

async function foreignKeys(session: Session, tables: readonly RealTable[]): Promise<Finding> {
  const check = 'foreign_keys';
  const why = 'A message that a row of another table refers to cannot be deleted before that row.';
  const into = await foreignKeysInto(session, tables);
  if (into === null) {
    return {
      level: 'warning',
      check,
      found: 'Foreign keys of tables that this user may not see cannot be ruled out without PROCESS.',
      why,
      todo: 'Grant what privilege_unchecked names.',
    };
  }
  const [messages, ...dependents] = tables.map(innodbKey);
  const strange = into.filter((key) => key.into !== messages || !dependents.includes(key.from));
  if (strange.length === 0)
    return ok(check, 'Every foreign key into these tables belongs to a dependent.', why);
  const words = strange.map((key) => `${key.name} on ${key.from} into ${key.into}`).join('; ');
  return {
    level: 'error',
    check,
    found: `Foreign keys that the mapping does not name: ${words}.`,
    why,
    todo: 'Drop the foreign key, or clear what refers to processed messages yourself: rows that it protects keep their messages, and a run over them fails; with ON DELETE CASCADE they go with their messages, uncounted. (Naming them as dependents in a store mapping comes with a later version.)',
  };
}

async function triggers(session: Session, tables: readonly RealTable[]): Promise<Finding> {
  const check = 'triggers';
  const why = 'Triggers must run with the foreign-key checks on, so a run is slower.';
  const rows = await session.rows<{ words: string }>(
    `SELECT CONCAT('trigger ', TRIGGER_NAME, ' on ', EVENT_OBJECT_TABLE) AS words FROM information_schema.TRIGGERS
     WHERE EVENT_MANIPULATION <> 'INSERT' AND CONCAT(EVENT_OBJECT_SCHEMA, '/', EVENT_OBJECT_TABLE) IN (${
       tables.map(({ database, name }) => textSql(`${database}/${name}`)).join(', ') || 'NULL'
     }) ORDER BY words`,
  );
  if (rows.length === 0)
    return ok(check, 'There are no triggers on these tables that this user can see.', why);
  return {
    level: 'warning',
    check,
    found: `${rows.map(({ words }) => words).join('; ')}.`,
    why,
    todo: 'Nothing, if they are meant to run for every deleted row; otherwise drop them.',
  };
}

/** The doctor's look at the column that says how old a message is. */
import { type Age, type Mapping, nameOf } from '../../../core/mapping.js';
import type { Finding } from '../../../core/ports.js';
import { ageIndexFinding, type AgeTypes, ageTypeFinding, zoneFinding } from '../../checks/age-findings.js';
import { epochFinding } from '../../checks/epoch-sample.js';
import { ok } from '../../checks/finding.js';
import { quoted, textSql } from '../names.js';
import type { Session } from '../session.js';
import { columnOf, leadsAnIndex, type PresentTable } from './examined.js';
import { sampled } from './sample.js';

const types: AgeTypes = {
  timestamptz: ['timestamp'],
  datetime: ['datetime'],
  epoch: ['tinyint', 'smallint', 'mediumint', 'int', 'bigint', 'decimal', 'double'],
};

/** From the catalogue alone. */
export async function ageFindings(
  session: Session,
  { age, table }: Mapping,
  messages: PresentTable,
): Promise<readonly Finding[]> {
  const column = columnOf(messages, age.column);
  if (column === undefined) return [];
  return [
    ageTypeFinding(age, nameOf(table), column.type, types),
    ...(await zone(session, age)),
    await probeIndex(session, messages, age.column),
    onUpdate(age, nameOf(table), column.extra),
  ];
}

/** With a zone that the server does not know CONVERT_TZ answers NULL: nothing would ever be eligible. */
async function zone(session: Session, { unit, zone: name }: Age): Promise<readonly Finding[]> {
  if (unit !== 'datetime') return [];
  const wanted = name ?? 'UTC';
  const rows = await session.rows<{ moment: string | null }>(
    `SELECT CAST(CONVERT_TZ('2026-01-01 00:00:00', '+00:00', ${textSql(wanted)}) AS CHAR) AS moment`,
  );
  const isKnown = wanted.toUpperCase() === 'UTC' || rows[0]?.moment != null;
  const todo =
    'Load the zones (mysql_tzinfo_to_sql /usr/share/zoneinfo | mysql mysql), or write UTC or an offset such as +02:00.';
  return [zoneFinding(wanted, isKnown, todo)];
}

async function probeIndex(session: Session, messages: PresentTable, age: string): Promise<Finding> {
  const isThere = await leadsAnIndex(session, messages.real, [age]);
  return ageIndexFinding(age, isThere ? null : indexSql(messages, [age]));
}

export function indexSql({ sql, real }: PresentTable, columns: readonly string[]): string {
  const name = `${real.name}_${columns.join('_')}`.slice(0, 64);
  return `CREATE INDEX ${quoted(name)} ON ${sql} (${columns.map(quoted).join(', ')});`;
}

const whyMoved =
  'An age that moves when a row is touched makes messages young again, also by the clearing of a run itself.';
const todoMoved = 'Name a column as the age that is written once, when the message is made.';

function onUpdate({ column }: Age, table: string, extra: string): Finding {
  const check = 'age_moved';
  if (!extra.includes('on update')) return ok(check, `${column} has no ON UPDATE.`, whyMoved);
  return {
    level: 'warning',
    check,
    found: `${column} of ${table} has ${extra.toUpperCase()}.`,
    why: whyMoved,
    todo: todoMoved,
  };
}

/** Triggers that set the age, or change the messages when a dependent goes. Their source is what can be seen. */
export async function ageMovedFindings(
  session: Session,
  { age, table }: Mapping,
  tables: readonly PresentTable[],
): Promise<readonly Finding[]> {
  const check = 'age_moved';
  const rows = await session.rows<{ name: string; on: string; event: string; body: string }>(
    `SELECT TRIGGER_NAME AS name, EVENT_OBJECT_TABLE AS \`on\`, EVENT_MANIPULATION AS event, ACTION_STATEMENT AS body
     FROM information_schema.TRIGGERS WHERE (EVENT_OBJECT_SCHEMA, EVENT_OBJECT_TABLE) IN (${
       tables.map(({ real }) => `(${textSql(real.database)}, ${textSql(real.name)})`).join(', ') ||
       '(NULL, NULL)'
     })`,
  );
  const word = (name: string): string => name.replaceAll(/[.*+?^${}()|[\]\\]/g, '\\$&');
  const sets = new RegExp(`NEW\\s*\\.\\s*\`?${word(age.column)}\`?\\s*:?=`, 'i');
  const updates = new RegExp(`\\bUPDATE\\s+(\`?\\w+\`?\\s*\\.\\s*)?\`?${word(table.name)}\`?(?!\\w)`, 'i');
  const messages = tables[0]?.real.name;
  const moving = rows.filter(
    ({ on, event, body }) =>
      (on === messages && event === 'UPDATE' && sets.test(body)) ||
      (event !== 'INSERT' && updates.test(body)),
  );
  if (moving.length === 0) return [];
  return [
    {
      level: 'warning',
      check,
      found: `${moving.map(({ name, on }) => `trigger ${name} on ${on}`).join('; ')}: changes the messages, or sets ${age.column}.`,
      why: whyMoved,
      todo: todoMoved,
    },
  ];
}

/** From a sample: whether the numbers look like the unit that they are read in. */
export async function ageSampleFindings(
  session: Session,
  mapping: Mapping,
  messages: PresentTable,
): Promise<readonly Finding[]> {
  const { age, table } = mapping;
  const column = columnOf(messages, age.column);
  if (column === undefined || !age.unit.startsWith('epoch') || !types.epoch.includes(column.type)) return [];
  const rows = await session.rows<{ age: string }>(
    `SELECT CAST(m.age AS CHAR) AS age FROM (${sampled(mapping, messages, `m.${quoted(age.column)} AS age`)}) AS m WHERE m.age > 0 ORDER BY m.age`,
  );
  const middle = rows[Math.floor(rows.length / 2)];
  return middle === undefined ? [] : [epochFinding(age, nameOf(table), Number(middle.age))];
}

import { createHash } from 'node:crypto';
import { type Mapping, nameOf } from '../../core/mapping.js';
import type { ForeignKeyMode } from '../../core/run.js';
import type { RealTable } from './catalogue.js';
import { everyDependent, type FoundDependent, losingTables } from './dependent-facts.js';
import { kindOf } from './errors.js';
import {
  catalogued,
  decoded,
  foreignKeyTables,
  hasStrangeName,
  innodbKey,
  innodbKeyOf,
} from './innodb-names.js';
import { textSql } from './names.js';
import { Privileges } from './privileges.js';
import type { Session } from './session.js';
import type { TableFacts } from './table-facts.js';

/**
 * Whether messages may go first with the server's foreign-key checks left out for that one statement
 * (`foreign_key_checks = 0`, which any user may set). Left out safely only under these conditions; where one cannot
 * be verified the checks stay on:
 *
 * (a) every foreign key into every table that loses rows is named by the mapping, with delete or set_null on nullable
 *     columns. Read from InnoDB's own tables, which need PROCESS: information_schema hides the constraints of tables
 *     that this user may not see, so an empty answer there proves nothing (orphans were seen);
 * (b) no trigger on these tables for the changes that a run makes: it would run with the checks left out as well.
 *     Only who has the TRIGGER privilege on a table sees its triggers;
 * (e) inside every batch, after its statements have locked the tables' definitions, `readShape` still gives the
 *     plan's value. (Letters as on PostgreSQL; policies (c) do not exist here, and (d), a privilege, is not needed.)
 */
export type ForeignKeyChoice = { readonly mode: ForeignKeyMode; readonly why: string };

export async function chooseForeignKeyMode(
  session: Session,
  mapping: Mapping,
  { messages, dependents }: Pick<TableFacts, 'messages' | 'dependents'>,
): Promise<ForeignKeyChoice> {
  const losing = losingTables(messages, dependents);
  const into = await foreignKeysInto(session, losing);
  const every = everyDependent(dependents);
  if (into === null) {
    return every.length === 0
      ? {
          mode: 'none',
          why: 'the mapping names no dependents, and foreign keys cannot be seen without PROCESS',
        }
      : {
          mode: 'checked',
          why: 'the foreign-key checks stay on: without the privilege PROCESS not every foreign key can be seen',
        };
  }
  if (every.length === 0 && !into.some((key) => key.into === innodbKey(messages))) {
    return { mode: 'none', why: 'no foreign key refers to the messages' };
  }
  if (mapping.foreignKeys === 'checked') {
    return { mode: 'checked', why: 'the mapping keeps the foreign-key checks on' };
  }
  const left = every.find(({ dependent }) => dependent.action === 'leave_to_fk');
  const obstacle =
    left === undefined
      ? (unnamed(mapping, into, losing, every) ??
        (await disturbance(session, [messages, ...every.map(({ table }) => table)])))
      : `the rows of ${left.table.name} are left to their foreign key`;
  return obstacle === null
    ? { mode: 'messages_first', why: 'every foreign key is known, so messages go first without its checks' }
    : { mode: 'checked', why: `the foreign-key checks stay on: ${obstacle}` };
}

export type ForeignKey = {
  readonly name: string;
  /** `database/table`, as InnoDB writes names: what is no letter, digit or underscore as `@` and four hex digits. */
  readonly from: string;
  readonly into: string;
  readonly columns: readonly string[];
  readonly referenced: readonly string[];
  /** What the server does when a row goes that others refer to; `refuse`: RESTRICT and NO ACTION. */
  readonly onDelete: 'cascade' | 'set_null' | 'refuse' | 'unknown';
};

/** Null when this user may not look. */
export async function foreignKeysInto(
  session: Session,
  tables: readonly RealTable[],
): Promise<readonly ForeignKey[] | null> {
  const from = foreignKeyTables(session.can);
  try {
    const rows = await session.rows<{
      id: string;
      from: string;
      into: string;
      column: string;
      other: string;
      type: number;
    }>(
      `SELECT f.TYPE AS type, f.ID AS id, f.FOR_NAME AS \`from\`, f.REF_NAME AS \`into\`, c.FOR_COL_NAME AS \`column\`, c.REF_COL_NAME AS other
       FROM ${from.keys} f JOIN ${from.columns} c ON c.ID = f.ID
       WHERE f.REF_NAME IN (${catalogued(session.can, tables)}) ORDER BY f.ID, c.POS`,
    );
    const keys = new Map<string, ForeignKey & { columns: string[]; referenced: string[] }>();
    for (const row of rows) {
      const key = keys.get(row.id) ?? {
        name: row.id.slice(row.id.indexOf('/') + 1),
        from: innodbKeyOf(session.can, row.from),
        into: innodbKeyOf(session.can, row.into),
        columns: [],
        referenced: [],
        onDelete: Number(row.type) & 1 ? 'cascade' : Number(row.type) & 2 ? 'set_null' : 'refuse',
      };
      key.columns.push(row.column);
      key.referenced.push(row.other);
      keys.set(row.id, key);
    }
    // MySQL compares these names without regard to case.
    return [...keys.values()].filter(({ into }) => tables.some((table) => innodbKey(table) === into));
  } catch (error) {
    if (kindOf(error).kind === 'denied') return null;
    throw error;
  }
}

/** The dependents of the mapping that a foreign key is the reference of. */
export function namedBy(key: ForeignKey, dependents: readonly FoundDependent[]): readonly FoundDependent[] {
  return dependents.filter(
    ({ dependent: { match }, parent, table }) =>
      key.into === innodbKey(parent) &&
      key.from === innodbKey(table) &&
      match.length === key.columns.length &&
      key.columns.every((column, at) =>
        match.some((pair) => pair.column === column && pair.message === key.referenced[at]),
      ),
  );
}

/** (a): the first foreign key that the mapping does not name, in words. */
function unnamed(
  mapping: Mapping,
  into: readonly ForeignKey[],
  tables: readonly RealTable[],
  dependents: readonly FoundDependent[],
): string | null {
  const strange = tables.find(hasStrangeName);
  if (strange !== undefined)
    return `the name ${strange.name} has a slash or letters beyond ASCII, by which foreign keys are not found`;
  const key = into.find(
    (one) =>
      !namedBy(one, dependents).some(
        ({ dependent: { action } }) => action === 'delete' || action === 'set_null',
      ),
  );
  return key === undefined
    ? null
    : `the foreign key ${decoded(key.name)} of ${decoded(key.from.replace('/', '.'))} is not named by the mapping of ${nameOf(mapping.table)}`;
}

/** (b): the first trigger that a run would set off, or table whose triggers cannot be seen, in words. */
async function disturbance(session: Session, tables: readonly RealTable[]): Promise<string | null> {
  const privileges = await Privileges.read(session);
  const hidden = tables.find((table) => !privileges.onTable('TRIGGER', table));
  if (hidden !== undefined)
    return `without the privilege TRIGGER on ${hidden.name} its triggers cannot be seen`;
  const rows = await session.rows<{ name: string; on: string }>(
    `SELECT TRIGGER_NAME AS name, EVENT_OBJECT_TABLE AS \`on\` FROM information_schema.TRIGGERS WHERE ${triggersOn(tables)} LIMIT 1`,
  );
  return rows[0] === undefined ? null : `there is trigger ${rows[0].name} on ${rows[0].on}`;
}

function triggersOn(tables: readonly RealTable[]): string {
  return `EVENT_MANIPULATION <> 'INSERT' AND (${tables
    .map(
      ({ database, name }) =>
        `(EVENT_OBJECT_SCHEMA = ${textSql(database)} AND EVENT_OBJECT_TABLE = ${textSql(name)})`,
    )
    .join(' OR ')})`;
}

/**
 * (e): one text that changes with every foreign key into the tables and every trigger for deleted messages. What a
 * batch has touched cannot get a trigger before its COMMIT. A foreign key that is being added shows already while its
 * table is copied, under that table's passing name, and the copy's own check waits for the rows that we deleted.
 *
 * Plain rows, put together here: GROUP_CONCAT would make a temporary table on disk in every batch. Only triggers on
 * the messages count: the dependents' run after their own statement, whose checks are on.
 */
export async function readShape(session: Session, tables: readonly RealTable[]): Promise<string> {
  const rows = await session.rows<Record<string, string>>(
    `SELECT ID AS a, FOR_NAME AS b, REF_NAME AS c FROM ${foreignKeyTables(session.can).keys} WHERE REF_NAME IN (${catalogued(session.can, tables)})
     UNION ALL SELECT TRIGGER_NAME, EVENT_MANIPULATION, '' FROM information_schema.TRIGGERS WHERE ${triggersOn(tables.slice(0, 1))}`,
  );
  const parts = rows.map(({ a, b, c }) => JSON.stringify([a, b, c]));
  return createHash('sha256').update(parts.sort().join('\n')).digest('hex');
}

/** The doctor's look at what this user may do, with the GRANT statements for what is missing. */
import type { Finding } from '../../../core/ports.js';
import { ok } from '../../checks/finding.js';
import type { RealTable } from '../catalogue.js';
import { changed, type ExaminedTable, type PresentTable } from './examined.js';
import { quoted } from '../names.js';
import { Privileges } from '../privileges.js';
import type { Session } from '../session.js';

/** UPDATE is needed to lock the rows that are to be deleted, and to clear references. */
const toDelete = ['SELECT', 'UPDATE', 'DELETE'];
const toClear = ['SELECT', 'UPDATE'];
const onLedger = ['SELECT', 'INSERT', 'UPDATE', 'DELETE'];
/** Only where message-gc makes its tables, or upgrades them. */
const toMigrate = ['CREATE', 'ALTER', 'DROP', 'INDEX', 'REFERENCES'];

export async function privilegeFindings(
  session: Session,
  tables: readonly ExaminedTable[],
): Promise<readonly Finding[]> {
  const privileges = await Privileges.read(session);
  const rows = await session.rows<{ db: string }>('SELECT DATABASE() AS db');
  const database = rows[0]?.db ?? '';
  const real = changed(tables);
  return [
    ...real.map((one) => onTable(privileges, one)),
    ledger(privileges, database),
    migration(privileges, database),
    unchecked(
      privileges,
      real.map((one) => one.real),
    ),
  ];
}

/** Rows that are left to a foreign key, or kept, need no privilege of ours. */
export async function tablePrivilegeFindings(
  session: Session,
  tables: readonly ExaminedTable[],
): Promise<readonly Finding[]> {
  const privileges = await Privileges.read(session);
  return changed(tables).map((one) => onTable(privileges, one));
}

function onTable(privileges: Privileges, { real: table, role, actions }: PresentTable): Finding {
  const wanted = role === 'messages' || actions.includes('delete') ? toDelete : toClear;
  const check = role === 'messages' ? 'privilege_messages' : 'privilege_dependents';
  const why =
    role === 'messages'
      ? 'A run reads, locks (which needs UPDATE) and deletes messages.'
      : 'The rows that go with a message are deleted or cleared in the same transaction.';
  const missing = wanted.filter((privilege) => !privileges.onTable(privilege, table));
  if (missing.length === 0) return ok(check, `${wanted.join(', ')} on ${table.name} are granted.`, why);
  return {
    level: 'error',
    check,
    found: `${missing.join(', ')} on ${table.name} not granted.`,
    why,
    todo: `GRANT ${missing.join(', ')} ON ${quoted(table.database)}.${quoted(table.name)} TO ${privileges.grantee};`,
  };
}

function ledger(privileges: Privileges, database: string): Finding {
  const check = 'privilege_ledger';
  const why = 'Runs, counts and waiting callbacks are kept in tables message_gc_* of this database.';
  const anyOf = { database, name: 'message_gc_span' };
  const missing = onLedger.filter((privilege) => !privileges.onTable(privilege, anyOf));
  if (missing.length === 0) return ok(check, 'The tables message_gc_* can be read and written.', why);
  return {
    level: 'error',
    check,
    found: `${missing.join(', ')} on the tables message_gc_* not granted.`,
    why,
    todo: `GRANT ${missing.join(', ')} ON ${quoted(database)}.* TO ${privileges.grantee};`,
  };
}

function migration(privileges: Privileges, database: string): Finding {
  const check = 'privilege_migrate';
  const why = 'Needed when the tables of message-gc are made or upgraded, not for a run.';
  const missing = toMigrate.filter((privilege) => !privileges.onDatabase(privilege, database));
  if (missing.length === 0) return ok(check, 'Tables can be made and upgraded here.', why);
  return {
    level: 'warning',
    check,
    found: `${missing.join(', ')} on the database not granted.`,
    why,
    todo: `GRANT ${missing.join(', ')} ON ${quoted(database)}.* TO ${privileges.grantee};`,
  };
}

function unchecked(privileges: Privileges, tables: readonly RealTable[]): Finding {
  const check = 'privilege_unchecked';
  const why =
    'For every deleted message the server looks whether a dependent is left. message-gc leaves that out where it has ' +
    'verified that none can be, for which it must see every foreign key (PROCESS) and trigger (TRIGGER).';
  const todo = [
    ...(privileges.hasGlobal('PROCESS') ? [] : [`GRANT PROCESS ON *.* TO ${privileges.grantee};`]),
    ...tables
      .filter((table) => !privileges.onTable('TRIGGER', table))
      .map(
        (table) =>
          `GRANT TRIGGER ON ${quoted(table.database)}.${quoted(table.name)} TO ${privileges.grantee};`,
      ),
  ];
  if (todo.length === 0) return ok(check, 'Foreign keys and triggers can be seen.', why);
  return { level: 'warning', check, found: 'Foreign-key checks stay on.', why, todo: todo.join(' ') };
}

/** The doctor's look at what this user may do, with the GRANT statements for what is missing. */
import { nameOf } from '../../../core/mapping.js';
import type { Finding } from '../../../core/ports.js';
import { ok } from '../../checks/finding.js';
import { changed, type ExaminedTable } from './examined.js';
import type { Queryable } from '../own-tables.js';

/** UPDATE is needed to lock the rows that are to be deleted, and to clear references. */
const toDelete = ['SELECT', 'UPDATE', 'DELETE'];
const toClear = ['SELECT', 'UPDATE'];
const onLedger = ['SELECT', 'INSERT', 'UPDATE', 'DELETE'];

export async function privilegeFindings(
  q: Queryable,
  tables: readonly ExaminedTable[],
): Promise<readonly Finding[]> {
  const makesTables = tables[0]?.table.schema === null && tables[0].table.name === 'messages';
  return [
    ...(await tablePrivilegeFindings(q, tables)),
    await ledgerPrivileges(q, makesTables),
    await uncheckedPrivilege(q),
    await signalsPrivilege(q),
  ];
}

/** Rows that are left to a foreign key go with the owner's privileges, and those that are kept need none. */
export async function tablePrivilegeFindings(
  q: Queryable,
  tables: readonly ExaminedTable[],
): Promise<readonly Finding[]> {
  const findings: Finding[] = [];
  for (const { oid, table, role, actions } of changed(tables)) {
    const wanted = role === 'messages' || actions.includes('delete') ? toDelete : toClear;
    findings.push(await tablePrivileges(q, oid, nameOf(table), role, wanted));
  }
  return findings;
}

async function tablePrivileges(
  q: Queryable,
  oid: string,
  name: string,
  role: ExaminedTable['role'],
  wanted: readonly string[],
): Promise<Finding> {
  const { rows } = await q.query(
    `SELECT string_agg(p, ', ' ORDER BY place) AS missing,
            has_schema_privilege(c.relnamespace, 'USAGE') AS usage,
            format('GRANT USAGE ON SCHEMA %I TO %I;', n.nspname, current_user) AS "grantUsage",
            format('GRANT %s ON TABLE %I.%I TO %I;', string_agg(p, ', ' ORDER BY place), n.nspname, c.relname,
                   current_user) AS "grant"
       FROM pg_catalog.pg_class c
       JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
       LEFT JOIN unnest($2::text[]) WITH ORDINALITY AS wanted (p, place) ON NOT has_table_privilege(c.oid, p)
      WHERE c.oid = $1::oid
      GROUP BY c.relnamespace, c.relname, n.nspname`,
    [oid, [...wanted]],
  );
  const check = role === 'messages' ? 'privilege_messages' : 'privilege_dependents';
  const why =
    role === 'messages'
      ? 'A run reads, locks (which needs UPDATE) and deletes messages.'
      : 'The rows that go with a message are deleted or cleared in the same transaction.';
  const answer = rows[0] ?? {};
  const missing = answer['missing'];
  const todo = [
    ...(answer['usage'] === true ? [] : [String(answer['grantUsage'])]),
    ...(typeof missing === 'string' ? [String(answer['grant'])] : []),
  ];
  if (todo.length === 0) return ok(check, `${wanted.join(', ')} on ${name} are granted.`, why);
  const found =
    typeof missing === 'string'
      ? `${missing} on ${name} not granted.`
      : `The schema of ${name} may not be used.`;
  return { level: 'error', check, found, why, todo: todo.join(' ') };
}

async function ledgerPrivileges(q: Queryable, makesTables: boolean): Promise<Finding> {
  const check = 'privilege_ledger';
  const why = 'Runs, counts and waiting callbacks are kept in the schema message_gc of this database.';
  const { rows } = await q.query(
    `SELECT n.oid IS NOT NULL AS present,
            has_database_privilege(current_database(), 'CREATE') AS "mayCreate",
            to_regclass('messages') IS NOT NULL
              OR coalesce(has_schema_privilege(current_schema(), 'CREATE'), false) AS "mayMakeTables",
            format('GRANT CREATE ON SCHEMA %I TO %I;', coalesce(current_schema(), 'public'), current_user) AS "grantTables",
            CASE WHEN n.oid IS NULL THEN true
                 ELSE has_schema_privilege(n.oid, 'USAGE') AND NOT EXISTS (
                   SELECT FROM pg_catalog.pg_class c, unnest($1::text[]) AS p
                    WHERE c.relnamespace = n.oid AND c.relkind = 'r' AND NOT has_table_privilege(c.oid, p))
            END AS complete,
            format('GRANT CREATE ON DATABASE %I TO %I;', current_database(), current_user) AS "grantCreate",
            format('GRANT USAGE ON SCHEMA message_gc TO %I; GRANT %s ON ALL TABLES IN SCHEMA message_gc TO %I;',
                   current_user, array_to_string($1::text[], ', '), current_user) AS "grantUse"
       FROM (SELECT 1) AS one LEFT JOIN pg_catalog.pg_namespace n ON n.nspname = 'message_gc'`,
    [onLedger],
  );
  const answer = rows[0] ?? {};
  if (makesTables && answer['mayMakeTables'] !== true) {
    const found = 'There is no table messages yet, and this user may not create it.';
    const todo = answer['mayCreate'] === true ? [] : [String(answer['grantCreate'])];
    return { level: 'error', check, found, why, todo: [...todo, String(answer['grantTables'])].join(' ') };
  }
  if (answer['present'] !== true) {
    if (answer['mayCreate'] === true) return ok(check, 'The schema message_gc can be created.', why);
    const found = 'There is no schema message_gc, and this user may not create it.';
    return { level: 'error', check, found, why, todo: String(answer['grantCreate']) };
  }
  if (answer['complete'] === true) return ok(check, 'The schema message_gc can be read and written.', why);
  const found = 'The schema message_gc cannot be read and written whole.';
  return { level: 'error', check, found, why, todo: String(answer['grantUse']) };
}

async function uncheckedPrivilege(q: Queryable): Promise<Finding> {
  const check = 'privilege_unchecked';
  const why =
    'For every deleted message the server looks whether a dependent is left, which takes two thirds of the time. ' +
    'With this privilege message-gc leaves that out where it has verified that none can be: two to three times as fast.';
  const { rows } = await q.query(
    `SELECT r.rolsuper AS super, current_setting('server_version_num')::int >= 150000 AS grantable,
            format('GRANT SET ON PARAMETER session_replication_role TO %I;', current_user) AS "grant"
       FROM pg_catalog.pg_roles r WHERE r.rolname = current_user`,
  );
  const answer = rows[0] ?? {};
  if (answer['super'] === true) return ok(check, 'Foreign-key checks may be left out (superuser).', why);
  if (answer['grantable'] !== true) {
    const found = 'Foreign-key checks stay on: PostgreSQL 14 lets only a superuser leave them out.';
    return {
      level: 'warning',
      check,
      found,
      why,
      todo: 'Upgrade to PostgreSQL 15 or newer, where it can be granted.',
    };
  }
  // A statement of its own, because servers before 15 do not know the function.
  const may = await q.query(`SELECT has_parameter_privilege('session_replication_role', 'SET') AS may`);
  if (may.rows[0]?.['may'] === true) return ok(check, 'Foreign-key checks may be left out.', why);
  const found = 'Foreign-key checks stay on: SET on the parameter session_replication_role is not granted.';
  return { level: 'warning', check, found, why, todo: String(answer['grant']) };
}

async function signalsPrivilege(q: Queryable): Promise<Finding> {
  const check = 'privilege_signals';
  const why =
    'A run goes slower or stands still when replicas fall behind, when too many sessions work, or when the log piles up. ' +
    'Without this privilege it goes on without these signals.';
  const { rows } = await q.query(
    `SELECT pg_has_role('pg_monitor', 'USAGE') AS may, format('GRANT pg_monitor TO %I;', current_user) AS "grant"`,
  );
  if (rows[0]?.['may'] === true) return ok(check, "The server's health can be watched (pg_monitor).", why);
  const found = 'Sessions of others, replicas, vacuums and the log archive cannot be watched.';
  return { level: 'warning', check, found, why, todo: String(rows[0]?.['grant']) };
}

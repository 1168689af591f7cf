/** The doctor's look at what stands around the mapped tables: whose they are, triggers, policies, publications. */
import type { Finding } from '../../../core/ports.js';
import { ok } from '../../checks/finding.js';
import { type OwnTablesRecord, ownTablesState, type Queryable, readOwnTablesRecord } from '../own-tables.js';
import { changed, type ExaminedTable } from './examined.js';

export async function isOurs(q: Queryable): Promise<Finding> {
  const why =
    'On its own tables message-gc works without a mapping; on others it deletes and inserts nothing.';
  const there = await q.query(
    `SELECT has_schema_privilege(n.oid, 'USAGE') AND has_table_privilege(c.oid, 'SELECT') AS readable
       FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
      WHERE n.nspname = 'message_gc' AND c.relname = 'setting'`,
  );
  const readable = there.rows[0]?.['readable'];
  let record: OwnTablesRecord | null = null;
  if (readable === true) {
    const kept = await q.query(`SELECT value FROM message_gc.setting WHERE name = 'own_tables'`);
    const value = kept.rows[0]?.['value'];
    if (typeof value === 'string') record = readOwnTablesRecord(JSON.parse(value));
  }
  const state = await ownTablesState(q, record);
  if (state === 'ours') return ok('table_ours', 'The messages table was made by message-gc.', why);
  if (state === 'absent') {
    const found = 'There is no messages table yet.';
    return { level: 'warning', check: 'table_ours', found, why, todo: 'Create it: message-gc migrate' };
  }
  if (readable === false) {
    const found = 'Whether the messages table is ours cannot be told: message_gc.setting may not be read.';
    return { level: 'error', check: 'table_ours', found, why, todo: 'Grant what privilege_ledger names.' };
  }
  return {
    level: 'error',
    check: 'table_ours',
    found:
      record === null
        ? 'There is a messages or message_receipts table that message-gc did not make.'
        : 'The messages or message_receipts table has another shape than the one that message-gc made.',
    why,
    todo: 'Name another database, or describe your table in a store mapping (message-gc init).',
  };
}

export async function triggerFindings(
  q: Queryable,
  tables: readonly ExaminedTable[],
): Promise<readonly Finding[]> {
  const oids = changed(tables).map(({ oid }) => oid);
  return [await triggers(q, oids), await keepers(q, oids)];
}

async function triggers(q: Queryable, oids: readonly string[]): Promise<Finding> {
  const check = 'triggers';
  const why =
    'Triggers and rules must run, so the foreign-key checks cannot be left out and a run is slower.';
  const { rows } = await q.query(
    `SELECT format('trigger %I on %s', tgname, tgrelid::regclass) AS words
       FROM pg_catalog.pg_trigger WHERE tgrelid = ANY ($1::oid[]) AND NOT tgisinternal AND tgenabled <> 'D'
     UNION ALL
     SELECT format('rule %I on %s', rulename, ev_class::regclass)
       FROM pg_catalog.pg_rewrite WHERE ev_class = ANY ($1::oid[])
     ORDER BY words`,
    [[...oids]],
  );
  if (rows.length === 0) return ok(check, 'There are no triggers or rules on these tables.', why);
  return {
    level: 'warning',
    check,
    found: `${rows.map((row) => String(row['words'])).join('; ')}.`,
    why,
    todo: 'Nothing, if they are meant to run for every deleted row; otherwise drop or disable them.',
  };
}

/** A row trigger that answers NULL before a DELETE keeps the row, and only its source knows whether it does. */
async function keepers(q: Queryable, oids: readonly string[]): Promise<Finding> {
  const check = 'trigger_keeps_rows';
  const why =
    'A BEFORE DELETE trigger that returns NULL keeps the row without an error: the run would go round it in vain and end failed, naming what is left.';
  const { rows } = await q.query(
    `SELECT format('trigger %I on %s (%s)', tgname, tgrelid::regclass, tgfoid::regproc) AS words
       FROM pg_catalog.pg_trigger
      -- 1: for each row, 2: before, 8: delete.
      WHERE tgrelid = ANY ($1::oid[]) AND NOT tgisinternal AND tgenabled <> 'D' AND tgtype & 11 = 11 ORDER BY 1`,
    [[...oids]],
  );
  if (rows.length === 0) return ok(check, 'No trigger can keep a row from being deleted.', why);
  return {
    level: 'warning',
    check,
    found: `${rows.map((row) => String(row['words'])).join('; ')} may keep rows; that cannot be known from outside.`,
    why,
    todo: 'Read its source: it must return OLD for every message that the mapping calls processed.',
  };
}

/** A publication of deletes needs to say which row went. */
export async function publication(q: Queryable, tables: readonly ExaminedTable[]): Promise<Finding> {
  const check = 'publication';
  const why =
    'A table whose deletes are published must have a replica identity; without one the server refuses every DELETE.';
  const losing = changed(tables);
  const { rows } = await q.query(
    `SELECT p.pubname AS publication, c.oid::regclass::text AS name
       FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
       JOIN pg_catalog.pg_publication_tables t ON t.schemaname = n.nspname AND t.tablename = c.relname
       JOIN pg_catalog.pg_publication p ON p.pubname = t.pubname
      WHERE c.oid = ANY ($1::oid[]) AND (p.pubdelete OR p.pubupdate)
        AND (c.relreplident = 'n' OR (c.relreplident = 'd' AND NOT EXISTS (
          SELECT FROM pg_catalog.pg_index i WHERE i.indrelid = c.oid AND i.indisprimary)))
      ORDER BY 1, 2`,
    [losing.map(({ oid }) => oid)],
  );
  if (rows.length === 0) return ok(check, 'Deletes of these tables can be published.', why);
  return {
    level: 'error',
    check,
    found: `${rows.map((row) => `${String(row['publication'])} publishes ${String(row['name'])}`).join('; ')}, without a replica identity.`,
    why,
    todo: [...new Set(rows.map((row) => `ALTER TABLE ${String(row['name'])} REPLICA IDENTITY FULL;`))].join(
      ' ',
    ),
  };
}

export async function rowSecurity(q: Queryable, tables: readonly ExaminedTable[]): Promise<Finding> {
  const oids = changed(tables).map(({ oid }) => oid);
  const check = 'row_security';
  const why =
    'A policy hides rows. message-gc turns that into an error, because hidden dependents would be orphaned.';
  const { rows } = await q.query(
    `SELECT c.oid::regclass::text AS name, quote_ident(current_user) AS role
       FROM pg_catalog.pg_class c
      WHERE c.oid = ANY ($1::oid[]) AND c.relrowsecurity
        -- Superusers and holders of BYPASSRLS pass; an owner passes unless it is forced.
        AND NOT (SELECT r.rolsuper OR r.rolbypassrls FROM pg_catalog.pg_roles r WHERE r.rolname = current_user)
        AND (c.relforcerowsecurity OR NOT pg_has_role(c.relowner, 'USAGE'))
      ORDER BY 1`,
    [[...oids]],
  );
  if (rows.length === 0) return ok(check, 'No row-level security applies to this user on these tables.', why);
  return {
    level: 'error',
    check,
    found: `Row-level security applies to this user on ${rows.map((row) => String(row['name'])).join(', ')}.`,
    why,
    todo: `ALTER ROLE ${String(rows[0]?.['role'])} BYPASSRLS;`,
  };
}

/** The doctor's look at the mapped tables: whether they are ours, and what makes a run slow or keeps checks on. */
import { type Mapping, nameOf, type TableName } from '../../core/mapping.js';
import type { Finding } from '../../core/ports.js';
import { ok } from '../doctor-finding.js';
import { quoted, quotedTable } from './names.js';
import { type OwnTablesRecord, ownTablesState, type Queryable, readOwnTablesRecord } from './own-tables.js';

export type ExaminedTable = {
  readonly table: TableName;
  /** As the mapping names it, quoted. */
  readonly sql: string;
  readonly role: 'messages' | 'dependent';
  /** Null when there is no such table. */
  readonly oid: string | null;
};

export async function readExaminedTables(q: Queryable, mapping: Mapping): Promise<readonly ExaminedTable[]> {
  const found: ExaminedTable[] = [];
  for (const table of [mapping.table, ...mapping.dependents.map((dependent) => dependent.table)]) {
    const sql = quotedTable(table);
    // Not by to_regclass alone: it throws where the schema may not be used, which is what is to be found.
    const { rows } = await q.query(
      `SELECT c.oid::text AS oid
         FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
        WHERE CASE WHEN $1::text IS NULL THEN c.oid = to_regclass(quote_ident($2))
                   ELSE n.nspname = $1 AND c.relname = $2 END`,
      [table.schema, table.name],
    );
    const oid = rows[0]?.['oid'];
    found.push({
      table,
      sql,
      role: found.length === 0 ? 'messages' : 'dependent',
      oid: typeof oid === 'string' ? oid : null,
    });
  }
  return found;
}

export async function tableFindings(
  q: Queryable,
  mapping: Mapping,
  tables: readonly ExaminedTable[],
): Promise<readonly Finding[]> {
  const findings: Finding[] = [];
  if (mapping.store === 'default' && mapping.table.schema === null) findings.push(await isOurs(q));
  const oids = tables.flatMap(({ oid }) => (oid === null ? [] : [oid]));
  for (const { oid, table } of tables) {
    if (oid !== null || findings.some(({ check }) => check === 'table_ours')) continue;
    findings.push({
      level: 'error',
      check: 'table_present',
      found: `There is no table ${nameOf(table)}.`,
      why: 'The store mapping names it.',
      todo: 'Correct the name in the mapping, or create the table.',
    });
  }
  const messages = tables[0];
  if (messages === undefined || messages.oid === null) return findings;
  findings.push(await kind(q, messages, messages.oid));
  findings.push(await probeIndex(q, messages, messages.oid, mapping.age.column));
  for (const [place, dependent] of mapping.dependents.entries()) {
    const table = tables[place + 1];
    if (table === undefined || table.oid === null) continue;
    findings.push(
      await dependentIndex(
        q,
        table,
        table.oid,
        dependent.match.map(({ column }) => column),
      ),
    );
  }
  findings.push(await foreignKeys(q, messages.oid, oids));
  findings.push(await triggers(q, oids));
  findings.push(await rowSecurity(q, oids));
  return findings;
}

async function isOurs(q: Queryable): Promise<Finding> {
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
    todo: 'Name another database; describing your table in a store mapping (message-gc init) comes with a later version.',
  };
}

async function kind(q: Queryable, messages: ExaminedTable, oid: string): Promise<Finding> {
  const { rows } = await q.query(
    `SELECT c.relkind::text AS kind, EXISTS (SELECT FROM pg_catalog.pg_inherits i WHERE i.inhparent = c.oid) AS parent
       FROM pg_catalog.pg_class c WHERE c.oid = $1::oid`,
    [oid],
  );
  const why =
    'Rows of partitions and of inheriting tables lie in other files, where blocks and triggers are others.';
  const name = nameOf(messages.table);
  const found = rows[0]?.['kind'];
  if (found === 'r' && rows[0]?.['parent'] !== true)
    return ok('table_kind', `${name} is a plain table.`, why);
  if (found === 'r' || found === 'p') {
    return {
      level: 'warning',
      check: 'table_kind',
      found: `${name} ${found === 'p' ? 'is partitioned' : 'has tables that inherit from it'}.`,
      why,
      todo: 'Nothing: it is walked by its key, with the foreign-key checks on, which is slower.',
    };
  }
  return {
    level: 'error',
    check: 'table_kind',
    found: `${name} is no table (relkind ${String(found)}).`,
    why,
    todo: 'Name the table behind it in the mapping.',
  };
}

async function probeIndex(q: Queryable, messages: ExaminedTable, oid: string, age: string): Promise<Finding> {
  const check = 'index_probe';
  const why =
    'The first look of a run asks for the oldest message; with an index an empty run costs milliseconds.';
  if (await leadsAnIndex(q, oid, [age])) return ok(check, `An index begins with ${age}.`, why);
  const todo = `CREATE INDEX CONCURRENTLY ON ${messages.sql} (${quoted(age)});`;
  return { level: 'warning', check, found: `No index begins with ${age}.`, why, todo };
}

async function dependentIndex(
  q: Queryable,
  dependent: ExaminedTable,
  oid: string,
  columns: readonly string[],
): Promise<Finding> {
  const check = 'index_dependents';
  const name = nameOf(dependent.table);
  const why =
    'Every batch looks up the dependents of its messages; without an index it reads the whole table.';
  if (await leadsAnIndex(q, oid, columns)) {
    return ok(check, `An index on ${name} begins with ${columns.join(', ')}.`, why);
  }
  const todo = `CREATE INDEX CONCURRENTLY ON ${dependent.sql} (${columns.map(quoted).join(', ')});`;
  return {
    level: 'error',
    check,
    found: `No index on ${name} begins with ${columns.join(', ')}.`,
    why,
    todo,
  };
}

/** A valid B-tree over all rows whose first columns are these, in any order. */
async function leadsAnIndex(q: Queryable, oid: string, columns: readonly string[]): Promise<boolean> {
  const { rows } = await q.query(
    `SELECT EXISTS (
       SELECT FROM pg_catalog.pg_index i
         JOIN pg_catalog.pg_class c ON c.oid = i.indexrelid
         JOIN pg_catalog.pg_am m ON m.oid = c.relam AND m.amname = 'btree'
        WHERE i.indrelid = $1::oid AND i.indisvalid AND i.indisready AND i.indpred IS NULL
          AND (SELECT count(*) FROM unnest(i.indkey::int2[]) WITH ORDINALITY AS k (attnum, place)
                 JOIN pg_catalog.pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = k.attnum
                WHERE k.place <= cardinality($2::text[]) AND a.attname = ANY ($2::text[])
              ) = cardinality($2::text[])) AS found`,
    [oid, [...columns]],
  );
  return rows[0]?.['found'] === true;
}

async function foreignKeys(q: Queryable, messages: string, oids: readonly string[]): Promise<Finding> {
  const check = 'foreign_keys';
  const why = 'A message that a row of another table refers to cannot be deleted before that row.';
  const { rows } = await q.query(
    `SELECT format('%s on %s into %s', quote_ident(conname), conrelid::regclass, confrelid::regclass) AS words,
            confrelid = $1::oid AS "intoMessages"
       FROM pg_catalog.pg_constraint
      WHERE contype = 'f' AND confrelid = ANY ($2::oid[])
        AND NOT (confrelid = $1::oid AND conrelid = ANY ($2::oid[]) AND conrelid <> confrelid)
      ORDER BY conname`,
    [messages, [...oids]],
  );
  if (rows.length === 0) return ok(check, 'Every foreign key into these tables belongs to a dependent.', why);
  return {
    level: 'error',
    check,
    found: `Foreign keys that the mapping does not name: ${rows.map((row) => String(row['words'])).join('; ')}.`,
    why,
    todo: 'Drop the foreign key, or clear what refers to processed messages yourself: rows that it protects keep their messages, and a run over them fails; with ON DELETE CASCADE they go with their messages, uncounted. (Naming them as dependents in a store mapping comes with a later version.)',
  };
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

async function rowSecurity(q: Queryable, oids: readonly string[]): Promise<Finding> {
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

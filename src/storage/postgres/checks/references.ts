/** The doctor's look at the foreign keys into the tables that lose rows. */
import { isOwnMapping } from '../../../core/first-run.js';
import { type Mapping, nameOf } from '../../../core/mapping.js';
import type { Finding } from '../../../core/ports.js';
import { ok } from '../../checks/finding.js';
import { flatDependents } from '../../checks/flat-dependents.js';
import { type ForeignKey, type OnDelete, referenceFindings } from '../../checks/references.js';
import { quoted, quotedTable } from '../names.js';
import type { Queryable } from '../own-tables.js';
import { changed, type ExaminedTable, leadsAnIndex } from './examined.js';

const onDelete: Readonly<Record<string, OnDelete>> = {
  a: 'no action',
  r: 'restrict',
  c: 'cascade',
  n: 'set null',
  d: 'set default',
};

export async function foreignKeyFindings(
  q: Queryable,
  mapping: Mapping,
  tables: readonly ExaminedTable[],
): Promise<readonly Finding[]> {
  const losing = changed(tables).filter(
    ({ role, actions }) => role === 'messages' || actions.includes('delete'),
  );
  const { rows } = await q.query(
    `SELECT c.conname AS name, c.confdeltype::text AS "onDelete", c.conrelid::text AS oid, c.confrelid::text AS "intoOid",
       n.nspname AS schema, r.relname AS "table",
       (SELECT json_agg(a.attname ORDER BY k.ord) FROM unnest(c.conkey) WITH ORDINALITY k(num, ord)
          JOIN pg_catalog.pg_attribute a ON a.attrelid = c.conrelid AND a.attnum = k.num) AS columns,
       (SELECT json_agg(a.attname ORDER BY k.ord) FROM unnest(c.confkey) WITH ORDINALITY k(num, ord)
          JOIN pg_catalog.pg_attribute a ON a.attrelid = c.confrelid AND a.attnum = k.num) AS referenced,
       (SELECT bool_or(NOT a.attnotnull) FROM unnest(c.conkey) k(num)
          JOIN pg_catalog.pg_attribute a ON a.attrelid = c.conrelid AND a.attnum = k.num) AS nullable
     FROM pg_catalog.pg_constraint c
     JOIN pg_catalog.pg_class r ON r.oid = c.conrelid JOIN pg_catalog.pg_namespace n ON n.oid = r.relnamespace
     -- A key of a partition is its parent's, repeated.
     WHERE c.contype = 'f' AND c.confrelid = ANY ($1::oid[]) AND c.conparentid = 0 ORDER BY c.conname`,
    [losing.map(({ oid }) => oid)],
  );
  const keys: ForeignKey[] = [];
  for (const row of rows) keys.push(await keyOf(q, tables, row));
  return [...referenceFindings(mapping, keys), ...(await matchIndexes(q, mapping, tables, keys))];
}

async function keyOf(
  q: Queryable,
  tables: readonly ExaminedTable[],
  row: Readonly<Record<string, unknown>>,
): Promise<ForeignKey> {
  const oid = String(row['oid']);
  // As the mapping writes the names, so that keys and dependents can be compared.
  const from = tables.find((one) => one.oid === oid)?.table ?? {
    schema: String(row['schema']),
    name: String(row['table']),
  };
  const into = tables.find((one) => one.oid === row['intoOid'])?.table ?? from;
  const columns = row['columns'] as readonly string[];
  return {
    name: String(row['name']),
    from,
    into,
    columns,
    referenced: row['referenced'] as readonly string[],
    onDelete: onDelete[String(row['onDelete'])] ?? 'no action',
    nullable: row['nullable'] === true,
    missingIndex: (await leadsAnIndex(q, oid, columns))
      ? null
      : `CREATE INDEX CONCURRENTLY ON ${quotedTable(from)} (${columns.map(quoted).join(', ')});`,
    dropSql: `ALTER TABLE ${quotedTable(from)} DROP CONSTRAINT ${quoted(String(row['name']))};`,
  };
}

/** Dependents are looked up by their `match`, whether a foreign key stands behind it or not. */
async function matchIndexes(
  q: Queryable,
  mapping: Mapping,
  tables: readonly ExaminedTable[],
  keys: readonly ForeignKey[],
): Promise<readonly Finding[]> {
  const check = 'index_dependents';
  const why =
    'Every batch looks up the dependents of its messages; without an index it reads the whole table.';
  const findings: Finding[] = [];
  for (const { dependent } of flatDependents(mapping)) {
    if (dependent.action === 'leave_to_fk' || dependent.action === 'keep') continue;
    const columns = dependent.match.map(({ column }) => column);
    const examined = tables.find(({ table }) => nameOf(table) === nameOf(dependent.table));
    if (examined?.oid == null || !columns.every((column) => examined.columns.has(column))) continue;
    if (await leadsAnIndex(q, examined.oid, columns)) {
      findings.push(
        ok(check, `An index on ${nameOf(dependent.table)} begins with ${columns.join(', ')}.`, why),
      );
      continue;
    }
    // Said once: where a foreign key is there, its finding has the statement already.
    const isSaid = keys.some(
      ({ from, missingIndex }) => nameOf(from) === nameOf(dependent.table) && missingIndex !== null,
    );
    if (isSaid && !isOwnMapping(mapping)) continue;
    findings.push({
      level: isOwnMapping(mapping) ? 'error' : 'warning',
      check,
      found: `No index on ${nameOf(dependent.table)} begins with ${columns.join(', ')}.`,
      why,
      todo: `CREATE INDEX CONCURRENTLY ON ${examined.sql} (${columns.map(quoted).join(', ')});`,
    });
  }
  return findings;
}

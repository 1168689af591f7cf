/** What the catalogue says of the tables of a mapping: read once, for all checks. */
import { type Dependent, type Mapping, nameOf, type TableName } from '../../../core/mapping.js';
import { flatDependents, isSameTable } from '../../checks/flat-dependents.js';
import { quotedTable } from '../names.js';
import type { Queryable } from '../own-tables.js';

export type ExaminedTable = {
  readonly table: TableName;
  /** As the mapping names it, quoted. */
  readonly sql: string;
  readonly role: 'messages' | 'dependent';
  /** What the mapping does with its rows; several entries may name one table. */
  readonly actions: readonly Dependent['action'][];
  /** Null when there is no such table. */
  readonly oid: string | null;
  /** `pg_class.relkind`, and whether it has partitions or inheriting tables. */
  readonly kind: string;
  readonly isParent: boolean;
  readonly columns: ReadonlyMap<string, { readonly type: string; readonly notNull: boolean }>;
};

export async function readExaminedTables(q: Queryable, mapping: Mapping): Promise<readonly ExaminedTable[]> {
  const found = [await readTable(q, mapping.table, 'messages', [])];
  for (const { dependent } of flatDependents(mapping)) {
    const place = found.findIndex(({ table }) => isSameTable(table, dependent.table));
    const known = found[place];
    if (known === undefined) found.push(await readTable(q, dependent.table, 'dependent', [dependent.action]));
    else found[place] = { ...known, actions: [...known.actions, dependent.action] };
  }
  return found;
}

async function readTable(
  q: Queryable,
  table: TableName,
  role: ExaminedTable['role'],
  actions: ExaminedTable['actions'],
): Promise<ExaminedTable> {
  // Not by to_regclass alone: it throws where the schema may not be used, which is what is to be found.
  const { rows } = await q.query(
    `SELECT c.oid::text AS oid, c.relkind::text AS kind,
            EXISTS (SELECT FROM pg_catalog.pg_inherits i WHERE i.inhparent = c.oid) AS parent,
            (SELECT json_agg(json_build_array(a.attname, format_type(a.atttypid, NULL), a.attnotnull))
               FROM pg_catalog.pg_attribute a
              WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped) AS columns
       FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
      WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f') AND
            CASE WHEN $1::text IS NULL THEN c.oid = to_regclass(quote_ident($2))
                 ELSE n.nspname = $1 AND c.relname = $2 END`,
    [table.schema, table.name],
  );
  const row = rows[0];
  const columns = (row?.['columns'] ?? []) as readonly (readonly [string, string, boolean])[];
  return {
    table,
    sql: quotedTable(table),
    role,
    actions,
    oid: row === undefined ? null : String(row['oid']),
    kind: row === undefined ? '' : String(row['kind']),
    isParent: row?.['parent'] === true,
    columns: new Map(columns.map(([name, type, notNull]) => [name, { type, notNull }])),
  };
}

/** Tables that are there. */
export function present(
  tables: readonly ExaminedTable[],
): readonly (ExaminedTable & { readonly oid: string })[] {
  return tables.flatMap((table) => (table.oid === null ? [] : [{ ...table, oid: table.oid }]));
}

/** Tables that are there and lose rows by our own statements, or have references cleared. */
export function changed(tables: readonly ExaminedTable[]): readonly (ExaminedTable & { oid: string })[] {
  return present(tables).filter(
    ({ role, actions }) => role === 'messages' || actions.includes('delete') || actions.includes('set_null'),
  );
}

export function namesOf(tables: readonly ExaminedTable[]): string {
  return tables.map(({ table }) => nameOf(table)).join(', ');
}

/** A valid B-tree over all rows whose first columns are these, in any order. */
export async function leadsAnIndex(q: Queryable, oid: string, columns: readonly string[]): Promise<boolean> {
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

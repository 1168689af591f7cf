import type { Pool, PoolClient } from 'pg';
import { StoreError } from '../../core/errors.js';
import { type Mapping, nameOf, type TableName } from '../../core/mapping.js';
import { quotedTable } from './names.js';

/** What the catalogue and the statistics say of the messages table. */
export type TableFacts = {
  readonly oid: string;
  /** Oids of every table that loses rows, the messages table first. */
  readonly oids: readonly string[];
  /** An ordinary heap table without partitions, parents or children: blocks may be walked. */
  readonly isPlainHeap: boolean;
  readonly keyTypes: readonly string[];
  readonly columnTypes: Readonly<Record<string, string>>;
  /** Number of the file that holds the rows; another number means that the table was rewritten. */
  readonly file: string;
  readonly blocks: number;
  /** Estimated rows; -1 when the table was never analysed. */
  readonly rows: number;
  /** -1 to 1: how closely the table's order follows the first key column; null when unknown. */
  readonly correlation: number | null;
};

type Queryable = Pick<Pool | PoolClient, 'query'>;

export async function readTableFacts(client: Queryable, mapping: Mapping): Promise<TableFacts> {
  const tables = [mapping.table, ...mapping.dependents.map((dependent) => dependent.table)];
  const oids: string[] = [];
  for (const table of tables) oids.push(await oidOf(client, table));
  const oid = oids[0] ?? '';
  const { rows } = await client.query<{
    kind: string;
    heap: boolean;
    related: boolean;
    file: string | null;
    size: number;
    block: number;
    rows: number;
    correlation: number | null;
  }>(
    `SELECT c.relkind AS kind, coalesce(a.amname = 'heap', false) AS heap,
       c.relispartition OR EXISTS (SELECT FROM pg_inherits i WHERE i.inhparent = c.oid OR i.inhrelid = c.oid) AS related,
       pg_relation_filenode(c.oid)::text AS file, pg_relation_size(c.oid) AS size,
       current_setting('block_size')::int AS block, c.reltuples::float8 AS rows,
       (SELECT s.correlation FROM pg_stats s WHERE s.schemaname = n.nspname AND s.tablename = c.relname
          AND s.attname = $2 AND NOT s.inherited) AS correlation
     FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace LEFT JOIN pg_am a ON a.oid = c.relam
     WHERE c.oid = $1::oid`,
    [oid, mapping.key[0] ?? ''],
  );
  const facts = rows[0];
  if (facts === undefined) throw missing(nameOf(mapping.table));
  const columns = await client.query<{ name: string; type: string }>(
    `SELECT attname AS name, format_type(atttypid, NULL) AS type FROM pg_attribute
     WHERE attrelid = $1::oid AND attnum > 0 AND NOT attisdropped`,
    [oid],
  );
  const columnTypes = Object.fromEntries(columns.rows.map(({ name, type }) => [name, type]));
  return {
    oid,
    oids,
    isPlainHeap: facts.kind === 'r' && facts.heap && !facts.related,
    keyTypes: mapping.key.map((column) => {
      const type = columnTypes[column];
      if (type === undefined) throw missing(`column ${column} of ${nameOf(mapping.table)}`);
      return type;
    }),
    columnTypes,
    file: facts.file ?? '',
    blocks: Math.ceil(facts.size / facts.block),
    rows: facts.rows,
    correlation: facts.correlation,
  };
}

async function oidOf(client: Queryable, table: TableName): Promise<string> {
  const { rows } = await client.query<{ oid: string | null }>('SELECT to_regclass($1)::oid::text AS oid', [
    quotedTable(table),
  ]);
  const oid = rows[0]?.oid ?? null;
  if (oid === null) throw missing(`table ${nameOf(table)}`);
  return oid;
}

function missing(what: string): StoreError {
  return new StoreError('missing', '42P01', 'read the catalogue', `There is no ${what}`, undefined);
}

import type { Pool, PoolClient } from 'pg';
import { StoreError } from '../../core/errors.js';
import { type Mapping, nameOf, type TableName } from '../../core/mapping.js';
import { didYouMean } from '../../kit/nearest-name.js';
import { type LevelFacts, levelsOf } from './levels.js';
import { quotedTable } from './names.js';

/** What the catalogue and the statistics say of the tables of a mapping. */
export type TableFacts = {
  readonly oid: string;
  /** An ordinary heap table without partitions, parents or children: blocks may be walked. */
  readonly isPlainHeap: boolean;
  readonly columns: Columns;
  readonly keyTypes: readonly string[];
  /** Number of the file that holds the rows; another number means that the table was rewritten. */
  readonly file: string;
  readonly blocks: number;
  /** Estimated rows; -1 when the table was never analysed. */
  readonly rows: number;
  /** -1 to 1: how closely the table's order follows the first key column; null when unknown. */
  readonly correlation: number | null;
  /** By the place of the dependent. */
  readonly levels: Readonly<Record<string, LevelFacts>>;
};

export type Column = { readonly type: string; readonly nullable: boolean };
export type Columns = ReadonlyMap<string, Column>;

export type Queryable = Pick<Pool | PoolClient, 'query'>;

export async function readTableFacts(client: Queryable, mapping: Mapping): Promise<TableFacts> {
  const oid = await findTable(client, mapping.table);
  const columns = await readColumns(client, oid);
  const keyTypes = mapping.key.map((name) => columnOf(columns, name, mapping.table).type);
  columnOf(columns, mapping.age.column, mapping.table);
  if (mapping.holdList !== null) columnOf(columns, mapping.holdList.contact, mapping.table);
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
  if (facts === undefined) throw missing('42P01', `table ${nameOf(mapping.table)}`);
  return {
    oid,
    isPlainHeap: facts.kind === 'r' && facts.heap && !facts.related,
    columns,
    keyTypes,
    file: facts.file ?? '',
    blocks: Math.ceil(facts.size / facts.block),
    rows: facts.rows,
    correlation: facts.correlation,
    levels: await readLevels(client, mapping, oid, columns),
  };
}

/** As many as there are now. */
export async function readBlocks(client: Queryable, oid: string): Promise<number> {
  const { rows } = await client.query<{ blocks: number }>(
    `SELECT ceil(pg_relation_size($1::oid)::float8 / current_setting('block_size')::int) AS blocks`,
    [oid],
  );
  return rows[0]?.blocks ?? 0;
}

async function readLevels(
  client: Queryable,
  mapping: Mapping,
  oid: string,
  messages: Columns,
): Promise<Readonly<Record<string, LevelFacts>>> {
  const seen = new Map<string | null, { readonly table: TableName; readonly columns: Columns }>([
    [null, { table: mapping.table, columns: messages }],
  ]);
  const levels: Record<string, LevelFacts> = {};
  for (const { place, dependent, above } of levelsOf(mapping)) {
    const mine = await findTable(client, dependent.table);
    const columns = await readColumns(client, mine);
    const parent = seen.get(above);
    const types: Record<string, string> = {};
    for (const pair of dependent.match) {
      types[pair.column] = columnOf(columns, pair.column, dependent.table).type;
      if (parent !== undefined) columnOf(parent.columns, pair.message, parent.table);
    }
    for (const { match } of dependent.dependents ?? []) {
      for (const { message } of match) types[message] = columnOf(columns, message, dependent.table).type;
    }
    const nullable = dependent.match.filter((pair) => columns.get(pair.column)?.nullable === true);
    seen.set(place, { table: dependent.table, columns });
    levels[place] = { oid: mine, types, cleared: nullable.map((pair) => pair.column), isSelf: mine === oid };
  }
  return levels;
}

const kindWords: Readonly<Record<string, string>> = {
  v: 'a view',
  m: 'a materialized view',
  f: 'a foreign table',
  S: 'a sequence',
  i: 'an index',
  I: 'an index',
  c: 'a type',
  t: 'a TOAST table',
};

/** The oid of an ordinary or partitioned table; anything else is refused with words. */
async function findTable(client: Queryable, table: TableName): Promise<string> {
  const { rows } = await client.query<{ oid: string; kind: string }>(
    'SELECT oid::text AS oid, relkind::text AS kind FROM pg_class WHERE oid = to_regclass($1)',
    [quotedTable(table)],
  );
  const found = rows[0];
  if (found === undefined) {
    const there = await client.query<{ schema: string; name: string; visible: boolean }>(
      `SELECT n.nspname AS schema, c.relname AS name, pg_table_is_visible(c.oid) AS visible
       FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
       WHERE c.relkind IN ('r', 'p') AND n.nspname NOT IN ('pg_catalog', 'information_schema', 'message_gc')
         AND n.nspname !~ '^pg_(toast|temp)' LIMIT 5000`,
    );
    const names = there.rows.flatMap(({ schema, name, visible }) =>
      table.schema !== null || !visible ? [`${schema}.${name}`] : [name],
    );
    throw missing('42P01', `table ${nameOf(table)}${didYouMean(nameOf(table), names)}`);
  }
  if (found.kind === 'r' || found.kind === 'p') return found.oid;
  throw unfit(
    '42809',
    `${nameOf(table)} is ${kindWords[found.kind] ?? 'no table'}; only rows of tables can be collected. Name the table that holds the rows`,
  );
}

/** Types without their modifiers, as they are written in a cast (`bpchar`, not `character`, which is one letter). */
async function readColumns(client: Queryable, oid: string): Promise<Columns> {
  const { rows } = await client.query<{ name: string; type: string; nullable: boolean }>(
    `SELECT attname AS name, format_type(atttypid, -1) AS type, NOT attnotnull AS nullable FROM pg_attribute
     WHERE attrelid = $1::oid AND attnum > 0 AND NOT attisdropped`,
    [oid],
  );
  return new Map(rows.map(({ name, type, nullable }) => [name, { type, nullable }]));
}

function columnOf(columns: Columns, name: string, table: TableName): Column {
  const found = columns.get(name);
  if (found === undefined)
    throw missing('42703', `column ${name} in ${nameOf(table)}${didYouMean(name, [...columns.keys()])}`);
  return found;
}

function missing(code: string, what: string): StoreError {
  return new StoreError('missing', code, 'read the catalogue', `There is no ${what}`, undefined);
}

/** What cannot be collected exactly, whatever is tried; the words say what to do. */
export function unfit(code: string, words: string): StoreError {
  return new StoreError('unfit', code, 'plan the run', words, undefined);
}

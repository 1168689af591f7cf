import type { PoolClient } from 'pg';
import { type Mapping, nameOf, type TableName } from '../../../core/mapping.js';
import type { DependentCounts } from '../../../core/run.js';
import { quotedTable } from '../names.js';
import { countedDependents } from '../../preview/counted-dependents.js';

/** What the log keeps of a deleted row: a record of its place, its visibility and its header. */
const recordBytes = 60;

export type TableSize = {
  readonly rows: number;
  /** Of one row, its part of the side table for large values included. */
  readonly rowBytes: number;
  readonly blocks: number;
  /** The old row is written into the log whole. */
  readonly isLoggedWhole: boolean;
};
export type Sizes = {
  readonly tables: ReadonlyMap<string, TableSize>;
  readonly fullPageWrites: boolean;
  readonly blockBytes: number;
};

/** From the statistics: nothing is read of the tables themselves. */
export async function readSizes(client: PoolClient, mapping: Mapping): Promise<Sizes> {
  const tables = new Map<string, TableSize>();
  for (const table of [
    mapping.table,
    ...countedDependents(mapping).map(({ dependent }) => dependent.table),
  ]) {
    if (!tables.has(nameOf(table))) tables.set(nameOf(table), await readSize(client, table));
  }
  const { rows } = await client.query<{ full: boolean; block: number }>(
    `SELECT current_setting('full_page_writes') = 'on' AS full, current_setting('block_size')::int AS block`,
  );
  return { tables, fullPageWrites: rows[0]?.full ?? true, blockBytes: rows[0]?.block ?? 8_192 };
}

async function readSize(client: PoolClient, table: TableName): Promise<TableSize> {
  const { rows } = await client.query<{ rows: number; bytes: number; blocks: number; whole: boolean }>(
    `WITH RECURSIVE tree AS (SELECT $1::regclass::oid AS oid UNION SELECT i.inhrelid FROM pg_inherits i JOIN tree t ON i.inhparent = t.oid)
     SELECT coalesce(sum(greatest(c.reltuples, 0)), 0)::float8 AS rows, sum(pg_table_size(c.oid))::float8 AS bytes,
       sum(pg_relation_size(c.oid) / current_setting('block_size')::int)::float8 AS blocks, bool_or(c.relreplident = 'f') AS whole
     FROM tree JOIN pg_class c ON c.oid = tree.oid`,
    [quotedTable(table)],
  );
  const { rows: known = 0, bytes = 0, blocks = 0, whole = false } = rows[0] ?? {};
  // Never analysed: twenty rows a block is what the planner takes, too.
  const count = known > 0 ? known : blocks * 20;
  return { rows: count, rowBytes: count > 0 ? bytes / count : 0, blocks, isLoggedWhole: whole };
}

/** Bytes of the rows that would go, and of the log that deleting them would write. */
export function bytesOf(
  { tables, fullPageWrites, blockBytes }: Sizes,
  mapping: Mapping,
  messages: number,
  dependents: DependentCounts,
): { readonly bytes: number; readonly logBytes: number } {
  let bytes = 0;
  let logBytes = 0;
  for (const [name, rows] of Object.entries({ ...dependents, [nameOf(mapping.table)]: messages })) {
    const size = tables.get(name);
    if (size === undefined || rows === 0) continue;
    bytes += rows * size.rowBytes;
    // Each block that is touched is written whole once after a checkpoint; many rows share one.
    const touched = size.blocks * (1 - Math.exp(-rows / Math.max(1, size.blocks)));
    logBytes += rows * (recordBytes + (size.isLoggedWhole ? size.rowBytes : 0));
    if (fullPageWrites) logBytes += touched * blockBytes;
  }
  return { bytes: Math.round(bytes), logBytes: Math.round(logBytes) };
}

import type { Queryable } from '../own-tables.js';
import type { ExaminedTable } from './examined.js';

/** Blocks that a sample reads: well under 50 ms from a disk. */
const sampleBlocks = 60;

/** The messages as `m`, or a random few blocks of them where there are many. */
export async function sampled(
  q: Queryable,
  { oid, sql }: Pick<ExaminedTable, 'oid' | 'sql'>,
): Promise<string> {
  const { rows } = await q.query(
    `SELECT (sum(pg_relation_size(relid)) / current_setting('block_size')::int)::float8 AS blocks
       FROM pg_partition_tree($1::oid::regclass)
      UNION ALL SELECT (pg_relation_size($1::oid) / current_setting('block_size')::int)::float8`,
    [oid],
  );
  const blocks = Math.max(...rows.map((row) => Number(row['blocks'] ?? 0)));
  if (blocks <= sampleBlocks) return `${sql} AS m`;
  return `${sql} AS m TABLESAMPLE SYSTEM (${((100 * sampleBlocks) / blocks).toFixed(6)})`;
}

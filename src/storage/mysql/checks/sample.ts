import type { Mapping } from '../../../core/mapping.js';
import { keyColumns } from '../range.js';
import type { ExaminedTable } from './examined.js';

/** Rows from each end of the key: the server has no random sample that does not read the whole table. */
const fromEachEnd = 500;

/** A SELECT of `columns` (over alias `m`) from the two ends of the table; small tables are seen twice. */
export function sampled(mapping: Mapping, { sql }: Pick<ExaminedTable, 'sql'>, columns: string): string {
  const end = (direction: 'ASC' | 'DESC'): string =>
    `(SELECT ${columns} FROM ${sql} AS m ORDER BY ${keyColumns(mapping)
      .map((column) => `${column} ${direction}`)
      .join(', ')} LIMIT ${fromEachEnd})`;
  return `${end('ASC')} UNION ALL ${end('DESC')}`;
}

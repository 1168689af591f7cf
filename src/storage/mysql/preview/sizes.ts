import { type Mapping, nameOf } from '../../../core/mapping.js';
import type { DependentCounts } from '../../../core/run.js';
import { findTable } from '../catalogue.js';
import { textSql } from '../names.js';
import type { Session } from '../session.js';
import { countedDependents } from '../../preview/counted-dependents.js';

/** Of each row in the binary log, beside its image; many rows share the header of an event. */
const recordBytes = 10;
/** The image of a row where only the key is written. */
const keyImageBytes = 24;

export type TableSize = { readonly rows: number; readonly rowBytes: number };
export type Sizes = {
  readonly tables: ReadonlyMap<string, TableSize>;
  /** `none`: there is no binary log. */
  readonly image: 'none' | 'whole' | 'key';
};

/** From the statistics: nothing is read of the tables themselves. */
export async function readSizes(session: Session, mapping: Mapping): Promise<Sizes> {
  const tables = new Map<string, TableSize>();
  for (const table of [
    mapping.table,
    ...countedDependents(mapping).map(({ dependent }) => dependent.table),
  ]) {
    if (tables.has(nameOf(table))) continue;
    const real = await findTable(session, table);
    const rows = await session.rows<{ rows: number; bytes: number }>(
      `SELECT CAST(coalesce(TABLE_ROWS, 0) AS CHAR) + 0 AS \`rows\`, CAST(coalesce(AVG_ROW_LENGTH, 0) AS CHAR) + 0 AS bytes
       FROM information_schema.TABLES WHERE TABLE_SCHEMA = ${textSql(real.database)} AND TABLE_NAME = ${textSql(real.name)}`,
    );
    tables.set(nameOf(table), { rows: Number(rows[0]?.rows ?? 0), rowBytes: Number(rows[0]?.bytes ?? 0) });
  }
  const log = await session.rows<{ isOn: number; image: string }>(
    'SELECT @@log_bin AS isOn, @@binlog_row_image AS image',
  );
  const isWhole = /^full/i.test(log[0]?.image ?? '');
  return { tables, image: log[0]?.isOn !== 1 ? 'none' : isWhole ? 'whole' : 'key' };
}

/** Bytes of the rows that would go, and of the row images in the binary log. */
export function bytesOf(
  { tables, image }: Sizes,
  mapping: Mapping,
  messages: number,
  dependents: DependentCounts,
): { readonly bytes: number; readonly logBytes: number } {
  let bytes = 0;
  let logBytes = 0;
  for (const [name, rows] of Object.entries({ ...dependents, [nameOf(mapping.table)]: messages })) {
    const { rowBytes = 0 } = tables.get(name) ?? {};
    bytes += rows * rowBytes;
    if (image !== 'none') logBytes += rows * (recordBytes + (image === 'whole' ? rowBytes : keyImageBytes));
  }
  return { bytes: Math.round(bytes), logBytes: Math.round(logBytes) };
}

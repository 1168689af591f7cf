/** The doctor's look at the key: it must name one row, and be walked in its order. */
import { type Mapping, nameOf } from '../../../core/mapping.js';
import type { Finding } from '../../../core/ports.js';
import { ok } from '../../checks/finding.js';
import { quoted } from '../names.js';
import type { Queryable } from '../own-tables.js';
import type { ExaminedTable } from './examined.js';

export async function keyFindings(
  q: Queryable,
  mapping: Mapping,
  messages: ExaminedTable & { readonly oid: string },
): Promise<readonly Finding[]> {
  return [
    await unique(q, mapping, messages),
    ...(mapping.key.every((column) => messages.columns.has(column)) ? [notNull(mapping, messages)] : []),
  ];
}

async function unique(
  q: Queryable,
  mapping: Mapping,
  messages: ExaminedTable & { readonly oid: string },
): Promise<Finding> {
  const check = 'key_unique';
  const why =
    'A batch remembers its place by the key: a key that several rows share would be counted wrongly, and one without an index would be looked for in the whole table.';
  const words = mapping.key.join(', ');
  // Uniqueness does not depend on the order of the columns, but the walk does.
  const { rows } = await q.query(
    `SELECT i.indisunique AND i.indpred IS NULL AND i.indimmediate AND i.indisvalid AS usable,
            i.indexrelid::regclass::text AS index, i.indisvalid AS valid, i.indpred IS NOT NULL AS partial,
            i.indisunique AS unique
       FROM pg_catalog.pg_index i JOIN pg_catalog.pg_class c ON c.oid = i.indexrelid
       JOIN pg_catalog.pg_am m ON m.oid = c.relam AND m.amname = 'btree'
      WHERE i.indrelid = $1::oid AND i.indnkeyatts = cardinality($2::text[]) AND i.indexprs IS NULL
        AND (SELECT array_agg(a.attname::text ORDER BY k.place)
               FROM unnest(i.indkey::int2[]) WITH ORDINALITY AS k (attnum, place)
               JOIN pg_catalog.pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = k.attnum
              WHERE k.place <= i.indnkeyatts) = $2::text[]
      ORDER BY 1 DESC`,
    [messages.oid, [...mapping.key]],
  );
  const best = rows[0];
  if (best?.['usable'] === true)
    return ok(check, `${words} is unique, by the index ${String(best['index'])}.`, why);
  const reason =
    best === undefined
      ? 'no index over exactly these columns, in this order'
      : best['valid'] !== true
        ? `the index ${String(best['index'])} is invalid`
        : best['partial'] === true
          ? `the index ${String(best['index'])} covers only some rows`
          : best['unique'] === true
            ? `the index ${String(best['index'])} is checked late (DEFERRABLE)`
            : `the index ${String(best['index'])} is not unique`;
  return {
    level: 'error',
    check,
    found: `The key (${words}) of ${nameOf(mapping.table)} is not known to be unique: ${reason}.`,
    why,
    todo: `Name the primary key's columns in the mapping, or: CREATE UNIQUE INDEX CONCURRENTLY ON ${messages.sql} (${mapping.key.map(quoted).join(', ')});`,
  };
}

function notNull(mapping: Mapping, messages: ExaminedTable): Finding {
  const check = 'key_not_null';
  const why =
    'NULL is not in the order of the key: such a row would never be walked, and any number may have it.';
  const nullable = mapping.key.filter((column) => messages.columns.get(column)?.notNull === false);
  if (nullable.length === 0) return ok(check, 'No part of the key can be NULL.', why);
  return {
    level: 'error',
    check,
    found: `${nullable.join(', ')} of ${nameOf(mapping.table)} can be NULL.`,
    why,
    todo: nullable
      .map((column) => `ALTER TABLE ${messages.sql} ALTER COLUMN ${quoted(column)} SET NOT NULL;`)
      .join(' '),
  };
}

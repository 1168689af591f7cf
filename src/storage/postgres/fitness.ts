import { type Age, type Mapping, nameOf } from '../../core/mapping.js';
import { type Queryable, type TableFacts, unfit } from './catalogue.js';
import { kindOf } from './errors.js';
import { zoneSql } from './eligible.js';
import { quoted } from './names.js';
import { Parameters } from './range.js';

/**
 * Refuses, with words, a key that does not name exactly one message and an age that cannot be read as the mapping
 * says. Without the first a batch could not tell which rows it locked; without the second it could not tell how old
 * they are.
 */
export async function refuseUnfitColumns(
  client: Queryable,
  mapping: Mapping,
  facts: TableFacts,
): Promise<void> {
  await refuseKey(client, mapping, facts);
  await refuseAge(client, mapping, facts);
}

async function refuseKey(client: Queryable, { key, table }: Mapping, facts: TableFacts): Promise<void> {
  const nullable = key.filter((name) => facts.columns.get(name)?.nullable !== false);
  if (nullable.length > 0) {
    throw unfit(
      'KEY_NULL',
      `The key column ${nullable.join(', ')} of ${nameOf(table)} may be NULL, so it does not name every message. Choose a key whose columns are all NOT NULL, the primary key usually`,
    );
  }
  const { rows } = await client.query<{ columns: string[]; fits: boolean }>(
    `SELECT (SELECT json_agg(a.attname ORDER BY k.ord) FROM unnest(i.indkey::int2[]) WITH ORDINALITY k(num, ord)
         JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = k.num WHERE k.ord <= i.indnkeyatts) AS columns,
       i.indisvalid AND i.indimmediate AND i.indpred IS NULL AND i.indexprs IS NULL AND m.amname = 'btree' AS fits
     FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid JOIN pg_am m ON m.oid = c.relam
     WHERE i.indrelid = $1::oid AND i.indisunique`,
    [facts.oid],
  );
  const usable = rows.filter((row) => row.fits).map((row) => row.columns ?? []);
  if (usable.some((columns) => columns.join('\0') === key.join('\0'))) return;
  const sameColumns = usable.find((columns) => [...columns].sort().join('\0') === [...key].sort().join('\0'));
  const others = usable.map((columns) => `(${columns.join(', ')})`).join(', ');
  throw unfit(
    'KEY_NOT_UNIQUE',
    `The key (${key.join(', ')}) of ${nameOf(table)} ${
      sameColumns === undefined
        ? `is not unique: there is no unique, valid, immediate index on exactly these columns${others === '' ? '' : ` (there are: ${others})`}`
        : `stands in another order in its index; write it as (${sameColumns.join(', ')})`
    }`,
  );
}

const numbers = /^(smallint|integer|bigint|numeric|real|double precision)$/;

/** The types of PostgreSQL in which each unit of age can stand. */
function fits({ unit }: Age, type: string): boolean {
  if (unit === 'timestamptz') return type === 'timestamp with time zone';
  if (unit === 'datetime') return type === 'timestamp without time zone' || type === 'date';
  return numbers.test(type);
}

async function refuseAge(client: Queryable, { age, table }: Mapping, facts: TableFacts): Promise<void> {
  const type = facts.columns.get(age.column)?.type ?? '';
  if (!fits(age, type)) {
    const advice = numbers.test(type)
      ? 'write epoch_s, epoch_ms, epoch_us or epoch_ns'
      : type === 'timestamp with time zone'
        ? 'write timestamptz'
        : type === 'timestamp without time zone' || type === 'date'
          ? 'write datetime with its zone'
          : 'choose a column of numbers or times';
    throw unfit(
      'AGE_TYPE',
      `The age column ${age.column} of ${nameOf(table)} is of type ${type}, which is no ${age.unit}; ${advice}`,
    );
  }
  if (age.unit !== 'datetime') return;
  const parameters = new Parameters();
  try {
    await client.query(`SELECT now() AT TIME ZONE ${zoneSql(age, parameters)}`, parameters.values);
  } catch (error) {
    if (!kindOf(error).code.startsWith('22')) throw error;
    throw unfit(
      'AGE_ZONE',
      `The server knows no time zone ${quoted(age.zone ?? '')}, which the mapping gives for ${age.column}; write UTC, an offset such as +02:00, or a name from pg_timezone_names`,
    );
  }
}

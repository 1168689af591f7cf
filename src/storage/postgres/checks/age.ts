/** The doctor's look at the column that says how old a message is. */
import { type Age, type Mapping, nameOf } from '../../../core/mapping.js';
import type { Finding } from '../../../core/ports.js';
import { ageIndexFinding, type AgeTypes, ageTypeFinding, zoneFinding } from '../../checks/age-findings.js';
import { epochFinding } from '../../checks/epoch-sample.js';
import { ok } from '../../checks/finding.js';
import { quoted } from '../names.js';
import type { Queryable } from '../own-tables.js';
import { type ExaminedTable, leadsAnIndex } from './examined.js';
import { sampled } from './sample.js';

type Messages = ExaminedTable & { readonly oid: string };

const types: AgeTypes = {
  timestamptz: ['timestamp with time zone'],
  datetime: ['timestamp without time zone'],
  epoch: ['smallint', 'integer', 'bigint', 'numeric', 'double precision'],
};

/** From the catalogue alone. */
export async function ageFindings(
  q: Queryable,
  { age, table }: Mapping,
  messages: Messages,
): Promise<readonly Finding[]> {
  const type = messages.columns.get(age.column)?.type;
  if (type === undefined) return [];
  return [
    ageTypeFinding(age, nameOf(table), type, types),
    ...(await zone(q, age)),
    await probeIndex(q, messages, age.column),
  ];
}

async function zone(q: Queryable, { unit, zone: name }: Age): Promise<readonly Finding[]> {
  if (unit !== 'datetime') return [];
  const wanted = name ?? 'UTC';
  const isOffset = /^[+-]\d{1,2}:\d{2}$/.test(wanted);
  const { rows } = await q.query(
    `SELECT 1 FROM pg_catalog.pg_timezone_names WHERE lower(name) = lower($1)
     UNION ALL SELECT 1 FROM pg_catalog.pg_timezone_abbrevs WHERE lower(abbrev) = lower($1) LIMIT 1`,
    [wanted],
  );
  const isKnown = isOffset || wanted.toUpperCase() === 'UTC' || rows.length > 0;
  const todo = 'Write UTC, an offset such as +02:00, or a name of: SELECT name FROM pg_timezone_names;';
  return [zoneFinding(wanted, isKnown, todo)];
}

async function probeIndex(q: Queryable, messages: Messages, age: string): Promise<Finding> {
  const isThere = await leadsAnIndex(q, messages.oid, [age]);
  return ageIndexFinding(age, isThere ? null : ageIndexSql(messages, age));
}

export function ageIndexSql({ sql, kind }: ExaminedTable, age: string): string {
  // A partitioned table takes no index CONCURRENTLY.
  return `CREATE INDEX ${kind === 'p' ? '' : 'CONCURRENTLY '}ON ${sql} (${quoted(age)});`;
}

/** From a sample: whether the numbers look like the unit that they are read in. */
export async function ageSampleFindings(
  q: Queryable,
  { age, table }: Mapping,
  messages: Messages,
): Promise<readonly Finding[]> {
  const column = messages.columns.get(age.column);
  if (column === undefined || !age.unit.startsWith('epoch') || !types.epoch.includes(column.type)) return [];
  const name = quoted(age.column);
  const { rows } = await q.query(
    `SELECT (percentile_disc(0.5) WITHIN GROUP (ORDER BY m.${name}))::float8 AS middle
       FROM ${await sampled(q, messages)} WHERE m.${name} > 0`,
  );
  const middle = rows[0]?.['middle'];
  return typeof middle === 'number' ? [epochFinding(age, nameOf(table), middle)] : [];
}

/**
 * Triggers that move the age: on the messages when a row is changed, or on a table that loses rows when those go
 * (deleting a tag set `updated_at` of its message to now: no message was old any more).
 */
export async function ageMovedFindings(
  q: Queryable,
  { age, table }: Mapping,
  tables: readonly Messages[],
): Promise<readonly Finding[]> {
  const check = 'age_moved';
  const why =
    'An age that moves when a row is touched makes messages young again, also by the clearing of a run itself.';
  const { rows } = await q.query(
    `SELECT format('trigger %I on %s', t.tgname, t.tgrelid::regclass) AS words
       FROM pg_catalog.pg_trigger t JOIN pg_catalog.pg_proc p ON p.oid = t.tgfoid
      WHERE NOT t.tgisinternal AND t.tgenabled <> 'D' AND t.tgrelid = ANY ($1::oid[])
        AND ((t.tgrelid = $2::oid AND t.tgtype & 16 <> 0
              AND (p.prosrc ~* ('\\mNEW\\s*\\.\\s*"?' || $3 || '"?\\s*:?=') OR encode(t.tgargs, 'escape') LIKE '%' || $3 || '%'))
          OR p.prosrc ~* ('\\mUPDATE\\s+(ONLY\\s+)?("?\\w+"?\\s*\\.\\s*)?"?' || $4 || '"?\\M'))
      ORDER BY words`,
    [tables.map(({ oid }) => oid), tables[0]?.oid ?? null, escaped(age.column), escaped(table.name)],
  );
  if (rows.length === 0) return [ok(check, `No trigger is seen that moves ${age.column}.`, why)];
  return [
    {
      level: 'warning',
      check,
      found: `${rows.map((row) => String(row['words'])).join('; ')}: changes the messages, or sets ${age.column}.`,
      why,
      todo: `Name a column as the age that is written once, when the message is made; or leave the rows that set it off to the foreign key (leave_to_fk).`,
    },
  ];
}

function escaped(name: string): string {
  return name.replaceAll(/[.*+?^${}()|[\]\\]/g, '\\$&');
}

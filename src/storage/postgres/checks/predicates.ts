/** The doctor's look at `processed` and the holds: that each is one condition, reads only, and means something. */
import { type Mapping, nameOf, type TableName } from '../../../core/mapping.js';
import type { Policy } from '../../../core/policy.js';
import type { Finding } from '../../../core/ports.js';
import { wordsOf } from '../../../core/errors.js';
import { ok } from '../../checks/finding.js';
import { type Condition, conditionsOf, withoutNow, wordsOfSql } from '../../checks/predicate-words.js';
import { matchFinding, timeFinding } from '../../checks/predicate-findings.js';
import { eligibleSql } from '../eligible.js';
import { kindOf } from '../errors.js';
import type { Queryable } from '../own-tables.js';
import { Parameters } from '../range.js';
import type { ExaminedTable } from './examined.js';
import { sampled } from './sample.js';

type Messages = ExaminedTable & { readonly oid: string };

const timeWords = new Set([
  'current_timestamp',
  'current_time',
  'current_date',
  'localtime',
  'localtimestamp',
  'clock_timestamp',
  'statement_timestamp',
  'transaction_timestamp',
  'timeofday',
]);
/** Words that are a time only as a call: a column may be called so. */
const timeCalls = new Set(['now', 'age']);

/** Parses each condition alone and the whole of them as a batch repeats it; EXPLAIN asks for privileges, too. */
export async function conditionFindings(
  q: Queryable,
  policy: Policy,
  messages: Messages,
): Promise<readonly Finding[]> {
  const findings: Finding[] = [];
  for (const condition of conditionsOf(policy.mapping)) {
    findings.push(await parsed(q, policy.mapping, messages, condition));
    findings.push(await timeless(q, condition));
  }
  if (findings.every(({ level }) => level !== 'error')) findings.push(...(await whole(q, policy, messages)));
  return findings;
}

const whyParsed =
  'The condition is repeated inside every DELETE. It must be one whole expression over m that only reads.';

async function parsed(
  q: Queryable,
  mapping: Mapping,
  { sql, table }: Messages,
  { name, sql: condition }: Condition,
): Promise<Finding> {
  const check = 'predicate';
  // Between CASE and THEN nothing but one expression parses: no closed bracket, no second statement, no open comment.
  const words = await refused(
    q,
    `EXPLAIN SELECT CASE WHEN ${withoutNow(condition, nowSql(mapping))}\n THEN 1 END FROM ${sql} m LIMIT 0`,
  );
  if (words === null) return ok(check, `${name}: parses, and the server can plan it.`, whyParsed);
  return {
    level: 'error',
    check,
    found: `${name}: the server refuses it: ${words}.`,
    why: whyParsed,
    todo: todoOf(words, name, table),
  };
}

function todoOf(words: string, name: string, table: TableName): string {
  const denied = /permission denied for (?:table|view|relation) (\S+)/.exec(words)?.[1];
  if (denied !== undefined)
    return `GRANT SELECT ON ${denied} TO CURRENT_USER; (as its owner, for the user of message-gc)`;
  return `Correct ${name} in the mapping. The columns of ${nameOf(table)} are named by m, for example m.status.`;
}

/** Null when the server would run it. */
async function refused(q: Queryable, statement: string, values: unknown[] = []): Promise<string | null> {
  await q.query('SAVEPOINT condition');
  try {
    await q.query(statement, values);
    return null;
  } catch (error) {
    if (kindOf(error).kind === 'unreachable') throw error;
    return wordsOf(error);
  } finally {
    await q.query('ROLLBACK TO SAVEPOINT condition');
  }
}

/** A constant of the type that `:now` has. */
function nowSql({ age }: Mapping): string {
  if (age.unit.startsWith('epoch')) return '1::bigint';
  return age.unit === 'timestamptz' ? `'2000-01-01'::timestamptz` : `'2000-01-01'::timestamp`;
}

async function timeless(q: Queryable, { name, sql }: Condition): Promise<Finding> {
  const { calls, words } = wordsOfSql(sql);
  const times = [
    ...words.filter((word) => timeWords.has(word)),
    ...calls.filter((call) => timeCalls.has(call)),
  ];
  const { rows } = await q.query(
    `SELECT DISTINCT p.proname::text AS name FROM pg_catalog.pg_proc p
      WHERE p.proname = ANY ($1::text[]) AND p.provolatile = 'v' AND pg_function_is_visible(p.oid) ORDER BY 1`,
    [calls.filter((call) => !times.includes(call))],
  );
  return timeFinding(
    name,
    times,
    rows.map((row) => String(row['name'])),
    'declare it STABLE if it only reads',
  );
}

async function whole(q: Queryable, policy: Policy, { sql }: Messages): Promise<readonly Finding[]> {
  const parameters = new Parameters();
  const eligible = eligibleSql(policy, '2000-01-01T00:00:00.000000Z', parameters);
  const words = await refused(q, `EXPLAIN SELECT 1 FROM ${sql} m WHERE ${eligible}`, parameters.values);
  if (words === null) return [];
  return [
    {
      level: 'error',
      check: 'predicate',
      found: `Age, processed and holds together: the server refuses them: ${words}.`,
      why: whyParsed,
      todo: 'End each condition where its expression ends: a comment at its end would hide what follows it.',
    },
  ];
}

/** Runs each condition over a random few blocks, where a function that writes is refused by the transaction. */
export async function conditionSampleFindings(
  q: Queryable,
  { mapping }: Policy,
  messages: Messages,
): Promise<readonly Finding[]> {
  const conditions = conditionsOf(mapping);
  const from = await sampled(q, messages);
  const findings: Finding[] = [];
  for (const { name, sql } of conditions) {
    const { rows } = await q.query(
      `SELECT count(*)::int AS seen, (count(*) FILTER (WHERE ${withoutNow(sql, nowSql(mapping))}\n))::int AS matching FROM ${from}`,
    );
    findings.push(matchFinding(name, Number(rows[0]?.['seen']), Number(rows[0]?.['matching'])));
  }
  return findings;
}

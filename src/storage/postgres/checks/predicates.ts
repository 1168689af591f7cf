/** The doctor's look at `processed` and the holds: that each is one condition, reads only, and means something. */
import { type Mapping, nameOf } from '../../../core/mapping.js';
import { replaceNow } from '../../../core/now-parameter.js';
import type { Policy } from '../../../core/policy.js';
import type { Finding } from '../../../core/ports.js';
import { wordsOf } from '../../../core/errors.js';
import {
  type Condition,
  conditionsOf,
  readCondition,
  type ReadCondition,
} from '../../checks/predicate-words.js';
import {
  matchFinding,
  parsedFinding,
  parseSql,
  timeFinding,
  togetherFinding,
} from '../../checks/predicate-findings.js';
import { eligibleSql } from '../eligible.js';
import { kindOf } from '../errors.js';
import type { Queryable } from '../own-tables.js';
import { Parameters } from '../range.js';
import type { ExaminedTable } from './examined.js';
import { sampled } from './sample.js';

type Messages = ExaminedTable & { readonly oid: string };

/** Parses each condition alone and the whole of them as a batch repeats it; EXPLAIN asks for privileges, too. */
export async function conditionFindings(
  q: Queryable,
  policy: Policy,
  messages: Messages,
): Promise<readonly Finding[]> {
  const findings: Finding[] = [];
  for (const condition of conditionsOf(policy.mapping)) {
    const read = readCondition(condition, 'postgresql');
    findings.push(await parsed(q, policy.mapping, messages, condition, read));
    findings.push(await timeless(q, condition, read));
  }
  if (findings.some(({ level }) => level === 'error')) return findings;
  const parameters = new Parameters();
  const eligible = eligibleSql(policy, '2000-01-01T00:00:00.000000Z', parameters);
  const words = await refused(
    q,
    `EXPLAIN SELECT 1 FROM ${messages.sql} m WHERE ${eligible}`,
    parameters.values,
  );
  return words === null ? findings : [...findings, togetherFinding(words)];
}

async function parsed(
  q: Queryable,
  mapping: Mapping,
  { sql, table }: Messages,
  { name, sql: condition }: Condition,
  { problem }: ReadCondition,
): Promise<Finding> {
  const words =
    problem ??
    (await refused(q, `EXPLAIN SELECT ${parseSql(withNow(condition, mapping))} FROM ${sql} m LIMIT 0`));
  return parsedFinding(name, nameOf(table), words, grantFor(words ?? ''));
}

function grantFor(words: string): string | null {
  const denied = /permission denied for (?:table|view|relation) (\S+)/.exec(words)?.[1];
  return denied === undefined
    ? null
    : `GRANT SELECT ON ${denied} TO CURRENT_USER; (as its owner, for the user of message-gc)`;
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

/** With a constant of the type that `:now` has. */
function withNow(sql: string, { age }: Mapping): string {
  const moment = age.unit === 'timestamptz' ? 'timestamptz' : 'timestamp';
  return replaceNow(sql, () => (age.unit.startsWith('epoch') ? '1::bigint' : `'2000-01-01'::${moment}`));
}

async function timeless(
  q: Queryable,
  { name }: Condition,
  { calls, changing }: ReadCondition,
): Promise<Finding> {
  const { rows } = await q.query(
    `SELECT DISTINCT p.proname::text AS name FROM pg_catalog.pg_proc p
      WHERE p.proname = ANY ($1::text[]) AND p.provolatile = 'v' AND pg_function_is_visible(p.oid) ORDER BY 1`,
    [calls],
  );
  const names = rows.map((row) => String(row['name']));
  return timeFinding(name, changing, names, 'declare it STABLE if it only reads');
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
      `SELECT count(*)::int AS seen, (count(*) FILTER (WHERE ${withNow(sql, mapping)}\n))::int AS matching FROM ${from}`,
    );
    findings.push(matchFinding(name, Number(rows[0]?.['seen']), Number(rows[0]?.['matching'])));
  }
  return findings;
}

/** The doctor's look at `processed` and the holds: that each is one condition, reads only, and means something. */
import { wordsOf } from '../../../core/errors.js';
import { type Mapping, nameOf } from '../../../core/mapping.js';
import { replaceNow } from '../../../core/now-parameter.js';
import type { Policy } from '../../../core/policy.js';
import type { Finding } from '../../../core/ports.js';
import {
  matchFinding,
  parsedFinding,
  parseSql,
  timeFinding,
  togetherFinding,
} from '../../checks/predicate-findings.js';
import {
  type Condition,
  conditionsOf,
  readCondition,
  type ReadCondition,
} from '../../checks/predicate-words.js';
import { eligibleSql } from '../eligible.js';
import { kindOf } from '../errors.js';
import { textSql } from '../names.js';
import type { Session } from '../session.js';
import type { PresentTable } from './examined.js';
import { sampled } from './sample.js';

/** Parses each condition alone and the whole of them as a batch repeats it; EXPLAIN asks for privileges, too. */
export async function conditionFindings(
  session: Session,
  policy: Policy,
  messages: PresentTable,
): Promise<readonly Finding[]> {
  const findings: Finding[] = [];
  for (const condition of conditionsOf(policy.mapping)) {
    const read = readCondition(condition, 'mysql');
    findings.push(await parsed(session, policy.mapping, messages, condition, read));
    findings.push(await timeless(session, condition, read));
  }
  if (findings.some(({ level }) => level === 'error')) return findings;
  const eligible = eligibleSql(policy, '2000-01-01T00:00:00.000000Z');
  const words = await refused(session, `EXPLAIN SELECT 1 FROM ${messages.sql} AS m WHERE ${eligible}`);
  return words === null ? findings : [...findings, togetherFinding(words)];
}

async function parsed(
  session: Session,
  mapping: Mapping,
  { sql, table }: PresentTable,
  { name, sql: condition }: Condition,
  { problem }: ReadCondition,
): Promise<Finding> {
  // Our sessions take several statements at once, so what is not one expression is never sent.
  const words =
    problem ??
    (await refused(
      session,
      `EXPLAIN SELECT ${parseSql(withNow(condition, mapping))} FROM ${sql} AS m LIMIT 0`,
    ));
  return parsedFinding(name, nameOf(table), words, grantFor(words ?? ''));
}

function grantFor(words: string): string | null {
  const denied = /SELECT command denied to user '?([^']+?)'?@'?([^']*?)'? for (?:table|column) (\S+)/.exec(
    words,
  );
  return denied === null
    ? null
    : `GRANT SELECT ON ${(denied[3] ?? '').replace(/'$/, '')} TO '${denied[1]}'@'${denied[2]}';`;
}

/** Null when the server would run it. */
async function refused(session: Session, statement: string): Promise<string | null> {
  try {
    await session.rows(statement);
    return null;
  } catch (error) {
    if (kindOf(error).kind === 'unreachable') throw error;
    return wordsOf(error);
  }
}

/** With a constant of the type that `:now` has. */
function withNow(sql: string, { age }: Mapping): string {
  return replaceNow(sql, () => (age.unit.startsWith('epoch') ? '1' : `TIMESTAMP'2000-01-01 00:00:00'`));
}

async function timeless(
  session: Session,
  { name }: Condition,
  { calls, changing }: ReadCondition,
): Promise<Finding> {
  const routines =
    calls.length === 0
      ? []
      : await session.rows<{ name: string }>(
          `SELECT ROUTINE_NAME AS name FROM information_schema.ROUTINES
           WHERE ROUTINE_SCHEMA = DATABASE() AND ROUTINE_TYPE = 'FUNCTION' AND LOWER(ROUTINE_NAME) IN (${calls.map(textSql).join(', ')})
             AND (IS_DETERMINISTIC = 'NO' OR SQL_DATA_ACCESS = 'MODIFIES SQL DATA') ORDER BY 1`,
        );
  const names = routines.map((routine) => routine.name);
  return timeFinding(name, changing, names, 'declare it DETERMINISTIC READS SQL DATA if it only reads');
}

/** Runs each condition over a few rows, where a function that writes is refused by the transaction. */
export async function conditionSampleFindings(
  session: Session,
  { mapping }: Policy,
  messages: PresentTable,
): Promise<readonly Finding[]> {
  const findings: Finding[] = [];
  for (const { name, sql } of conditionsOf(mapping)) {
    const condition = `(${withNow(sql, mapping)}\n) IS TRUE AS is_it`;
    const rows = await session.rows<{ seen: number; matching: number }>(
      `SELECT count(*) AS seen, CAST(coalesce(sum(is_it), 0) AS UNSIGNED) AS matching FROM (${sampled(mapping, messages, condition)}) AS seen_rows`,
    );
    findings.push(matchFinding(name, Number(rows[0]?.seen), Number(rows[0]?.matching)));
  }
  return findings;
}

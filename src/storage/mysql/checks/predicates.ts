/** The doctor's look at `processed` and the holds: that each is one condition, reads only, and means something. */
import { wordsOf } from '../../../core/errors.js';
import { type Mapping, nameOf, type TableName } from '../../../core/mapping.js';
import type { Policy } from '../../../core/policy.js';
import type { Finding } from '../../../core/ports.js';
import { ok } from '../../checks/finding.js';
import { matchFinding, timeFinding } from '../../checks/predicate-findings.js';
import { type Condition, conditionsOf, withoutNow, wordsOfSql } from '../../checks/predicate-words.js';
import { eligibleSql } from '../eligible.js';
import { kindOf } from '../errors.js';
import { textSql } from '../names.js';
import type { Session } from '../session.js';
import type { PresentTable } from './examined.js';
import { sampled } from './sample.js';

/** Times and chances of the server's own. `UNIX_TIMESTAMP(x)` of a column is none. */
const timeWords = new Set([
  'current_timestamp',
  'current_time',
  'current_date',
  'localtime',
  'localtimestamp',
  'utc_timestamp',
  'utc_date',
  'utc_time',
]);
const timeCalls = new Set(['now', 'sysdate', 'curdate', 'curtime']);
const chances = new Set([
  'rand',
  'uuid',
  'uuid_short',
  'last_insert_id',
  'get_lock',
  'release_lock',
  'sleep',
  'benchmark',
]);

/** Parses each condition alone and the whole of them as a batch repeats it; EXPLAIN asks for privileges, too. */
export async function conditionFindings(
  session: Session,
  policy: Policy,
  messages: PresentTable,
): Promise<readonly Finding[]> {
  const findings: Finding[] = [];
  for (const condition of conditionsOf(policy.mapping)) {
    findings.push(await parsed(session, policy.mapping, messages, condition));
    findings.push(await timeless(session, condition));
  }
  if (findings.every(({ level }) => level !== 'error'))
    findings.push(...(await whole(session, policy, messages)));
  return findings;
}

const whyParsed =
  'The condition is repeated inside every DELETE. It must be one whole expression over m that only reads.';

async function parsed(
  session: Session,
  mapping: Mapping,
  { sql, table }: PresentTable,
  { name, sql: condition }: Condition,
): Promise<Finding> {
  const check = 'predicate';
  // Our sessions take several statements at once, so a second one is looked for before anything is sent.
  const second = hasSecondStatement(condition);
  // Between CASE and THEN nothing but one expression parses: no closed bracket, no open comment.
  const words = second
    ? 'it holds more than one statement'
    : await refused(
        session,
        `EXPLAIN SELECT CASE WHEN ${withoutNow(condition, nowSql(mapping))}\n THEN 1 END FROM ${sql} AS m LIMIT 0`,
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

/** A semicolon outside of texts and quoted names. In a comment it is refused, too: nobody needs one there. */
function hasSecondStatement(sql: string): boolean {
  return sql.replaceAll(/'(?:[^'\\]|''|\\.)*'|"(?:[^"\\]|""|\\.)*"|`(?:[^`]|``)*`/gs, ' ').includes(';');
}

function todoOf(words: string, name: string, table: TableName): string {
  const denied = /SELECT command denied to user '?([^']+?)'?@'?([^']*?)'? for (?:table|column) (\S+)/.exec(
    words,
  );
  if (denied !== null)
    return `GRANT SELECT ON ${(denied[3] ?? '').replace(/'$/, '')} TO '${denied[1]}'@'${denied[2]}';`;
  return `Correct ${name} in the mapping. The columns of ${nameOf(table)} are named by m, for example m.status.`;
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

/** A constant of the type that `:now` has. */
function nowSql({ age }: Mapping): string {
  return age.unit.startsWith('epoch') ? '1' : `TIMESTAMP'2000-01-01 00:00:00'`;
}

async function timeless(session: Session, { name, sql }: Condition): Promise<Finding> {
  const { calls, words } = wordsOfSql(sql);
  const times = [
    ...words.filter((word) => timeWords.has(word)),
    ...calls.filter((call) => timeCalls.has(call)),
    ...(/\bunix_timestamp\s*\(\s*\)/i.test(sql) ? ['unix_timestamp()'] : []),
  ];
  const routines =
    calls.length === 0
      ? []
      : await session.rows<{ name: string }>(
          `SELECT ROUTINE_NAME AS name FROM information_schema.ROUTINES
           WHERE ROUTINE_SCHEMA = DATABASE() AND ROUTINE_TYPE = 'FUNCTION' AND LOWER(ROUTINE_NAME) IN (${calls.map(textSql).join(', ')})
             AND (IS_DETERMINISTIC = 'NO' OR SQL_DATA_ACCESS = 'MODIFIES SQL DATA') ORDER BY 1`,
        );
  const volatile = [...calls.filter((call) => chances.has(call)), ...routines.map((routine) => routine.name)];
  return timeFinding(name, times, volatile, 'declare it DETERMINISTIC READS SQL DATA if it only reads');
}

async function whole(session: Session, policy: Policy, { sql }: PresentTable): Promise<readonly Finding[]> {
  const eligible = eligibleSql(policy, '2000-01-01T00:00:00.000000Z');
  const words = await refused(session, `EXPLAIN SELECT 1 FROM ${sql} AS m WHERE ${eligible}`);
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

/** Runs each condition over a few rows, where a function that writes is refused by the transaction. */
export async function conditionSampleFindings(
  session: Session,
  { mapping }: Policy,
  messages: PresentTable,
): Promise<readonly Finding[]> {
  const findings: Finding[] = [];
  for (const { name, sql } of conditionsOf(mapping)) {
    const condition = `(${withoutNow(sql, nowSql(mapping))}\n) IS TRUE AS is_it`;
    const rows = await session.rows<{ seen: number; matching: number }>(
      `SELECT count(*) AS seen, CAST(coalesce(sum(is_it), 0) AS UNSIGNED) AS matching FROM (${sampled(mapping, messages, condition)}) AS seen_rows`,
    );
    findings.push(matchFinding(name, Number(rows[0]?.seen), Number(rows[0]?.matching)));
  }
  return findings;
}

/**
 * `message-gc doctor` on the MySQL family: looks at what a run will need and meet, changes nothing, and says for each
 * point what was found, why it matters, and what to do, with the statement to run where there is one.
 *
 * `error`: a run is refused or fails. `warning`: a run works, slower or with a risk that is named.
 */
import { wordsOf } from '../../core/errors.js';
import { isOwnMapping } from '../../core/first-run.js';
import type { Policy } from '../../core/policy.js';
import type { Finding } from '../../core/ports.js';
import { notExamined } from '../checks/finding.js';
import { ageFindings, ageMovedFindings, ageSampleFindings } from './checks/age.js';
import {
  changed,
  type ExaminedTable,
  type PresentTable,
  present,
  readExaminedTables,
} from './checks/examined.js';
import { otherCollectorFindings } from './checks/other-collectors.js';
import { conditionFindings, conditionSampleFindings } from './checks/predicates.js';
import { keyFindings, presenceFindings } from './checks/presence.js';
import { privilegeFindings, tablePrivilegeFindings } from './checks/privileges.js';
import { foreignKeyFindings } from './checks/references.js';
import { isOurs, keepers, triggers } from './checks/tables.js';
import { kindOf } from './errors.js';
import type { Session } from './session.js';

/** Everything about the tables. The session is inside a READ ONLY transaction. */
export async function doctorFindings(session: Session, policy: Policy): Promise<readonly Finding[]> {
  const { mapping } = policy;
  const isOwn = isOwnMapping(mapping);
  const tables = await readExaminedTables(session, mapping);
  const messages = messagesOf(tables);
  const findings: Finding[] = [];
  const look = async (what: string, work: () => Promise<readonly Finding[]>): Promise<void> => {
    findings.push(...(await attempted(what, work)));
  };
  if (isOwn) await look('Whose tables these are', async () => [await isOurs(session)]);
  // That ours are not made yet is said by table_ours already.
  if (!isOwn || messages !== null) await look('The tables', () => presenceFindings(session, mapping, tables));
  if (messages !== null) {
    const real = changed(tables).map((one) => one.real);
    await look('The key', () => keyFindings(session, mapping, messages));
    await look('The age', () => ageFindings(session, mapping, messages));
    await look('What moves the age', () => ageMovedFindings(session, mapping, present(tables)));
    await look('The foreign keys', () => foreignKeyFindings(session, mapping, tables));
    await look('The triggers', async () => [await triggers(session, real), await keepers(session, real)]);
    await look('The conditions', () => conditionFindings(session, policy, messages));
    await look('Other collectors', () => otherCollectorFindings(session, mapping));
    const mayBeSampled =
      !isOwn && findings.every(({ level, check }) => level !== 'error' || !parses.has(check));
    if (mayBeSampled) {
      await look('The ages', () => ageSampleFindings(session, mapping, messages));
      await look('What the conditions match', () => conditionSampleFindings(session, policy, messages));
    }
  }
  await look('The privileges', () => privilegeFindings(session, tables));
  return findings;
}

/** Checks without which a statement over the messages would only fail, or take long. */
const parses = new Set([
  'table_kind',
  'column_present',
  'key_unique',
  'age_type',
  'predicate',
  'predicate_time',
]);

/**
 * What a run asks first, from the catalogue alone. Our own schema is known since it was prepared, and the planner
 * keeps the checks on where something was added to it.
 */
export async function obstacleFindings(session: Session, policy: Policy): Promise<readonly Finding[]> {
  const { mapping } = policy;
  if (isOwnMapping(mapping)) return [];
  const tables = await readExaminedTables(session, mapping);
  const messages = messagesOf(tables);
  const there = await presenceFindings(session, mapping, tables);
  if (messages === null || there.some(({ level }) => level === 'error')) return there;
  return [
    ...there,
    ...(await keyFindings(session, mapping, messages)),
    ...(await ageFindings(session, mapping, messages)),
    ...(await foreignKeyFindings(session, mapping, tables)),
    ...(await tablePrivilegeFindings(session, tables)),
    ...(await conditionFindings(session, policy, messages)),
    // A unit that is too small makes young messages look ancient: a bounded sample tells, and no catalogue does.
    ...(await attempted('The ages', () => ageSampleFindings(session, mapping, messages))),
  ];
}

function messagesOf([messages]: readonly ExaminedTable[]): PresentTable | null {
  return messages?.real == null ? null : { ...messages, real: messages.real };
}

/** A check that fails says so; the others go on. */
async function attempted(what: string, work: () => Promise<readonly Finding[]>): Promise<readonly Finding[]> {
  try {
    return await work();
  } catch (error) {
    if (kindOf(error).kind === 'unreachable') throw error;
    return [notExamined(what, wordsOf(error))];
  }
}

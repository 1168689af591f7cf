/**
 * `message-gc doctor` on PostgreSQL: looks at what a run will need and meet, changes nothing, and says for each
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
import { changed, type ExaminedTable, readExaminedTables } from './checks/examined.js';
import { keyFindings } from './checks/key.js';
import { otherCollectorFindings } from './checks/other-collectors.js';
import { conditionFindings, conditionSampleFindings } from './checks/predicates.js';
import { presenceFindings } from './checks/presence.js';
import { privilegeFindings, tablePrivilegeFindings } from './checks/privileges.js';
import { foreignKeyFindings } from './checks/references.js';
import { isOurs, publication, rowSecurity, triggerFindings } from './checks/tables.js';
import { kindOf } from './errors.js';
import type { Queryable } from './own-tables.js';

type Messages = ExaminedTable & { readonly oid: string };

/** Everything about the tables. `q` is one session inside a transaction, which a check must not end. */
export async function doctorFindings(q: Queryable, policy: Policy): Promise<readonly Finding[]> {
  const { mapping } = policy;
  const isOwn = isOwnMapping(mapping);
  const tables = await readExaminedTables(q, mapping);
  const messages = messagesOf(tables);
  const findings: Finding[] = [];
  const look = async (what: string, work: () => Promise<readonly Finding[]>): Promise<void> => {
    findings.push(...(await attempted(q, what, work)));
  };
  if (isOwn) await look('Whose tables these are', async () => [await isOurs(q)]);
  // That ours are not made yet is said by table_ours already.
  if (!isOwn || messages !== null) await look('The tables', () => presenceFindings(q, mapping, tables));
  if (messages !== null) {
    await look('The key', () => keyFindings(q, mapping, messages));
    await look('The age', () => ageFindings(q, mapping, messages));
    await look('What moves the age', () => ageMovedFindings(q, mapping, changed(tables)));
    await look('The foreign keys', () => foreignKeyFindings(q, mapping, tables));
    await look('The triggers', () => triggerFindings(q, tables));
    await look('The policies', async () => [await rowSecurity(q, tables)]);
    await look('The publications', async () => [await publication(q, tables)]);
    await look('The conditions', () => conditionFindings(q, policy, messages));
    await look('Other collectors', () => otherCollectorFindings(q, mapping));
    const mayBeSampled =
      !isOwn && findings.every(({ level, check }) => level !== 'error' || !parses.has(check));
    if (mayBeSampled) {
      await look('The ages', () => ageSampleFindings(q, mapping, messages));
      await look('What the conditions match', () => conditionSampleFindings(q, policy, messages));
    }
  }
  await look('The privileges', () => privilegeFindings(q, tables));
  return findings;
}

/** Checks without which a statement over the messages would only fail. */
const parses = new Set([
  'table_kind',
  'column_present',
  'age_type',
  'predicate',
  'predicate_time',
  'row_security',
]);

/**
 * What a run asks first, from the catalogue and one bounded sample. Our own schema is known since it was prepared, and the planner
 * keeps the checks on where something was added to it.
 */
export async function obstacleFindings(q: Queryable, policy: Policy): Promise<readonly Finding[]> {
  const { mapping } = policy;
  if (isOwnMapping(mapping)) return [];
  const tables = await readExaminedTables(q, mapping);
  const messages = messagesOf(tables);
  const present = await presenceFindings(q, mapping, tables);
  if (messages === null || present.some(({ level }) => level === 'error')) return present;
  return [
    ...present,
    ...(await keyFindings(q, mapping, messages)),
    ...(await ageFindings(q, mapping, messages)),
    ...(await foreignKeyFindings(q, mapping, tables)),
    await rowSecurity(q, tables),
    await publication(q, tables),
    ...(await tablePrivilegeFindings(q, tables)),
    ...(await conditionFindings(q, policy, messages)),
    // A unit that is too small makes young messages look ancient: a bounded sample tells, and no catalogue does.
    ...(await attempted(q, 'The ages', () => ageSampleFindings(q, mapping, messages))),
  ];
}

function messagesOf([messages]: readonly ExaminedTable[]): Messages | null {
  return messages?.oid == null ? null : { ...messages, oid: messages.oid };
}

/** A check that fails says so; the others go on. */
async function attempted(
  q: Queryable,
  what: string,
  work: () => Promise<readonly Finding[]>,
): Promise<readonly Finding[]> {
  await q.query('SAVEPOINT look');
  try {
    const findings = await work();
    await q.query('RELEASE SAVEPOINT look');
    return findings;
  } catch (error) {
    if (kindOf(error).kind === 'unreachable') throw error;
    await q.query('ROLLBACK TO SAVEPOINT look');
    return [notExamined(what, wordsOf(error))];
  }
}

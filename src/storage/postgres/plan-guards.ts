import type { PoolClient } from 'pg';
import type { BatchRequest } from '../../core/ports.js';
import type { Plan } from '../../core/run.js';
import { readShape } from './foreign-keys.js';
import type { LockBudget } from './lock-budget.js';
import { textSql } from './names.js';
import { PlanChanged } from '../sweep/plan-changed.js';

/**
 * Where checks are left out, the shape of the tables. Read after the batch's last DELETE: only then every table that
 * loses rows has the lock that holds off whoever would change the answer. (FOR UPDATE is not enough: a foreign key
 * that was added after it left orphans, and so did one into the dependents that was added between the two DELETEs.)
 */
export async function verifyGuards(
  client: PoolClient,
  budget: LockBudget,
  { plan }: BatchRequest,
): Promise<void> {
  if (plan.foreignKeys !== 'messages_first') return;
  const oids = JSON.parse(plan.guards['oids'] ?? '[]') as string[];
  await budget.limit();
  if ((await readShape(client, oids)) !== plan.guards['shape']) {
    throw new PlanChanged('a foreign key, trigger or rule of the tables was changed during the run');
  }
}

/** The triggers of the messages table, a foreign key's among them, and whether its name still means it. */
export function tableSql(oid: string, name: string): string {
  return `coalesce(to_regclass(${textSql(name)})::oid::text, '') || ' ' || (SELECT md5(coalesce(string_agg(t.oid::text || t.tgenabled::text, ',' ORDER BY t.oid), ''))
    FROM pg_trigger t WHERE t.tgrelid = ${Number(oid)}::oid)`;
}

/**
 * Where the checks stay on the server obeys every foreign key, but it does not count what a new one takes along, and a
 * table that was dropped and made again has foreign keys that nobody looked at. Asked with the cursor's statement,
 * after the DELETE has taken its table lock: two look-ups by index.
 */
export function tableGuards(plan: Plan): readonly string[] {
  const [oid] = JSON.parse(plan.guards['oids'] ?? '[]') as string[];
  const { table, table_name: name } = plan.guards;
  if (oid === undefined || table === undefined || name === undefined) return [];
  return [
    `${tableSql(oid, name)} <> ${textSql(table)} THEN ('shape' || (SELECT count(*) FROM moved) || '!')::int`,
  ];
}

import type { PoolClient } from 'pg';
import type { BatchRequest } from '../../core/ports.js';
import { readShape } from './foreign-keys.js';
import type { LockBudget } from './lock-budget.js';
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

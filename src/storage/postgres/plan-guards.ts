import type { PoolClient } from 'pg';
import type { BatchRequest } from '../../core/ports.js';
import { readShape } from './foreign-keys.js';
import type { LockBudget } from './lock-budget.js';
import { PlanChanged } from '../sweep/plan-changed.js';

/**
 * The table's file (a rewritten table has other blocks) and, where checks are left out, its shape. Read after the
 * batch's last DELETE: only then every table that loses rows has the lock that holds off whoever would change the
 * answer. (FOR UPDATE is not enough: a foreign key that was added after it left orphans, and so did one into the
 * dependents that was added between the two DELETEs.)
 */
export async function verifyGuards(
  client: PoolClient,
  budget: LockBudget,
  { plan }: BatchRequest,
): Promise<void> {
  const oids = JSON.parse(plan.guards['oids'] ?? '[]') as string[];
  if (plan.walk === 'blocks') {
    await budget.limit();
    const { rows } = await client.query<{ file: string | null }>(
      'SELECT pg_relation_filenode($1::oid)::text AS file',
      [oids[0]],
    );
    if (rows[0]?.file !== plan.guards['file'])
      throw new PlanChanged('the table was rewritten (VACUUM FULL, CLUSTER, TRUNCATE)');
  }
  if (plan.foreignKeys !== 'messages_first') return;
  await budget.limit();
  if ((await readShape(client, oids)) !== plan.guards['shape']) {
    throw new PlanChanged('a foreign key, trigger or rule of the tables was changed during the run');
  }
}

import type { Mapping } from '../../core/mapping.js';
import { canonicalJson, type Policy } from '../../core/policy.js';
import { type Dialect, reading } from './dialect.js';

/**
 * Whether a run under this mapping has ended with something deleted. A run keeps its whole policy, so that the mapping
 * can be compared apart from the retention; equal policies are read once. Runs are forgotten after 90 days.
 */
export async function hasCollected(dialect: Dialect, mapping: Mapping): Promise<boolean> {
  const rows = await reading(dialect, 'look for earlier runs', (db) =>
    db
      .selectFrom('run')
      .select((eb) => eb.fn.min('policy').as('policy'))
      .where('state', '=', 'ended')
      .where('deleted', '>', 0)
      .where('policy', 'is not', null)
      .groupBy('policy_hash')
      .execute(),
  );
  const wanted = canonicalJson(mapping);
  return rows.some(
    ({ policy }) => policy !== null && canonicalJson((JSON.parse(policy) as Policy).mapping) === wanted,
  );
}

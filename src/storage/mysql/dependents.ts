import { type Dependent, nameOf } from '../../core/mapping.js';
import type { BatchRequest } from '../../core/ports.js';
import type { DependentCounts } from '../../core/run.js';
import type { Keys } from './keys.js';
import { comment, quoted, quotedTable } from './names.js';
import { noWait } from './no-wait.js';
import type { Session } from './session.js';

/** The dependent's table under alias `d`, by the index that finds a message's rows; anything else locks the others'. */
export function dependentTable({ plan }: BatchRequest, dependent: Dependent, place: number): string {
  const indexes = JSON.parse(plan.guards['dependent_indexes'] ?? '[]') as string[];
  return `${quotedTable(dependent.table)} AS d FORCE INDEX (${quoted(indexes[place] ?? 'PRIMARY')})`;
}

/** Deletes or clears what goes with these messages, in the mapping's order; counted apart from the messages. */
export async function deleteDependents(
  session: Session,
  request: BatchRequest,
  keys: Keys,
): Promise<DependentCounts> {
  const counts: Record<string, number> = {};
  if (keys.count === 0) return counts;
  const { policy, run, span } = request;
  for (const [place, dependent] of policy.mapping.dependents.entries()) {
    const where = keys.dependentSql(dependent);
    const table = dependentTable(request, dependent, place);
    if (!session.can.zeroLockWait) {
      await session.rows(`SELECT count(*) AS n FROM ${table} WHERE ${where} FOR UPDATE NOWAIT`);
    }
    const statement =
      dependent.action === 'delete'
        ? `DELETE d FROM ${table} WHERE ${where}`
        : `UPDATE ${table} SET ${dependent.match.map((pair) => `d.${quoted(pair.column)} = NULL`).join(', ')} WHERE ${where}`;
    const count = await session.write(`${comment(run.id, span.no)} ${noWait(session, statement)}`);
    const name = nameOf(dependent.table);
    counts[name] = (counts[name] ?? 0) + count;
  }
  return counts;
}

import { type Dependent, nameOf } from '../../core/mapping.js';
import type { DependentCounts } from '../../core/run.js';
import { PlanChanged } from '../sweep/plan-changed.js';
import { type FrozenDependent, frozenDependents } from './dependent-facts.js';
import { bytewise, columnsSql, Keys, type KeyRow, type Pair } from './keys.js';
import { type RowsSql, rowsWithKeys } from './key-rows.js';
import { quoted, quotedTable } from './names.js';
import { noWait } from './no-wait.js';
import type { Session } from './session.js';
import { marked, mustBeSame, type Work } from './work.js';

/** A dependent with what the plan froze of it. */
export type Planned = { readonly dependent: Dependent; readonly frozen: FrozenDependent };

/** The dependents of the messages, in the mapping's order. */
export function plannedDependents({ policy, plan }: Work): readonly Planned[] {
  return together(policy.mapping.dependents, frozenDependents(plan));
}

export function plannedBelow({ dependent, frozen }: Planned): readonly Planned[] {
  return together(dependent.dependents ?? [], frozen.below);
}

/** Never fewer than the mapping names: what is not known of a dependent must not leave its rows behind. */
function together(dependents: readonly Dependent[], frozen: readonly FrozenDependent[]): readonly Planned[] {
  return dependents.map((dependent, place) => {
    const its = frozen[place];
    if (its === undefined) {
      throw new PlanChanged(`the plan says nothing of ${nameOf(dependent.table)}: another version made it`);
    }
    return { dependent, frozen: its };
  });
}

/** The dependent's table, by the index that finds the rows; anything else locks the others'. */
export function dependentTable({ dependent, frozen }: Planned, alias = 'd'): string {
  return `${quotedTable(dependent.table)} AS ${alias} FORCE INDEX (${quoted(frozen.index ?? 'PRIMARY')})`;
}

/** Its columns, to be compared with those of the row above. */
export function dependentPairs({ dependent, frozen }: Planned): readonly Pair[] {
  return dependent.match.map((pair, place) => ({
    mine: `d.${quoted(pair.column)}`,
    theirs: pair.message,
    type: frozen.pairs[place]?.type ?? 'varchar',
    isExact: (frozen.pairs[place]?.collation ?? null) !== null,
  }));
}

/** The same comparison as a join: the dependent's index must serve, whatever the other column is. */
export function joinSql({ dependent, frozen }: Planned, alias: string, above: string): string {
  const parts = dependent.match.map((pair, place) => {
    const mine = `${alias}.${quoted(pair.column)}`;
    const theirs = `${above}.${quoted(pair.message)}`;
    const { isCast = false, collation = null } = frozen.pairs[place] ?? {};
    if (collation === null) return `${mine} = ${theirs}`;
    const text = isCast ? `CAST(${theirs} AS CHAR)` : theirs;
    const [charset = 'utf8mb4'] = collation.split('_');
    return `${mine} = CONVERT(${text} USING ${charset}) COLLATE ${collation} AND ${bytewise(mine)} = ${bytewise(text)}`;
  });
  return parts.join(' AND ');
}

/** Deletes or clears what goes with these messages, in the mapping's order; counted apart from the messages. */
export async function deleteDependents(session: Session, work: Work, keys: Keys): Promise<DependentCounts> {
  const counts: Record<string, number> = {};
  await clearLevel(session, work, plannedDependents(work), keys, counts);
  return counts;
}

async function clearLevel(
  session: Session,
  work: Work,
  level: readonly Planned[],
  keys: Keys,
  counts: Record<string, number>,
): Promise<void> {
  for (const one of level) {
    const { action } = one.dependent;
    if (action === 'keep' || action === 'leave_to_fk') continue;
    for (const some of keys.slices()) {
      const its = rowsWithKeys(session, some, dependentPairs(one), dependentTable(one));
      if (its === null) continue;
      const count =
        plannedBelow(one).length === 0
          ? await clear(session, work, one, its)
          : await deleteTwoLevels(session, work, one, its, counts);
      const name = nameOf(one.dependent.table);
      counts[name] = (counts[name] ?? 0) + count;
    }
  }
}

/** The rows are locked first, so that nothing new can refer to them; then what refers to them goes, then they. */
async function deleteTwoLevels(
  session: Session,
  work: Work,
  one: Planned,
  its: RowsSql,
  counts: Record<string, number>,
): Promise<number> {
  const below = plannedBelow(one);
  const referred = [
    ...new Set(below.flatMap(({ dependent }) => dependent.match.map((pair) => pair.message))),
  ];
  const rows = await session.rows<KeyRow>(
    marked(
      work,
      `SELECT ${columnsSql(referred, one.frozen.types, 'd.')} FROM ${its.from} WHERE ${its.where} FOR UPDATE NOWAIT`,
    ),
  );
  if (rows.length === 0) return 0;
  await clearLevel(session, work, below, new Keys(referred, rows), counts);
  const deleted = await clear(session, work, one, its);
  // One more may have come in between, whose own dependents were not looked for.
  mustBeSame(rows.length, deleted, nameOf(one.dependent.table));
  return deleted;
}

async function clear(session: Session, work: Work, one: Planned, { from, where }: RowsSql): Promise<number> {
  if (!session.can.zeroLockWait) {
    await session.rows(`SELECT count(*) AS n FROM ${from} WHERE ${where} FOR UPDATE NOWAIT`);
  }
  const { clears, keeps } = one.frozen;
  const cleared = [
    ...clears.map((column) => `d.${quoted(column)} = NULL`),
    ...keeps.map((column) => `d.${quoted(column)} = d.${quoted(column)}`),
  ];
  const statement =
    one.dependent.action === 'delete'
      ? `DELETE d FROM ${from} WHERE ${where}`
      : `UPDATE ${from} SET ${cleared.join(', ')} WHERE ${where}`;
  return session.write(marked(work, noWait(session, statement)));
}

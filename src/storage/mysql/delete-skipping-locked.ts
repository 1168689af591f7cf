import type { DependentCounts } from '../../core/run.js';
import type { Deleted } from '../sweep/deleted.js';
import type { WalkRange } from './batch-range.js';
import { keyedTable, walkedTable } from './bounds.js';
import { deleteLocked, lockKeys } from './delete-plain.js';
import { touches } from './dependent-facts.js';
import {
  deleteDependents,
  dependentTable,
  joinSql,
  type Planned,
  plannedBelow,
  plannedDependents,
} from './dependents.js';
import { rowsWithKeys } from './key-rows.js';
import { columnsSql, type KeyRow, type Keys } from './keys.js';
import { columnTypes, keyColumns } from './range.js';
import type { Session } from './session.js';
import { eligibleIn, keyPairs, marked, type Work } from './work.js';

/**
 * The same range when another session holds a row of it: nothing waits. Rows that are locked, or whose dependents
 * are, are left where they are and counted as skipped; the caller parks them.
 */
export async function deleteSkippingLocked(session: Session, work: Work, range: WalkRange): Promise<Deleted> {
  const { plan } = work;
  const locked = await lockKeys(session, work, range, 'SKIP LOCKED');
  const keys = locked.count === 0 ? locked : await withoutBusyDependents(session, work, locked);
  let deleted = 0;
  let dependents: DependentCounts = {};
  if (keys.count > 0) {
    if (plan.foreignKeys === 'checked') dependents = await deleteDependents(session, work, keys);
    deleted = await deleteLocked(session, work, keys);
    if (plan.foreignKeys === 'messages_first') dependents = await deleteDependents(session, work, keys);
  }
  return { deleted, dependents, skipped: await countLeft(session, work, range) };
}

/**
 * Of the messages that we hold, those whose dependents we can hold as well: as many as are there could be locked. A
 * dependent that another session has locked would refuse our DELETE of it (or the foreign key's own); its message is
 * left for later. What was locked stays so, so nothing changes between here and the DELETE.
 */
async function withoutBusyDependents(session: Session, work: Work, locked: Keys): Promise<Keys> {
  let keys = locked;
  for (const chain of chains(plannedDependents(work))) {
    if (keys.count === 0) return keys;
    const { mapping } = work.policy;
    const joins = chain.map((one, depth) => {
      const above = depth === 0 ? 'm' : `d${depth - 1}`;
      return `STRAIGHT_JOIN ${dependentTable(one, `d${depth}`)} ON ${joinSql(one, `d${depth}`, above)}`;
    });
    const held = new Map<string, number>();
    const there = new Map<string, number>();
    for (const some of keys.slices()) {
      // Counted by the message's own key, read as it was when it was locked: its text is the same in all three answers.
      const rows = rowsWithKeys(session, some, keyPairs(mapping, work.plan), keyedTable(mapping, work.plan));
      if (rows === null) continue;
      const select = `SELECT ${columnsSql(mapping.key, columnTypes(work.plan), 'm.')}, count(*) AS n
        FROM ${rows.from} ${joins.join(' ')} WHERE ${rows.where} GROUP BY ${keyColumns(mapping).join(', ')}`;
      const lock = `${select} FOR UPDATE SKIP LOCKED`;
      count(held, await session.rows<Counted>(marked(work, lock)), work);
      count(there, await session.rows<Counted>(marked(work, select)), work);
    }
    keys = keys.only(
      keys.rows.filter((row) => {
        const key = textOfKey(row, mapping.key.length);
        return (there.get(key) ?? 0) === (held.get(key) ?? 0);
      }),
    );
  }
  return keys;
}

/** Every way down from the messages: the dependents, and each with what is below it. */
function chains(level: readonly Planned[]): readonly (readonly Planned[])[] {
  return level
    .filter(({ dependent }) => touches(dependent))
    .flatMap((one) => [[one], ...chains(plannedBelow(one)).map((below) => [one, ...below])]);
}

type Counted = Readonly<Record<string, string | number>>;

function count(into: Map<string, number>, rows: readonly Counted[], { policy }: Work): void {
  for (const row of rows) into.set(textOfKey(row, policy.mapping.key.length), Number(row['n']));
}

/** The key's columns come first among the needed ones. */
function textOfKey(row: KeyRow, columns: number): string {
  return JSON.stringify(Array.from({ length: columns }, (_, place) => String(row[`c${place}`])));
}

/** Eligible rows of the range that are still there: those that others held. Plain read, waits for nobody. */
async function countLeft(session: Session, work: Work, range: WalkRange): Promise<number> {
  const { policy, plan } = work;
  const rows = await session.rows<{ n: number }>(
    `SELECT count(*) AS n FROM ${walkedTable(policy.mapping, plan)} WHERE ${eligibleIn(work, range)}`,
  );
  return Number(rows[0]?.n ?? 0);
}

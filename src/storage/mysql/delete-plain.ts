import { looksElsewhere } from '../../core/looks-elsewhere.js';
import type { Deleted } from '../sweep/deleted.js';
import { withoutAlias } from './alias.js';
import type { WalkRange } from './batch-range.js';
import { keyedTable, walkedTable } from './bounds.js';
import { deleteDependents } from './dependents.js';
import { Keys, type KeyRow } from './keys.js';
import { rowsWithKeys } from './key-rows.js';
import { quoted, quotedTable } from './names.js';
import { noWait } from './no-wait.js';
import { rangeSql, walkOrder } from './range.js';
import type { Session } from './session.js';
import {
  eligibleIn,
  eligibleNow,
  keyPairs,
  marked,
  mustBeSame,
  neededColumns,
  neededSql,
  stillEligible,
  type Work,
} from './work.js';

/**
 * The common case: nobody holds a row of the range, which is deleted by its ends with the predicate repeated. At READ
 * COMMITTED a row that does not match is let go at once, so nothing stays locked but what goes.
 */
export async function deletePlain(session: Session, work: Work, range: WalkRange): Promise<Deleted> {
  const { plan } = work;
  if (plan.foreignKeys === 'checked') return deleteChecked(session, work, range);
  if (plan.foreignKeys === 'messages_first') {
    const keys =
      (await deleteReturning(session, work, range)) ?? (await lockThenDelete(session, work, range));
    const dependents = await deleteDependents(session, work, keys);
    return { deleted: keys.count, dependents, skipped: 0 };
  }
  if (!session.can.zeroLockWait) {
    const keys = await lockThenDelete(session, work, range);
    return { deleted: keys.count, dependents: {}, skipped: 0 };
  }
  const deleted = await session.write(marked(work, noWait(session, deleteRange(work, range))));
  return { deleted, dependents: {}, skipped: 0 };
}

/**
 * One statement that deletes and gives the keys of what it deleted. Its single-table form knows neither alias nor
 * index hint; `IS TRUE` around the predicate leaves the server no index but the key's. (At the end of a run, with few
 * eligible rows left, it would take the age's index and lock rows all over the table.)
 */
async function deleteReturning(session: Session, work: Work, range: WalkRange): Promise<Keys | null> {
  const { plan } = work;
  const { mapping } = work.policy;
  if (!session.can.returning || plan.walk !== 'key' || plan.guards['key_index'] !== 'PRIMARY') return null;
  const { name } = mapping.table;
  const predicate = withoutAlias(eligibleNow(work), name);
  if (predicate === null) return null;
  const columns = walkOrder(mapping, plan).map((column) => `${quoted(name)}.${quoted(column)}`);
  const statement = `DELETE FROM ${quotedTable(mapping.table)}
    WHERE ${rangeSql(mapping, plan, range.from, range.to, columns)} AND (${predicate}) IS TRUE
    RETURNING ${neededSql(mapping, plan, '')}`;
  const rows = await session.rows<KeyRow>(marked(work, noWait(session, statement, true)));
  return new Keys(neededColumns(mapping), rows);
}

async function lockThenDelete(session: Session, work: Work, range: WalkRange): Promise<Keys> {
  const keys = await lockKeys(session, work, range, 'NOWAIT');
  if (keys.count > 0) await deleteLocked(session, work, keys);
  return keys;
}

/**
 * With the server's checks on: lock the victims, which makes every new reference wait; then clear their dependents
 * in a statement that sees what was committed before; then delete exactly these rows. The dependents of a row that
 * is not locked are never touched: a reference committed in between would be cascaded away, uncounted.
 */
async function deleteChecked(session: Session, work: Work, range: WalkRange): Promise<Deleted> {
  const keys = await lockKeys(session, work, range, 'NOWAIT');
  if (keys.count === 0) return { deleted: 0, dependents: {}, skipped: 0 };
  const dependents = await deleteDependents(session, work, keys);
  const deleted = await deleteLocked(session, work, keys);
  return { deleted, dependents, skipped: 0 };
}

/**
 * Locks the eligible messages of a range and gives their keys. Where a condition asks another table, its answer is as old
 * as this statement, while the row is reached later: then it is asked again of what is locked, as whoever refers to it must
 * wait for us now. What an application had written meanwhile, to hold a message, was deleted with it. (In a DELETE the same
 * question reads, and locks, what is committed by then: seen on MariaDB 10.11.)
 */
export async function lockKeys(
  session: Session,
  work: Work,
  range: WalkRange,
  how: 'NOWAIT' | 'SKIP LOCKED',
): Promise<Keys> {
  const { policy, plan } = work;
  const rows = await session.rows<KeyRow>(
    marked(
      work,
      `SELECT ${neededSql(policy.mapping, plan, 'm.')} FROM ${walkedTable(policy.mapping, plan)}
       WHERE ${eligibleIn(work, range)} FOR UPDATE ${how}`,
    ),
  );
  const keys = new Keys(neededColumns(policy.mapping), rows);
  return looksElsewhere(policy.mapping, 'mysql') ? stillChosen(session, work, keys) : keys;
}

async function stillChosen(session: Session, work: Work, keys: Keys): Promise<Keys> {
  const { policy, plan } = work;
  const chosen: KeyRow[] = [];
  for (const some of keys.slices()) {
    const table = keyedTable(policy.mapping, plan);
    const rows = rowsWithKeys(session, some, keyPairs(policy.mapping, plan), table);
    if (rows === null) continue;
    const statement = `SELECT ${neededSql(policy.mapping, plan, 'm.')} FROM ${rows.from} WHERE ${rows.where} AND ${eligibleNow(work)}`;
    chosen.push(...(await session.rows<KeyRow>(marked(work, statement))));
  }
  return keys.only(chosen);
}

/** Deletes the rows that this transaction has locked. */
export async function deleteLocked(session: Session, work: Work, keys: Keys): Promise<number> {
  const { policy, plan } = work;
  let deleted = 0;
  for (const some of keys.slices()) {
    const table = keyedTable(policy.mapping, plan);
    const rows = rowsWithKeys(session, some, keyPairs(policy.mapping, plan), table);
    if (rows === null) continue;
    const statement = `DELETE m FROM ${rows.from} WHERE ${rows.where} AND ${stillEligible(work)}`;
    deleted += await session.write(
      marked(work, noWait(session, statement, plan.foreignKeys === 'messages_first')),
    );
  }
  mustBeSame(keys.count, deleted, 'messages');
  return deleted;
}

function deleteRange(work: Work, range: WalkRange): string {
  return `DELETE m FROM ${walkedTable(work.policy.mapping, work.plan)} WHERE ${eligibleIn(work, range)}`;
}

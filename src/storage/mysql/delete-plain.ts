import { StoreError } from '../../core/errors.js';
import type { BatchRequest } from '../../core/ports.js';
import type { Deleted } from '../sweep/deleted.js';
import { withoutAlias } from './alias.js';
import type { WalkRange } from './batch-range.js';
import { walkedTable } from './bounds.js';
import { deleteDependents } from './dependents.js';
import { Keys, type KeyRow, neededSql } from './keys.js';
import { eligibleSql } from './eligible.js';
import { comment, quoted, quotedTable } from './names.js';
import { noWait } from './no-wait.js';
import { rangeSql } from './range.js';
import type { Session } from './session.js';

/**
 * The common case: nobody holds a row of the range, which is deleted by its ends with the predicate repeated. At READ
 * COMMITTED a row that does not match is let go at once, so nothing stays locked but what goes.
 */
export async function deletePlain(
  session: Session,
  request: BatchRequest,
  range: WalkRange,
): Promise<Deleted> {
  const { plan } = request;
  if (plan.foreignKeys === 'checked') return deleteChecked(session, request, range);
  const isUnchecked = plan.foreignKeys === 'messages_first';
  if (isUnchecked) {
    const keys =
      (await deleteReturning(session, request, range)) ?? (await lockThenDelete(session, request, range));
    const dependents = await deleteDependents(session, request, keys);
    return { deleted: keys.count, dependents, skipped: 0 };
  }
  if (!session.can.zeroLockWait) {
    const keys = await lockThenDelete(session, request, range);
    return { deleted: keys.count, dependents: {}, skipped: 0 };
  }
  const deleted = await session.write(marked(request, noWait(session, deleteRange(request, range))));
  return { deleted, dependents: {}, skipped: 0 };
}

/**
 * One statement that deletes and gives the keys of what it deleted. Its single-table form knows neither alias nor
 * index hint; `IS TRUE` around the predicate leaves the server no index but the key's. (At the end of a run, with few
 * eligible rows left, it would take the age's index and lock rows all over the table.)
 */
async function deleteReturning(
  session: Session,
  { policy, plan, run, span }: BatchRequest,
  range: WalkRange,
): Promise<Keys | null> {
  const { mapping } = policy;
  if (!session.can.returning || plan.guards['key_index'] !== 'PRIMARY') return null;
  const { name } = mapping.table;
  const predicate = withoutAlias(eligibleSql(policy, plan.horizon), name);
  if (predicate === null) return null;
  const columns = mapping.key.map((column) => `${quoted(name)}.${quoted(column)}`);
  const statement = `DELETE FROM ${quotedTable(mapping.table)}
    WHERE ${rangeSql(mapping, plan, range.from, range.to, columns)} AND (${predicate}) IS TRUE
    RETURNING ${neededSql(mapping, plan, '')}`;
  const rows = await session.rows<KeyRow>(`${comment(run.id, span.no)} ${noWait(session, statement, true)}`);
  return new Keys(mapping, plan, rows);
}

async function lockThenDelete(session: Session, request: BatchRequest, range: WalkRange): Promise<Keys> {
  const keys = await lockKeys(session, request, range, 'NOWAIT');
  const isUnchecked = request.plan.foreignKeys === 'messages_first';
  if (keys.count > 0) {
    const deleted = await session.write(
      marked(request, noWait(session, deleteRange(request, range), isUnchecked)),
    );
    mustBeSame(keys, deleted);
  }
  return keys;
}

/**
 * With the server's checks on: lock the victims, which makes every new reference wait; then clear their dependents
 * in a statement that sees what was committed before; then delete exactly these rows. The dependents of a row that
 * is not locked are never touched: a reference committed in between would be cascaded away, uncounted.
 */
async function deleteChecked(session: Session, request: BatchRequest, range: WalkRange): Promise<Deleted> {
  const keys = await lockKeys(session, request, range, 'NOWAIT');
  if (keys.count === 0) return { deleted: 0, dependents: {}, skipped: 0 };
  const dependents = await deleteDependents(session, request, keys);
  const deleted = await deleteLocked(session, request, keys);
  return { deleted, dependents, skipped: 0 };
}

/** Locks the eligible messages of a range and gives their keys. */
export async function lockKeys(
  session: Session,
  request: BatchRequest,
  range: WalkRange,
  how: 'NOWAIT' | 'SKIP LOCKED',
): Promise<Keys> {
  const { policy, plan } = request;
  const rows = await session.rows<KeyRow>(
    marked(
      request,
      `SELECT ${neededSql(policy.mapping, plan, 'm.')} FROM ${walkedTable(policy.mapping, plan)}
       WHERE ${eligibleIn(request, range)} FOR UPDATE ${how}`,
    ),
  );
  return new Keys(policy.mapping, plan, rows);
}

/** Deletes the rows that this transaction has locked, with the predicate repeated. */
export async function deleteLocked(session: Session, request: BatchRequest, keys: Keys): Promise<number> {
  const { policy, plan } = request;
  const statement = `DELETE m FROM ${walkedTable(policy.mapping, plan)}
    WHERE ${keys.matchSql()} AND ${eligibleSql(policy, plan.horizon)}`;
  const deleted = await session.write(
    marked(request, noWait(session, statement, plan.foreignKeys === 'messages_first')),
  );
  mustBeSame(keys, deleted);
  return deleted;
}

/** More can be gone when a row became eligible between the two statements; then the batch is done again. */
function mustBeSame(keys: Keys, deleted: number): void {
  if (deleted === keys.count) return;
  throw new StoreError(
    'conflict',
    '',
    'delete a range of messages',
    `${keys.count} messages were locked and ${deleted} deleted`,
    undefined,
  );
}

export function eligibleIn({ policy, plan }: BatchRequest, range: WalkRange): string {
  return `${rangeSql(policy.mapping, plan, range.from, range.to)} AND ${eligibleSql(policy, plan.horizon)}`;
}

function deleteRange(request: BatchRequest, range: WalkRange): string {
  return `DELETE m FROM ${walkedTable(request.policy.mapping, request.plan)} WHERE ${eligibleIn(request, range)}`;
}

export function marked({ run, span }: BatchRequest, sql: string): string {
  return `${comment(run.id, span.no)} ${sql}`;
}

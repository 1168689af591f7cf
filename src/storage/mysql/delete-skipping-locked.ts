import type { BatchRequest } from '../../core/ports.js';
import type { DependentCounts } from '../../core/run.js';
import type { Deleted } from '../sweep/deleted.js';
import type { WalkRange } from './batch-range.js';
import { keyAsText, walkedTable } from './bounds.js';
import { deleteLocked, eligibleIn, lockKeys, marked } from './delete-plain.js';
import { deleteDependents, dependentTable } from './dependents.js';
import type { Keys } from './keys.js';
import { quoted } from './names.js';
import { keyColumns } from './range.js';
import type { Session } from './session.js';

/**
 * The same range when another session holds a row of it: nothing waits. Rows that are locked, or whose dependents
 * are, are left where they are and counted as skipped; the caller parks them.
 */
export async function deleteSkippingLocked(
  session: Session,
  request: BatchRequest,
  range: WalkRange,
): Promise<Deleted> {
  const { plan } = request;
  const locked = await lockKeys(session, request, range, 'SKIP LOCKED');
  const keys = locked.count === 0 ? locked : await withoutBusyDependents(session, request, locked);
  let deleted = 0;
  let dependents: DependentCounts = {};
  if (keys.count > 0) {
    if (plan.foreignKeys === 'checked') dependents = await deleteDependents(session, request, keys);
    deleted = await deleteLocked(session, request, keys);
    if (plan.foreignKeys === 'messages_first') dependents = await deleteDependents(session, request, keys);
  }
  return { deleted, dependents, skipped: await countLeft(session, request, range) };
}

/**
 * Of the messages that we hold, those whose dependents we can hold as well: as many as are there could be locked. A
 * dependent that another session has locked would refuse our DELETE of it; its message is left for later. What was
 * locked stays so, so nothing changes between here and the DELETE.
 */
async function withoutBusyDependents(session: Session, request: BatchRequest, locked: Keys): Promise<Keys> {
  let keys = locked;
  for (const [place, dependent] of request.policy.mapping.dependents.entries()) {
    if (keys.count === 0) return keys;
    const { mapping } = request.policy;
    const on = dependent.match
      .map((pair) => `d.${quoted(pair.column)} = m.${quoted(pair.message)}`)
      .join(' AND ');
    // Counted by the message's own key: one row, so its text is the same in both answers.
    const select = `SELECT ${keyAsText(mapping, request.plan)}, count(*) AS n
      FROM ${walkedTable(mapping, request.plan)} STRAIGHT_JOIN ${dependentTable(request, dependent, place)} ON ${on}
      WHERE ${keys.matchSql()} GROUP BY ${keyColumns(mapping).join(', ')}`;
    const held = counted(
      await session.rows<Counted>(marked(request, `${select} FOR UPDATE SKIP LOCKED`)),
      request,
    );
    const there = counted(await session.rows<Counted>(marked(request, select)), request);
    keys = keys.only(
      keys.rows.filter((row) => {
        const key = textOfKey(row, 'c', mapping.key.length);
        return (there.get(key) ?? 0) === (held.get(key) ?? 0);
      }),
    );
  }
  return keys;
}

type Counted = Readonly<Record<string, string | number>>;

function counted(rows: readonly Counted[], { policy }: BatchRequest): ReadonlyMap<string, number> {
  return new Map(rows.map((row) => [textOfKey(row, 'k', policy.mapping.key.length), Number(row['n'])]));
}

/** The key's columns come first among the needed ones. */
function textOfKey(
  row: Readonly<Record<string, string | number | null>>,
  letter: 'c' | 'k',
  columns: number,
): string {
  return JSON.stringify(Array.from({ length: columns }, (_, place) => String(row[`${letter}${place}`])));
}

/** Eligible rows of the range that are still there: those that others held. Plain read, waits for nobody. */
async function countLeft(session: Session, request: BatchRequest, range: WalkRange): Promise<number> {
  const { policy, plan } = request;
  const rows = await session.rows<{ n: number }>(
    `SELECT count(*) AS n FROM ${walkedTable(policy.mapping, plan)} WHERE ${eligibleIn(request, range)}`,
  );
  return Number(rows[0]?.n ?? 0);
}

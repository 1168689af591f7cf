import type { PoolClient } from 'pg';
import type { BatchRequest } from '../../core/ports.js';
import { keyAfter } from './bounds.js';
import { type Bound, boundOf, isCountable, isDense } from './range.js';

/** What one batch walks: `(from, to]`. Empty: no row lies there, the cursor jumps to its end. */
export type WalkRange = {
  readonly from: Bound;
  readonly to: Bound;
  readonly walked: number;
  readonly isEmpty: boolean;
};

/**
 * The batch's range, bounded by keys or blocks walked and never by victims found: a region without victims would
 * otherwise be walked to its end under lock.
 */
export async function nextRange(
  client: PoolClient,
  { policy, plan, span, size, skipGap }: BatchRequest,
  cursor: string,
  high: string,
): Promise<WalkRange> {
  const units = Math.max(1, Math.round(size));
  const from = boundOf(cursor);
  const top = boundOf(high);
  if (plan.walk === 'blocks') return blockRange(from, top, units);
  if (span.kind !== 'parked' && isCountable(plan) && isDense(plan)) {
    const start = skipGap || from.length === 0 ? await beforeNextKey(client, policy, plan, from, top) : from;
    if (start === null) return { from, to: top, walked: 0, isEmpty: true };
    const to = added(start, top, units);
    return { from: start, to, walked: units, isEmpty: false };
  }
  const to = await keyAfter(client, policy.mapping, plan, from, top, units);
  return { from, to: to ?? top, walked: units, isEmpty: false };
}

/** Block numbers are ours to add: they are no keys, and at most 2^32. */
function blockRange(from: Bound, high: Bound, units: number): WalkRange {
  const start = Number(from[0] ?? '0');
  const end = Math.min(start + units, Number(high[0] ?? '0'));
  return { from: [String(start)], to: [String(end)], walked: end - start, isEmpty: end <= start };
}

async function beforeNextKey(
  client: PoolClient,
  policy: BatchRequest['policy'],
  plan: BatchRequest['plan'],
  from: Bound,
  high: Bound,
): Promise<Bound | null> {
  const next = await keyAfter(client, policy.mapping, plan, from, high, 1);
  return next === null ? null : [String(BigInt(next[0] ?? '0') - 1n)];
}

/**
 * Whole numbers of any size add and compare here as they do in the database; it saves a round trip per batch. Without
 * an upper bound (a plan that saw nothing eligible) the walk ends where no key follows.
 */
function added(from: Bound, high: Bound, units: number): Bound {
  const sum = BigInt(from[0] ?? '0') + BigInt(units);
  const top = high[0] === undefined ? sum : BigInt(high[0]);
  return [String(sum < top ? sum : top)];
}

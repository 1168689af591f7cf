import type { BatchRequest } from '../../core/ports.js';
import { keyAfter } from './bounds.js';
import { type Bound, boundOf, isDense } from './range.js';
import type { Session } from './session.js';

/** What one batch walks: `(from, to]`. Empty: no row lies there, the cursor jumps to its end. */
export type WalkRange = {
  readonly from: Bound;
  readonly to: Bound;
  readonly walked: number;
  readonly isEmpty: boolean;
};

/**
 * The batch's range, bounded by keys walked and never by victims found: a region without victims would otherwise be
 * walked to its end under lock.
 */
export async function nextRange(
  session: Session,
  { policy: { mapping }, plan, span, size, skipGap }: BatchRequest,
  cursor: string,
  high: string,
): Promise<WalkRange> {
  const units = Math.max(1, Math.round(size));
  const from = boundOf(cursor);
  const top = boundOf(high);
  if (span.kind !== 'parked' && isDense(mapping, plan)) {
    let start: Bound | null = from;
    if (skipGap || from.length === 0) {
      const next = await keyAfter(session, mapping, plan, from, top, 1);
      start = next === null ? null : [String(BigInt(next[0] ?? '0') - 1n)];
    }
    if (start === null) return { from, to: top, walked: 0, isEmpty: true };
    return { from: start, to: added(start, top, units), walked: units, isEmpty: false };
  }
  const to = await keyAfter(session, mapping, plan, from, top, units);
  return { from, to: to ?? top, walked: units, isEmpty: false };
}

/** Whole numbers of any size add and compare here as they do in the database; it saves a round trip per batch. */
function added(from: Bound, high: Bound, units: number): Bound {
  const top = BigInt(high[0] ?? '0');
  const sum = BigInt(from[0] ?? '0') + BigInt(units);
  return [String(sum < top ? sum : top)];
}

import { createHash } from 'node:crypto';
import { latestFiring, nextFiring } from '../kit/cron.js';
import { canonicalJson } from './policy.js';
import type { WindowPlan } from './windows.js';

/** Automatic collection: when runs begin by themselves, and the windows in which any run goes on. */
export type Schedule = WindowPlan & {
  readonly enabled: boolean;
  /** Five fields, or six with seconds first; in `timeZone`, like the windows. */
  readonly cron: string;
};

export const defaultSchedule: Schedule = {
  enabled: false,
  cron: '0 3 * * *',
  timeZone: 'UTC',
  windows: [],
};

/** Who asked for a run that the schedule began. */
export const scheduleName = 'schedule';

/**
 * What the ledger remembers of the schedule, in its own time. `since`: when it was last switched on or changed; slots
 * up to then are nobody's business. `last`: the latest slot that some node acted on.
 */
export type SlotMarks = {
  readonly now: Date;
  readonly since: Date | null;
  readonly last: Date | null;
};

/** The slot to act on now: only the latest one, so that a long downtime is made up for once. Null: none is due. */
export function dueSlot(schedule: Schedule, { now, since, last }: SlotMarks): Date | null {
  if (!schedule.enabled) return null;
  const slot = latestFiring(schedule.cron, schedule.timeZone, now);
  if (slot === null || !isAfter(slot, since) || !isAfter(slot, last)) return null;
  return slot;
}

/** When to look again, if nothing changes; null: never. */
export function nextSlot(schedule: Schedule, now: Date): Date | null {
  return schedule.enabled ? nextFiring(schedule.cron, schedule.timeZone, now) : null;
}

/**
 * The same 32 hex on every node of every cluster over this store, so that all of them together make one run: a start is
 * idempotent in its request id.
 */
export function slotRequestId(storeId: string, slot: Date): string {
  return createHash('sha256').update(`schedule ${storeId} ${slot.toISOString()}`).digest('hex').slice(0, 32);
}

/** Whether slots of the past must be forgotten: windows alone change nothing in them. */
export function hasOtherSlots(before: Schedule, after: Schedule): boolean {
  const slotsOf = ({ enabled, cron, timeZone }: Schedule): string =>
    canonicalJson({ enabled, cron, timeZone });
  return slotsOf(before) !== slotsOf(after);
}

function isAfter(slot: Date, mark: Date | null): boolean {
  return mark === null || slot.getTime() > mark.getTime();
}

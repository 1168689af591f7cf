import { type KeepUp, keepUp, type PastRun, usualSpeed } from './keep-up.js';
import type { SlotRecord } from './ports.js';
import type { Schedule } from './schedule.js';

/** What there is to say of the time ahead: schedule and windows, the ledger's marks and time, and how past runs went. */
export type Outlook = {
  readonly schedule: Schedule;
  readonly record: SlotRecord;
  /** Newest first. */
  readonly runs: readonly PastRun[];
};

/** What a forecast is reckoned with. */
export type Ahead = {
  readonly plan: Schedule;
  readonly now: Date;
  /** Messages a second; null: unknown. */
  readonly usualSpeed: number | null;
};

export function aheadOf({ schedule, record, runs }: Outlook): Ahead {
  return { plan: schedule, now: record.now, usualSpeed: usualSpeed(runs, schedule) };
}

export function keepUpOf({ schedule, record, runs }: Outlook): KeepUp {
  return keepUp(runs, schedule, record.now);
}

/** A clock may be set right by some minutes; a mark further ahead would keep the schedule silent for longer. */
const aheadMs = 3_600_000;

/** What a person should look at, a sentence each. */
export function outlookWarnings(outlook: Outlook): readonly string[] {
  const { schedule, record } = outlook;
  const lagging = laggingWords(keepUpOf(outlook));
  return [
    ...(schedule.enabled && record.warning !== null ? [record.warning] : []),
    ...(schedule.enabled ? markWarnings(record) : []),
    ...(lagging === null ? [] : [lagging]),
  ];
}

function markWarnings({ now, since, last }: SlotRecord): readonly string[] {
  const mark = Math.max(since?.getTime() ?? 0, last?.getTime() ?? 0);
  if (mark <= now.getTime() + aheadMs) return [];
  return [
    `The schedule was last acted on at ${new Date(mark).toISOString()}, which is ahead of the database's clock (${now.toISOString()}): nothing is scheduled until then. Change the schedule to begin anew.`,
  ];
}

/** Null: runs keep up, or it is not known. */
export function laggingWords({ eligiblePerDay, capacityPerDay, keepsUp }: KeepUp): string | null {
  if (keepsUp !== false || eligiblePerDay === null || capacityPerDay === null) return null;
  const count = (rows: number): string => Math.round(rows).toLocaleString('en-US');
  return `More messages become eligible (about ${count(eligiblePerDay)} a day) than runs can delete in their windows (about ${count(capacityPerDay)} a day): give them more time, or a faster profile.`;
}

import { dayAt, daysAfter, momentOf, weekdayOf } from '../kit/time-zone.js';

/** Windows: the hours of the week in which runs may go on. Outside of them nothing is deleted; no window means always. */

export const weekdays = ['sun', 'mon', 'tue', 'wed', 'thu', 'fri', 'sat'] as const;
export type Weekday = (typeof weekdays)[number];

/** `from` and `to` as `HH:MM`. With `to` not after `from` the window ends on the next day; `days` are those on which it begins. */
export type WeeklyWindow = {
  readonly days: readonly Weekday[];
  readonly from: string;
  readonly to: string;
};
/** Windows, and the time zone in which their hours are meant. */
export type WindowPlan = { readonly timeZone: string; readonly windows: readonly WeeklyWindow[] };

/** A window on the calendar: from `start` up to, and without, `end`. */
export type Opening = { readonly start: number; readonly end: number };
export type WindowState =
  | { readonly kind: 'always' }
  | { readonly kind: 'open'; readonly end: number }
  /** `opens` null: not within the time that was looked at. */
  | { readonly kind: 'closed'; readonly opens: number | null };

const dayMs = 86_400_000;
/** Every weekly window opens within this, even if a change to summer time swallows it once. */
export const lookAheadMs = 16 * dayMs;

/** `HH:MM` as minutes of the day; 24:00 is the end of the day. Null: it is no time. */
export function minutesOf(text: string): number | null {
  const found = /^(\d{2}):(\d{2})$/.exec(text);
  if (found === null) return null;
  const minutes = Number(found[1]) * 60 + Number(found[2]);
  return Number(found[2]) < 60 && minutes <= 1_440 ? minutes : null;
}

/**
 * The windows that have not ended at `from` and begin before `until`, in order; windows that touch are one. The first
 * may have begun before, and the end of one that goes on long after `until` is not looked for. Empty also where there
 * are no windows, which means always: ask `stateAt`.
 */
export function openings({ timeZone, windows }: WindowPlan, from: number, until: number): readonly Opening[] {
  const found: Opening[] = [];
  const last = daysAfter(dayAt(timeZone, until), 1);
  // A window of yesterday may still be open.
  for (let day = daysAfter(dayAt(timeZone, from), -2); isUpTo(day, last); day = daysAfter(day, 1)) {
    const weekday = weekdays[weekdayOf(day)];
    for (const window of windows) {
      if (weekday === undefined || !window.days.includes(weekday)) continue;
      const [begins, ends] = [minutesOf(window.from) ?? 0, minutesOf(window.to) ?? 0];
      const start = momentOf(timeZone, day, begins);
      const end = momentOf(timeZone, ends > begins ? day : daysAfter(day, 1), ends);
      // The change to summer time can swallow a short window whole.
      if (end > start) found.push({ start, end });
    }
  }
  return merged(found).filter(({ start, end }) => end > from && start < until);
}

export function stateAt(plan: WindowPlan, now: number): WindowState {
  if (plan.windows.length === 0) return { kind: 'always' };
  return stateWithin(openings(plan, now, now + lookAheadMs), now);
}

/** As `stateAt`, over openings that were worked out before. */
export function stateWithin(known: readonly Opening[], now: number): WindowState {
  const next = known.find(({ end }) => end > now);
  if (next === undefined) return { kind: 'closed', opens: null };
  return next.start <= now ? { kind: 'open', end: next.end } : { kind: 'closed', opens: next.start };
}

/** Milliseconds between two moments in which runs might work. */
export function openMs(plan: WindowPlan, from: number, until: number): number {
  if (plan.windows.length === 0) return Math.max(0, until - from);
  return openings(plan, from, until).reduce(
    (sum, { start, end }) => sum + Math.min(end, until) - Math.max(start, from),
    0,
  );
}

function merged(found: readonly Opening[]): readonly Opening[] {
  const all: Opening[] = [];
  for (const next of [...found].sort((a, b) => a.start - b.start)) {
    const last = all.at(-1);
    if (last === undefined || next.start > last.end) all.push(next);
    else all[all.length - 1] = { start: last.start, end: Math.max(last.end, next.end) };
  }
  return all;
}

function isUpTo(day: ReturnType<typeof dayAt>, last: ReturnType<typeof dayAt>): boolean {
  return Date.UTC(day.year, day.month - 1, day.day) <= Date.UTC(last.year, last.month - 1, last.day);
}

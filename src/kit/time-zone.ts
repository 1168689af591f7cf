import { nearestName } from './nearest-name.js';

/** A day of the calendar; `month` from 1. */
export type CalendarDay = { readonly year: number; readonly month: number; readonly day: number };

const dayMs = 86_400_000;

/** Whether the name is one of the IANA database, such as `Europe/Berlin`, or `UTC`. */
export function isTimeZone(name: string): boolean {
  // Newer versions of Node take offsets too; an offset knows no summer time, and older nodes would refuse it.
  if (!/^[A-Za-z]/.test(name)) return false;
  try {
    return Intl.DateTimeFormat('en', { timeZone: name }).resolvedOptions().timeZone !== '';
  } catch {
    return false;
  }
}

/** The zone that was probably meant, also by its city alone; null: none is near. */
export function nearestTimeZone(found: string): string | null {
  const names = ['UTC', ...Intl.supportedValuesOf('timeZone')];
  const cityOf = (name: string): string => name.slice(name.lastIndexOf('/') + 1);
  const city = cityOf(found.trim().replaceAll(' ', '_')).toLowerCase();
  const sameCity = names.find((name) => cityOf(name).toLowerCase() === city);
  return sameCity ?? nearestName(found, names);
}

/** The calendar day in the zone at this moment. */
export function dayAt(timeZone: string, ms: number): CalendarDay {
  const local = new Date(ms + offsetMs(timeZone, ms));
  return { year: local.getUTCFullYear(), month: local.getUTCMonth() + 1, day: local.getUTCDate() };
}

/** So many days later. */
export function daysAfter({ year, month, day }: CalendarDay, days: number): CalendarDay {
  const at = new Date(Date.UTC(year, month - 1, day + days));
  return { year: at.getUTCFullYear(), month: at.getUTCMonth() + 1, day: at.getUTCDate() };
}

/** 0 = Sunday. */
export function weekdayOf({ year, month, day }: CalendarDay): number {
  return new Date(Date.UTC(year, month - 1, day)).getUTCDay();
}

/**
 * The moment at which clocks in the zone show `minute` (0 to 1440) of the day. A time that exists twice is its first
 * occurrence; one that does not exist is the end of the gap.
 */
export function momentOf(timeZone: string, { year, month, day }: CalendarDay, minute: number): number {
  const local = Date.UTC(year, month - 1, day, 0, minute);
  // Zones change at most once in two days, so these are the offsets before and after whatever happens here.
  const before = offsetMs(timeZone, local - dayMs);
  const after = offsetMs(timeZone, local + dayMs);
  const fits = (offset: number): boolean => offsetMs(timeZone, local - offset) === offset;
  if (fits(before)) return local - before;
  if (fits(after)) return local - after;
  return changeBetween(timeZone, local - after, local - before);
}

/** The moment, to the second, at which the offset changes between two moments. */
function changeBetween(timeZone: string, from: number, to: number): number {
  const before = offsetMs(timeZone, from);
  let [low, high] = [from, to];
  while (high - low > 1_000) {
    const middle = low + Math.floor((high - low) / 2_000) * 1_000;
    if (offsetMs(timeZone, middle) === before) low = middle;
    else high = middle;
  }
  return high;
}

/** Local time minus UTC. */
function offsetMs(timeZone: string, ms: number): number {
  const seconds = Math.floor(ms / 1_000) * 1_000;
  const part: Record<string, number> = {};
  for (const { type, value } of formatOf(timeZone).formatToParts(seconds)) part[type] = Number(value);
  const { year = 0, month = 1, day = 1, hour = 0, minute = 0, second = 0 } = part;
  return Date.UTC(year, month - 1, day, hour, minute, second) - seconds;
}

/** Making a format costs a hundred times what using it does. The zones in use are few: settings name one. */
const formats = new Map<string, Intl.DateTimeFormat>();

function formatOf(timeZone: string): Intl.DateTimeFormat {
  const known = formats.get(timeZone);
  if (known !== undefined) return known;
  const made = new Intl.DateTimeFormat('en-US', {
    timeZone,
    hourCycle: 'h23',
    year: 'numeric',
    month: 'numeric',
    day: 'numeric',
    hour: 'numeric',
    minute: 'numeric',
    second: 'numeric',
  });
  formats.set(timeZone, made);
  return made;
}

/**
 * The settings of automatic collection: when it begins, in which time zone, and the windows in which runs go on. Only
 * the switch is the original's.
 */
import type { Schedule } from '../core/schedule.js';
import { minutesOf, type Weekday, type WeeklyWindow, weekdays } from '../core/windows.js';
import { cronFault } from '../kit/cron.js';
import { didYouMean } from '../kit/nearest-name.js';
import { isTimeZone, nearestTimeZone } from '../kit/time-zone.js';
import type { ReadValue } from './read-value.js';

export const scheduleNames = {
  enabled: 'garbagecollector_enable.messages',
  cron: 'garbagecollector_schedule.cron',
  timeZone: 'garbagecollector_schedule.timezone',
  windows: 'garbagecollector_windows',
} as const;

/** More than anybody needs, and few enough to be reckoned with before each batch. */
const mostWindows = 50;

export function readCron(raw: unknown): ReadValue {
  if (typeof raw !== 'string' || raw.length > 200) return { expected: cronFault('') ?? '' };
  const fault = cronFault(raw);
  return fault === null ? { value: raw.trim() } : { expected: fault };
}

export function readTimeZone(raw: unknown): ReadValue {
  if (typeof raw === 'string' && raw.length <= 80) {
    if (isTimeZone(raw)) return { value: raw };
    const nearest = nearestTimeZone(raw);
    return {
      expected: `an IANA time zone such as "Europe/Berlin"${nearest === null ? '' : `; did you mean "${nearest}"?`}`,
    };
  }
  return { expected: 'an IANA time zone such as "Europe/Berlin"' };
}

const windowWords = 'a list of windows such as {"days":["mon","tue"],"from":"22:00","to":"06:00"}';

export function readWindows(raw: unknown): ReadValue {
  if (!Array.isArray(raw)) return { expected: windowWords };
  if (raw.length > mostWindows) return { expected: `${windowWords}, ${mostWindows} at most` };
  const windows: WeeklyWindow[] = [];
  for (const [at, given] of raw.entries()) {
    const read = readWindow(given);
    if (typeof read === 'string') return { expected: `${windowWords}: in window ${at + 1} ${read}` };
    windows.push(read);
  }
  return { value: windows };
}

/** What is wrong with it, as a sentence without its end. */
function readWindow(given: unknown): WeeklyWindow | string {
  if (given === null || typeof given !== 'object' || Array.isArray(given))
    return 'an object with days, from and to';
  const stranger = Object.keys(given).find((name) => !['days', 'from', 'to'].includes(name));
  if (stranger !== undefined)
    return `there is no "${stranger.slice(0, 40)}"${didYouMean(stranger.slice(0, 40), ['days', 'from', 'to'])}`;
  const { days, from, to } = given as Readonly<Record<string, unknown>>;
  if (!Array.isArray(days) || days.length === 0)
    return `days lists at least one of ${weekdays.join(', ')}, on which it begins`;
  const named = days.map((day) => dayOf(day));
  const unknown = named.indexOf(null);
  if (unknown !== -1) {
    const text = String(days[unknown]).slice(0, 40);
    return `"${text}" is no day of ${weekdays.join(', ')}${didYouMean(text, weekdays)}`;
  }
  for (const [name, time] of [
    ['from', from],
    ['to', to],
  ] as const) {
    if (typeof time !== 'string' || minutesOf(time) === null || (name === 'from' && time === '24:00'))
      return `${name} is a time such as "${name === 'from' ? '22:00' : '06:00'}", from 00:00 to ${name === 'from' ? '23:59' : '24:00'}`;
  }
  if (from === to)
    return `from and to differ (both are ${String(from)}); the whole day is from "00:00" to "24:00"`;
  const order = weekdays.filter((day) => named.includes(day));
  return { days: order, from: String(from), to: String(to) };
}

/** `mon`, `Monday`: people write both. */
function dayOf(given: unknown): Weekday | null {
  if (typeof given !== 'string') return null;
  const small = given.trim().toLowerCase();
  return weekdays.find((day) => small === day || small === longDays[day]) ?? null;
}

const longDays: Readonly<Record<Weekday, string>> = {
  sun: 'sunday',
  mon: 'monday',
  tue: 'tuesday',
  wed: 'wednesday',
  thu: 'thursday',
  fri: 'friday',
  sat: 'saturday',
};

/** `values` were read by the table's readers, so their types are right. */
export function appliedSchedule(current: Schedule, values: ReadonlyMap<string, unknown>): Schedule {
  const given = <T>(name: string, otherwise: T): T =>
    values.has(name) ? (values.get(name) as T) : otherwise;
  return {
    enabled: given(scheduleNames.enabled, current.enabled),
    cron: given(scheduleNames.cron, current.cron),
    timeZone: given(scheduleNames.timeZone, current.timeZone),
    windows: given(scheduleNames.windows, current.windows),
  };
}

export function shownSchedule(schedule: Schedule): readonly (readonly [name: string, value: unknown])[] {
  return [
    [scheduleNames.enabled, schedule.enabled],
    [scheduleNames.cron, schedule.cron],
    [scheduleNames.timeZone, schedule.timeZone],
    [scheduleNames.windows, schedule.windows],
  ];
}

import { Cron } from 'croner';

/**
 * Cron expressions of five fields, or six with seconds first, reckoned only: nothing here keeps a timer. Around a change
 * to or from summer time a fixed time (`30 2 * * *`) that does not exist happens right after the gap, and one that
 * exists twice happens once; intervals (`30 * * * *`) follow the hours that there are.
 */

/** No `?`, which would mean another time on every node; no seventh field, which would end the schedule in some year. */
const shape = /^(?:@[a-z]+|[^\s?]+(?:\s+[^\s?]+){4,5})$/i;
/** Any moment does: a pattern without years that fires after this one fires for ever. */
const reference = new Date(Date.UTC(2024, 0, 1));

/** What is wrong with the expression, as the end of "expected …"; null: it fires. */
export function cronFault(pattern: string): string | null {
  const wanted =
    'a cron expression such as "0 3 * * *" (minute, hour, day, month, weekday; seconds may go first)';
  if (!shape.test(pattern.trim())) return wanted;
  try {
    if (cronOf(pattern, 'UTC').nextRun(reference) !== null) return null;
    return `${wanted} that fires at some time: no date fits this one`;
  } catch (error) {
    const words = error instanceof Error ? error.message.replace(/^Cron\w*: /, '') : String(error);
    return `${wanted}; ${words}`;
  }
}

/** The latest moment at or before `at` at which the expression fires; null: it never did. */
export function latestFiring(pattern: string, timeZone: string, at: Date): Date | null {
  return cronOf(pattern, timeZone).previousRuns(1, new Date(at.getTime() + 1))[0] ?? null;
}

/** The first moment after `at` at which the expression fires. */
export function nextFiring(pattern: string, timeZone: string, at: Date): Date | null {
  return cronOf(pattern, timeZone).nextRun(at);
}

/** Without a function croner starts no timer. */
function cronOf(pattern: string, timezone: string): Cron {
  return new Cron(pattern.trim(), { timezone, mode: '5-or-6-parts' });
}

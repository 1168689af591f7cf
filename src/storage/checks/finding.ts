import type { Finding } from '../../core/ports.js';

/** The finding of what is well: it needs no deed, but says why it was looked at. */
export function ok(check: string, found: string, why: string): Finding {
  return { level: 'ok', check, found, why, todo: null };
}

/** What could not be looked at is a finding itself: silence would read as "all is well". */
export function notExamined(what: string, words: string): Finding {
  return {
    level: 'warning',
    check: 'not_examined',
    found: `${what} could not be examined: ${words}.`,
    why: 'What cannot be seen can stand in the way of a run all the same.',
    todo: 'Grant what the message asks for, or run the doctor as a user who may look.',
  };
}

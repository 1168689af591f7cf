import type { Finding } from '../../core/ports.js';
import { ok } from './finding.js';

const whyParsed =
  'The condition is repeated inside every DELETE. It must be one whole expression over m that only reads.';

/**
 * Between CASE and THEN nothing but one expression parses: no closed bracket, no open comment. What the server then
 * takes for the place of a fault may be this THEN, which nobody wrote.
 */
export function parseSql(condition: string): string {
  return `CASE WHEN ${condition}\n THEN 1 END`;
}

/** `words`: why it is refused; null: the server can plan it. `grant`: the statement that gives what it lacks. */
export function parsedFinding(
  name: string,
  table: string,
  words: string | null,
  grant: string | null,
): Finding {
  const check = 'predicate';
  if (words === null) return ok(check, `${name}: parses, and the server can plan it.`, whyParsed);
  const place = words.replace(/(?:at or )?near ["']THEN\b.*$/s, 'at its end');
  return {
    level: 'error',
    check,
    found: `${name} cannot be used: ${place}.`,
    why: whyParsed,
    todo:
      grant ??
      `Correct ${name} in the mapping. The columns of ${table} are named by m, for example m.status.`,
  };
}

/** The conditions are fit one by one, and not as a batch repeats them. */
export function togetherFinding(words: string): Finding {
  return {
    level: 'error',
    check: 'predicate',
    found: `Age, processed and holds together: the server refuses them: ${words}.`,
    why: whyParsed,
    todo: 'Look at the age first: its column and unit must exist and fit. Then at how the conditions end.',
  };
}

/** `changing`: what in a condition changes by itself; `volatile`: functions of the database's own that may. */
export function timeFinding(
  name: string,
  changing: readonly string[],
  volatile: readonly string[],
  mend: string,
): Finding {
  const check = 'predicate_time';
  const why =
    'Every message that is eligible when a run begins must be so until its end: a time or a chance of its own would change the answer from batch to batch.';
  if (changing.length > 0) {
    return {
      level: 'error',
      check,
      found: `${name} ${changing.join('; ')}.`,
      why,
      todo: 'Write :now for the time at which the run froze its horizon, and leave the rest out.',
    };
  }
  if (volatile.length === 0) return ok(check, `${name} has no time and no chance of its own.`, why);
  return {
    level: 'error',
    check,
    found: `${name} calls what may answer differently each time, or write: ${volatile.join(', ')}.`,
    why,
    todo: `Leave it out, or ${mend}.`,
  };
}

/** Fewer rows than these say nothing. */
const leastSeen = 100;

export function matchFinding(name: string, seen: number, matching: number): Finding {
  const check = 'predicate_sample';
  const why =
    'A condition that is true of every row is often a wrong bracket or a wrong column, and one that is true of none never acts.';
  const share = `${matching} of ${seen} sampled messages`;
  const isHold = name !== 'processed';
  // `true` of our own schema, and of a mapping that goes by age alone, is meant.
  if (seen >= leastSeen && matching === seen) {
    return {
      level: 'warning',
      check,
      found: `${name} is true of ${share}.`,
      why,
      todo: isHold
        ? 'Check the hold: nothing would ever be deleted.'
        : 'Check the condition, unless the age alone is meant to decide. "message-gc plan" shows what would go.',
    };
  }
  return ok(check, `${name} is true of ${share}.`, why);
}

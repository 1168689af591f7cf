import type { Finding } from '../../core/ports.js';
import { ok } from './finding.js';

/** `times`: what in a condition is a time of its own; `volatile`: functions whose answer may change. */
export function timeFinding(
  name: string,
  times: readonly string[],
  volatile: readonly string[],
  mend: string,
): Finding {
  const check = 'predicate_time';
  const why =
    'Every message that is eligible when a run begins must be so until its end: a time or a chance of its own would change the answer from batch to batch.';
  if (times.length > 0) {
    return {
      level: 'error',
      check,
      found: `${name} asks for the time by itself: ${times.join(', ')}.`,
      why,
      todo: 'Write :now, which is the time at which the run froze its horizon.',
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

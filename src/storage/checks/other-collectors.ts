import type { Finding } from '../../core/ports.js';
import { ok } from './finding.js';

/** `others`: who else deletes from the messages table, in words. */
export function othersFinding(others: readonly string[], isPartial: boolean): Finding {
  const check = 'other_collector';
  const why =
    'Two collectors are safe together, because a row that is gone in between is no error; but the number of each is then only a part, and both work for one.';
  if (others.length === 0) {
    const found = `Nobody else is seen to delete from the messages table${isPartial ? ' (not everything could be seen)' : ''}.`;
    return ok(check, found, why);
  }
  return {
    level: 'warning',
    check,
    found: `Another collector is at work: ${others.join('; ')}.`,
    why,
    todo: 'Turn one of the two off.',
  };
}

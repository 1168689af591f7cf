import type { Finding } from '../core/ports.js';

/** The finding of what is well: it needs no deed, but says why it was looked at. */
export function ok(check: string, found: string, why: string): Finding {
  return { level: 'ok', check, found, why, todo: null };
}

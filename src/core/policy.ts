import { createHash } from 'node:crypto';
import type { Mapping } from './mapping.js';

/**
 * The rule that a run freezes at its start. A node works on a run only if its own policy has the same hash; the
 * frozen copy rules, never the file (decision 17: a changed policy ends the run instead of being applied half-way).
 */
export type Policy = { readonly mapping: Mapping; readonly retentionSeconds: number };

/** JSON with sorted keys: equal policies have equal text, whatever order they were written in. */
export function canonicalJson(value: unknown): string {
  return JSON.stringify(value, (_key, inner: unknown) =>
    inner !== null && typeof inner === 'object' && !Array.isArray(inner)
      ? Object.fromEntries(Object.entries(inner).sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0)))
      : inner,
  );
}

/** 64 hex. Version numbers and defaults of the program take no part: an upgrade alone changes no policy. */
export function policyHash(policy: Policy): string {
  return createHash('sha256').update(canonicalJson(policy)).digest('hex');
}

import { StoreError } from '../core/errors.js';
import { brakeWords, isOwnMapping, mustBeConfirmed, type ShareEligible } from '../core/first-run.js';
import type { Policy } from '../core/policy.js';
import type { Store } from '../core/ports.js';

/** A start that was refused because nobody has confirmed the first run of a mapping. */
export type Braked = { readonly kind: 'braked'; readonly words: string };

export type Braking = { readonly policy: Policy; readonly store: Pick<Store, 'ledger' | 'preview'> };

/** The client waits for its answer: a sample that takes longer is not waited for. */
const sampleMs = 800;

/**
 * Null: a run may begin. A run that is on may always be joined: it was let through already. A share that cannot be said
 * in time must be confirmed, too. What the database refuses to count, a run will not plan either: it fails with words.
 */
export async function firstRunBrake({ store, policy }: Braking): Promise<Braked | null> {
  const { mapping } = policy;
  if (isOwnMapping(mapping)) return null;
  if ((await store.ledger.active()) !== null || (await store.ledger.hasCollected(mapping))) return null;
  let found: ShareEligible | null;
  try {
    found = await store.preview.shareEligible(policy, sampleMs);
  } catch (error) {
    if (error instanceof StoreError && error.kind !== 'unreachable') return null;
    throw error;
  }
  if (found !== null && !mustBeConfirmed(found)) return null;
  return { kind: 'braked', words: brakeWords(policy, found) };
}

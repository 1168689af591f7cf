import { brakeWords, isOwnMapping, mustBeConfirmed } from '../core/first-run.js';
import type { CoreappDeps } from './deps.js';

/** A start that was refused because nobody has confirmed the first run of a mapping. */
export type Braked = { readonly kind: 'braked'; readonly words: string };

/** The client waits for its answer: a sample that takes longer is not waited for. */
const sampleMs = 800;

/**
 * Null: a run may begin. A run that is on may always be joined: it was let through already. When the share cannot be
 * said in time (a table that answers no sample), the run is let through as well: the brake is a question, and the
 * policy rules.
 */
export async function firstRunBrake({ store, policy }: CoreappDeps): Promise<Braked | null> {
  const { mapping } = policy;
  if (isOwnMapping(mapping)) return null;
  if ((await store.ledger.active()) !== null || (await store.ledger.hasCollected(mapping))) return null;
  const found = await store.preview.shareEligible(policy, sampleMs).catch(() => null);
  if (found === null || !mustBeConfirmed(found)) return null;
  return { kind: 'braked', words: brakeWords(policy, found) };
}

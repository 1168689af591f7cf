import { sleep } from '../kit/sleep.js';

/**
 * A callback whose sender was killed waits this long for another one. Much shorter than an attempt may take (30 s), so its
 * sender renews it meanwhile.
 */
export const claimMs = 10_000;
/** Three times in a claim: one renewal that is lost, and one that is slow, cost nothing. */
const renewMs = 3_000;

/**
 * Keeps a claim while work is on. A renewal that fails is left to the next: a claim that runs out under its sender
 * costs a second attempt with the same id, which receivers know how to drop.
 */
export async function renewing<T>(renew: () => Promise<void>, work: Promise<T>): Promise<T> {
  const done = new AbortController();
  const keep = async (): Promise<void> => {
    while (!done.signal.aborted) {
      await sleep(renewMs, done.signal);
      if (!done.signal.aborted) await renew().catch(() => undefined);
    }
  };
  void keep();
  try {
    return await work;
  } finally {
    done.abort();
  }
}

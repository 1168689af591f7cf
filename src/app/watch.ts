import type { Watch } from '../coreapp/deps.js';
import type { Meters } from '../metrics/meters.js';

/** Workshop to meters, and the wake-up calls that the end of a run needs. */
export function watchFor(meters: Meters, onEnded: (runId: string) => void): Watch {
  return {
    swept: (batch) => meters.swept({ durationMs: batch.ms, lockedMs: batch.lockedMs }),
    deleted: (messages, dependents) => meters.deleted(messages, dependents),
    gaveUp: (result) => meters.batchWithout(result),
    paced: (now) => meters.paced(now),
    ended(runId, outcome) {
      meters.runEnded(outcome);
      onEnded(runId);
    },
  };
}

import { wordsOf } from '../../core/errors.js';
import { sleep } from '../../kit/sleep.js';
import type { Found } from './gather.js';

/** Five a second: a handful of rows, and a slow server is known within two seconds. */
const everyMs = 200;
/** Of the last four seconds. */
const kept = 20;
const firstProbes = 10;
const longestFirstMs = 500;

export type CanaryLoop = {
  /** Takes the figure from before the first batch, and goes on by itself until `stop`. */
  begin(): Promise<void>;
  /** Throws what the last probe threw. */
  read(): Found;
  stop(): void;
};

/**
 * Sends a small probe again and again, and knows the 95th percentile of the last ones.
 *
 * A probe that takes long keeps others from being sent that would have been slow as well, so it counts as many times as
 * it has intervals; also while it is not answered. Without that a server that answers nothing at all would look well.
 *
 * @param probe one probe; throws when there was no answer to measure
 */
export function canaryLoop(probe: () => Promise<void>, clock = () => performance.now()): CanaryLoop {
  const stopping = new AbortController();
  const answered: number[] = [];
  let baseline = 0;
  let sentAt: number | null = null;
  let trouble: unknown = null;

  const timed = async (): Promise<number> => {
    sentAt = clock();
    try {
      await probe();
      return clock() - sentAt;
    } finally {
      sentAt = null;
    }
  };

  const goOn = async (): Promise<void> => {
    while (!stopping.signal.aborted) {
      let ms = 0;
      try {
        ms = await timed();
        answered.push(...weighted(ms));
        answered.splice(0, answered.length - kept);
        trouble = null;
      } catch (error) {
        trouble = error;
      }
      await sleep(Math.max(0, everyMs - ms), stopping.signal);
    }
  };

  return {
    async begin() {
      // The first one connects and fills the caches: it says nothing of the server's health.
      await probe();
      const until = clock() + longestFirstMs;
      const first: number[] = [];
      do first.push(await timed());
      while (first.length < firstProbes && clock() < until);
      baseline = percentile95(first);
      if (!stopping.signal.aborted) void goOn();
    },
    read() {
      if (trouble !== null) throw new Error(`the canary was not answered: ${wordsOf(trouble)}`);
      const waiting = sentAt === null ? [] : weighted(clock() - sentAt);
      const all = [...answered, ...waiting].slice(-kept);
      return all.length === 0 ? null : { value: percentile95(all), baseline };
    },
    stop() {
      stopping.abort();
    },
  };
}

/** As often as it would have been sent in its time; one that was only just sent and not answered is no slow one yet. */
function weighted(ms: number): readonly number[] {
  return Array.from({ length: Math.min(kept, Math.max(1, Math.ceil(ms / everyMs))) }, () => ms);
}

function percentile95(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.ceil(sorted.length * 0.95) - 1] ?? 0;
}

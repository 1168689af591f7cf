import { wordsOf } from '../../core/errors.js';
import { sleep } from '../../kit/sleep.js';
import type { Found } from './gather.js';
import { percentile, ProbeTimes } from './probe-times.js';

/** Five a second: a handful of rows, and a slow server is known within two seconds. */
const everyMs = 200;
/** The figure from before the first batch: so many probes, or as many as there is time for. */
const firstProbes = 20;
const longestFirstMs = 400;

export type CanaryLoop = {
  /** Takes the figure from before the first batch, and goes on by itself until `stop`. */
  begin(): Promise<void>;
  /** Milliseconds: 95th percentile of the last ones, with one that hangs. Throws what the last probe threw. */
  read(): Found;
  /** True: nothing is on its way any more. A probe that hangs is not waited for. */
  stop(): Promise<boolean>;
};

/**
 * Sends a small probe again and again: also while the run stands still, since that is how it learns that it may go on.
 *
 * @param probe one probe; throws when there was no answer to measure
 * @param between whatever must be done between two probes and belongs to none
 */
export function canaryLoop(
  probe: () => Promise<void>,
  between: () => Promise<void> = async () => undefined,
  clock = () => performance.now(),
): CanaryLoop {
  const stopping = new AbortController();
  const times = new ProbeTimes(everyMs);
  let baseline: number | null = null;
  let trouble: unknown = null;
  let going: Promise<void> = Promise.resolve();

  const goOn = async (): Promise<void> => {
    let lastMs = 0;
    while (!stopping.signal.aborted) {
      await sleep(Math.max(0, everyMs - lastMs), stopping.signal);
      if (stopping.signal.aborted) return;
      const from = clock();
      times.asked(from);
      try {
        await probe();
        times.answered(clock());
        await between();
        trouble = null;
      } catch (error) {
        times.dropped();
        trouble = error;
      }
      lastMs = clock() - from;
    }
  };

  return {
    async begin() {
      // The first one connects and fills the caches: it says nothing of the server's health.
      await probe();
      const until = clock() + longestFirstMs;
      const first: number[] = [];
      do {
        // They are the first of the last ones, too: the first batch is steered as every other.
        const from = clock();
        times.asked(from);
        await probe();
        times.answered(clock());
        first.push(clock() - from);
        await between();
      } while (first.length < firstProbes && clock() < until);
      baseline = percentile(first);
      going = goOn();
    },
    read() {
      if (trouble !== null) throw new Error(`the canary was not answered: ${wordsOf(trouble)}`);
      const value = times.p95(clock());
      return value === null ? null : { value, ...(baseline === null ? {} : { baseline }) };
    },
    async stop() {
      stopping.abort();
      return Promise.race([going.then(() => true), sleep(everyMs).then(() => false)]);
    },
  };
}

import type { Pace } from './pace.js';
import type { RunView } from './run-view.js';

/**
 * Messages a second of one worker that never rests, about a third of what the benchmarks reach on small rows
 * (docs/benchmarks.md): a stranger's rows are wider and its server is busy.
 */
const undisturbed = 40_000;
/** Below this many messages a run's speed is that of its start and its ending. */
const leastMessages = 10_000;

/** The speed of the last run that is long enough to tell, with the pace that it had; else a guess for this pace. */
export function expectedSpeed(runs: readonly RunView[], pace: Pace): number {
  for (const { endedAt, startedAt, messagesDeleted } of runs) {
    if (endedAt === null || messagesDeleted < leastMessages) continue;
    const ms = Date.parse(endedAt) - Date.parse(startedAt);
    if (ms > 0) return (messagesDeleted * 1_000) / ms;
  }
  return undisturbed * pace.duty * pace.workers;
}

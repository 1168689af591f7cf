import { type PastRun, usualSpeed } from './keep-up.js';
import type { Pace } from './pace.js';
import type { WindowPlan } from './windows.js';

/**
 * Messages a second of one worker that never rests, about a third of what the benchmarks reach on small rows
 * (docs/benchmarks.md): a stranger's rows are wider and its server is busy.
 */
const undisturbed = 40_000;

/** The usual speed of past runs that were long enough to tell, with the pace that they had; else a guess for this pace. */
export function expectedSpeed(runs: readonly PastRun[], plan: WindowPlan, pace: Pace): number {
  return usualSpeed(runs, plan) ?? undisturbed * pace.duty * pace.workers;
}

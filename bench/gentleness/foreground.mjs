// The load process as its parent sees it: started, stopped, and its records by phase.
import { fork } from 'node:child_process';
import { kinds } from './application.mjs';
import { figuresOf, histogramOf, perSecondP99 } from './quantiles.mjs';

/**
 * @typedef {import('./load-process.mjs').LoadOptions} LoadOptions
 * @typedef {import('./load-process.mjs').LoadRecords} LoadRecords
 */

/** @param {LoadOptions} options */
export async function startForeground(options) {
  const child = fork(new URL('load-process.mjs', import.meta.url), { serialization: 'advanced' });
  const gone = new Promise((_, reject) => {
    child.once('error', reject);
    child.once('exit', (code, signal) => reject(new Error(`The load process ended (${signal ?? code})`)));
  });
  gone.catch(() => undefined);
  const told = () => Promise.race([new Promise((resolve) => child.once('message', resolve)), gone]);
  child.send(options);
  await told();
  return {
    /** @returns {Promise<LoadRecords>} */
    async stop() {
      child.send('stop');
      return /** @type {LoadRecords} */ (await told());
    },
    kill: () => child.kill('SIGKILL'),
  };
}

/**
 * The requests that were due between two moments.
 * @param {LoadRecords} records
 * @param {number} fromMs
 * @param {number} toMs
 */
export function phaseOf({ due, took, kind }, fromMs, toMs) {
  const chosen = [...due.keys()].filter((at) => Number(due[at]) >= fromMs && Number(due[at]) < toMs);
  const times = chosen.map((at) => Number(took[at]));
  return {
    seconds: (toMs - fromMs) / 1_000,
    histogram: histogramOf(times),
    p99Of: Object.fromEntries(
      kinds.map((name, place) => [
        name,
        figuresOf(histogramOf(times.filter((_, at) => kind[chosen[at] ?? 0] === place))).p99,
      ]),
    ),
    slowest: times
      .map((ms, at) => ({ ms, at: chosen[at] ?? 0 }))
      .toSorted((a, b) => b.ms - a.ms)
      .slice(0, 8)
      .map(
        ({ ms, at }) =>
          `${kinds[kind[at] ?? 0]} due at ${((Number(due[at]) - fromMs) / 1_000).toFixed(2)} s: ${ms.toFixed(1)} ms`,
      ),
    timeline: perSecondP99(
      chosen.map((at) => Number(due[at]) - fromMs),
      times,
    ),
  };
}

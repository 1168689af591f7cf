// The load process as its parent sees it: started, stopped, and its records by phase.
import { fork } from 'node:child_process';
import { histogramOf, perSecondP99 } from './quantiles.mjs';

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
export function phaseOf({ due, took }, fromMs, toMs) {
  const chosen = [...due.keys()].filter((at) => Number(due[at]) >= fromMs && Number(due[at]) < toMs);
  const times = chosen.map((at) => Number(took[at]));
  return {
    seconds: (toMs - fromMs) / 1_000,
    histogram: histogramOf(times),
    timeline: perSecondP99(
      chosen.map((at) => Number(due[at]) - fromMs),
      times,
    ),
  };
}

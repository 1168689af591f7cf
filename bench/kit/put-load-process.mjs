// A client in a process of its own that sends PUTs at a steady rate, whatever becomes of those before. A request's time
// counts from when it was due, so that a stall lengthens every request that should have been sent in it.
import { Agent, request } from 'node:http';
import { getPriority, setPriority } from 'node:os';
import { Worker } from 'node:worker_threads';
import { nowMs } from './monotonic.mjs';

/**
 * @typedef {object} PutLoadOptions
 * @property {string} url
 * @property {string} token
 * @property {number} perSecond
 * @property {number} seconds
 * @property {number} connections  a request that finds none free waits for it
 *
 * @typedef {object} PutLoadRecords
 * @property {number[]} took  milliseconds from when each was due until its answer was there
 * @property {number} refused  answered with something else than 200, or not at all
 */

/** @param {PutLoadOptions} options */
async function start({ url, token, perSecond, seconds, connections }) {
  try {
    // In life the client has a machine of its own. What waits for the processor here should be what is measured.
    setPriority(Math.max(-20, getPriority() - 10));
  } catch {
    // Only root may: without it the client's own waits are in the figures.
  }
  const agent = new Agent({ keepAlive: true, maxSockets: connections });
  const headers = { authorization: `Bearer ${token}` };
  /** @returns {Promise<number>} the status */
  const put = () =>
    new Promise((resolve, reject) => {
      const outgoing = request(url, { agent, method: 'PUT', headers }, (answer) => {
        answer.resume().once('end', () => resolve(answer.statusCode ?? 0));
      });
      outgoing.once('error', reject).end();
    });
  /** @type {number[]} */
  const took = [];
  let refused = 0;
  const wanted = Math.round(perSecond * seconds);
  const stop = new SharedArrayBuffer(4);
  const clock = new Worker(new URL('load-clock.mjs', import.meta.url), { workerData: { perSecond, stop } });
  let sent = 0;
  clock.on('message', async (/** @type {number} */ due) => {
    if (sent === wanted) return;
    sent += 1;
    if (sent === wanted) Atomics.store(new Int32Array(stop), 0, 1);
    const status = await put().catch(() => 0);
    took.push(nowMs() - due);
    if (status !== 200) refused += 1;
    if (took.length < wanted) return;
    agent.destroy();
    process.send?.({ took, refused }, () => process.disconnect());
  });
}

process.once('message', (options) => void start(/** @type {PutLoadOptions} */ (options)));

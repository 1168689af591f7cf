// The application: a process of its own that sends a fixed number of requests a second, whatever becomes of those
// before. A request's time counts from when it was due, so that a stall of the database (or of this process) lengthens
// every request that should have been sent in it.
import { getPriority, setPriority } from 'node:os';
import { Worker } from 'node:worker_threads';
import { nowMs } from '../kit/monotonic.mjs';
import { kinds, openApplication } from './application.mjs';

/**
 * @typedef {object} LoadOptions
 * @property {'postgresql' | 'mariadb'} engine
 * @property {string} url
 * @property {number} perSecond
 * @property {number} connections
 * @property {readonly number[]} liveIds  rows that are read and updated; nothing of the product may delete them
 * @property {number} firstId  of the rows that are inserted
 *
 * @typedef {object} LoadRecords
 * @property {Float64Array} due   when each request should have been sent, on the machine's monotonic clock
 * @property {Float64Array} took  milliseconds from then until it was answered
 * @property {Uint8Array} kind    what each was, a place in `kinds`
 * @property {number} inserted    rows that the server said it has
 * @property {Record<string, number>} errors  by their words; a read that finds no row is one
 * @property {boolean} isFavoured  whether this process runs before others on the processor
 */

/** @param {LoadOptions} options */
async function start({ engine, url, perSecond, connections, liveIds, firstId }) {
  let isFavoured = true;
  try {
    // In life the application has a machine of its own. What waits for the processor here should be the database.
    setPriority(Math.max(-20, getPriority() - 10));
  } catch {
    isFavoured = false;
  }
  const application = await openApplication(engine, url, connections);
  /** @type {number[]} */
  const due = [];
  /** @type {number[]} */
  const took = [];
  /** @type {number[]} */
  const kind = [];
  /** @type {Record<string, number>} */
  const errors = {};
  /** @type {Set<Promise<void>>} */
  const onTheWay = new Set();
  let inserted = 0;
  let nextId = firstId;

  const one = async (/** @type {number} */ what) => {
    if (kinds[what] === 'insert') {
      nextId += 1;
      await application.insert(nextId);
      inserted += 1;
      return;
    }
    const id = liveIds[Math.floor(Math.random() * liveIds.length)] ?? 0;
    const found = kinds[what] === 'read' ? await application.read(id) : await application.update(id);
    if (found !== 1) throw new Error(`${kinds[what]} of a row found ${found}`);
  };
  let turn = 0;
  const stop = new SharedArrayBuffer(4);
  const clock = new Worker(new URL('../kit/load-clock.mjs', import.meta.url), {
    workerData: { perSecond, stop },
  });
  clock.on('message', (/** @type {number} */ at) => {
    const what = turn % kinds.length;
    turn += 1;
    const request = one(what)
      .catch((/** @type {unknown} */ error) => {
        const words = error instanceof Error ? error.message : String(error);
        errors[words] = (errors[words] ?? 0) + 1;
      })
      .finally(() => {
        due.push(at);
        took.push(nowMs() - at);
        kind.push(what);
        onTheWay.delete(request);
      });
    onTheWay.add(request);
  });
  // Only now is the load on: a thread takes a while to start.
  clock.once('message', () => process.send?.('ready'));
  process.once('message', async () => {
    const flag = new Int32Array(stop);
    Atomics.store(flag, 0, 1);
    Atomics.notify(flag, 0);
    await new Promise((resolve) => clock.once('exit', resolve));
    await Promise.all(onTheWay);
    await application.close();
    /** @type {LoadRecords} */
    const records = {
      due: Float64Array.from(due),
      took: Float64Array.from(took),
      kind: Uint8Array.from(kind),
      inserted,
      errors,
      isFavoured,
    };
    process.send?.(records, () => process.disconnect());
  });
}

// Told everything, or whoever asked was interrupted: nobody wants the load any more.
process.once('disconnect', () => process.exit());
process.once('message', (options) => void start(/** @type {LoadOptions} */ (options)));

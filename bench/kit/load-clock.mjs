// The thread that says when each request is due. It sleeps in the kernel, which is exact to a tenth of a millisecond;
// a timer of the event loop is late by up to one and a half, as much as a whole idle request takes.
import { parentPort, workerData } from 'node:worker_threads';
import { nowMs } from './monotonic.mjs';

/** @type {{ perSecond: number, stop: SharedArrayBuffer }} */
const { perSecond, stop } = workerData;
const flag = new Int32Array(stop);
const slotMs = 1_000 / perSecond;
const startedAt = nowMs();
for (let number = 0; Atomics.load(flag, 0) === 0; number += 1) {
  // Anywhere in its slot: at even distances the load could fall into step with the batches.
  const due = startedAt + (number + Math.random()) * slotMs;
  const waitMs = due - nowMs();
  if (waitMs > 0) Atomics.wait(flag, 0, 0, waitMs);
  parentPort?.postMessage(due);
}

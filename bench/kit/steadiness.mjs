// How steady the machine is by itself: a fixed piece of work in memory, again and again while nothing of ours runs. On
// a virtual machine whose host stops it now and then, no program can keep a 99th percentile below those stops; a
// figure of latency is worth as much as the machine is steady.
import { setTimeout as sleep } from 'node:timers/promises';
import { median, rounded } from './figures.mjs';

const everyMs = 4;
/** So many times the usual time is a stop, not chance. */
const slowFrom = 5;

/**
 * @param {number} seconds
 * @returns {Promise<{ usualMs: number, longestMs: number, slowShare: number }>} `slowShare`: of all pieces, those that
 *   took five times as long as usual or more
 */
export async function steadiness(seconds) {
  const numbers = new Float64Array(1 << 18);
  /** @type {number[]} */
  const times = [];
  const pieces = Math.round((seconds * 1_000) / everyMs);
  const begunAt = performance.now();
  // The first ones are slow because the code is cold.
  for (let piece = -50; piece < pieces; piece += 1) {
    await sleep(Math.max(0, begunAt + (piece + 50) * everyMs - performance.now()));
    const at = performance.now();
    for (let one = 0; one < numbers.length; one += 8) numbers[one] = (numbers[one] ?? 0) + 1;
    if (piece >= 0) times.push(performance.now() - at);
  }
  const usual = median(times);
  const slow = times.filter((ms) => ms >= slowFrom * usual).length;
  return {
    usualMs: rounded(usual),
    longestMs: rounded(Math.max(...times)),
    slowShare: rounded(slow / times.length, 3),
  };
}

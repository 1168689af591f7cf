// How busy the machine is while nothing of ours runs: figures taken beside other work are worth less, and say so.
import { cpus } from 'node:os';
import { setTimeout as sleep } from 'node:timers/promises';
import { median, rounded } from './figures.mjs';

const lookMs = 400;
/** Above this share of all cores a result is marked as noisy. */
export const noisyFrom = 0.1;

/** Share of all cores that others keep busy, 0 to 1; ask only while nothing of ours works. */
export async function busyShare() {
  const before = times();
  await sleep(lookMs);
  const after = times();
  const all = after.all - before.all;
  return all > 0 ? 1 - (after.idle - before.idle) / all : 0;
}

function times() {
  let all = 0;
  let idle = 0;
  for (const { times: one } of cpus()) {
    idle += one.idle;
    all += one.user + one.nice + one.sys + one.irq + one.idle;
  }
  return { all, idle };
}

/** @param {readonly number[]} shares */
export function neighboursOf(shares) {
  return { looks: shares.length, median: rounded(median(shares)), most: rounded(Math.max(0, ...shares)) };
}

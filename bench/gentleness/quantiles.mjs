// Latencies as a histogram with buckets 1 % wide: small enough to keep for every phase, exact enough for a ratio, and
// phases can be put together afterwards. Kept as text, "bucket:count bucket:count …", so that the JSON stays readable.
import { quantile } from '../kit/figures.mjs';

const leastMs = 0.01;
const growth = Math.log(1.01);

/** @param {readonly number[]} times in milliseconds */
export function histogramOf(times) {
  /** @type {Map<number, number>} */
  const counts = new Map();
  for (const ms of times) {
    const bucket = Math.round(Math.log(Math.max(leastMs, ms) / leastMs) / growth);
    counts.set(bucket, (counts.get(bucket) ?? 0) + 1);
  }
  return [...counts]
    .toSorted(([a], [b]) => a - b)
    .map(([bucket, count]) => `${bucket}:${count}`)
    .join(' ');
}

/** Several phases as one. @param {...string} histograms */
export function together(...histograms) {
  return histograms.filter((one) => one !== '').join(' ');
}

/**
 * @param {string} histogram
 * @returns {{ requests: number, p50: number, p99: number, p999: number, max: number }} milliseconds; NaN without requests
 */
export function figuresOf(histogram) {
  const buckets = histogram
    .split(' ')
    .filter((one) => one !== '')
    .map((one) => one.split(':').map(Number))
    .toSorted(([a = 0], [b = 0]) => a - b);
  const requests = buckets.reduce((sum, [, count = 0]) => sum + count, 0);
  /** @param {number} share */
  const at = (share) => {
    let left = Math.max(1, Math.ceil(share * requests));
    for (const [bucket = 0, count = 0] of buckets) {
      left -= count;
      if (left <= 0) return leastMs * Math.exp(bucket * growth);
    }
    return Number.NaN;
  };
  return { requests, p50: at(0.5), p99: at(0.99), p999: at(0.999), max: at(1) };
}

/** A second with fewer requests is the rest of a phase, and its 99th percentile is only its slowest request. */
const enough = 40;

/**
 * The 99th percentile of each second, for the plot.
 * @param {readonly number[]} offsets milliseconds from the start of the phase
 * @param {readonly number[]} times
 * @returns {string} numbers with spaces between; "-" for a second with too few requests
 */
export function perSecondP99(offsets, times) {
  /** @type {number[][]} */
  const seconds = [];
  for (const [at, offset] of offsets.entries())
    (seconds[Math.floor(offset / 1_000)] ??= []).push(times[at] ?? 0);
  return Array.from(seconds, (one) =>
    one === undefined || one.length < enough ? '-' : quantile(one, 0.99).toFixed(2),
  ).join(' ');
}

// Does a run slow down as it goes, or with the table? Time per key walked in the last tenth against the tenth after
// the first 5 % (where batches grow to their size), and time per message of a large table against a small one.
import { makeTemplate, runIfCalled } from './kit/benchmark.mjs';
import { median } from './kit/figures.mjs';
import { collect } from './kit/ours.mjs';
import { sideBySide } from './kit/side-by-side.mjs';
import { policyFor } from './kit/tables.mjs';

/** @type {import('./kit/benchmark.mjs').Benchmark} */
export const benchmark = {
  name: 'flat',
  asks: 'Does a row cost the same at the end of a run as at its beginning, and in a table ten times as large?',
  async measure(bench) {
    const { options, server, report } = bench;
    const large = options.rows ?? 10_000_000;
    const small = Math.max(1, Math.round(large / 10));
    const policy = policyFor({ receipts: false });
    /** @type {Record<string, import('./kit/ours.mjs').Collected[]>} */
    const runs = {};
    for (const rows of [small, large]) {
      const template = await makeTemplate(bench, { key: 'bigint', receipts: false, rows, processed: 0.5 });
      const name = `${rows.toLocaleString('en-US')} rows`;
      const samples = await sideBySide(
        { server, template, receipts: false, repeats: options.repeats, report },
        { [name]: (url) => collect(url, policy, { workers: 2 }) },
      );
      runs[rows] = samples[name] ?? [];
      await template.drop();
    }
    const perMessage = (/** @type {number} */ rows) =>
      (runs[rows] ?? []).map((run) => (run.ms * 1_000) / run.deleted);
    const [ofSmall, ofLarge] = [perMessage(small), perMessage(large)];
    report.line(`${small.toLocaleString('en-US')} rows`, `${median(ofSmall).toFixed(2)} µs a message`);
    report.line(`${large.toLocaleString('en-US')} rows`, `${median(ofLarge).toFixed(2)} µs a message`);
    const tenths = (runs[large] ?? []).map((run) => tenthsOf(run.batches));
    report.fact('ns per key walked, by tenths of the large run', tenths);
    report.target(
      'last tenth against the tenth after the first 5 %',
      { value: median(tenths.map((one) => one.ratio)), byRepeat: tenths.map((one) => one.ratio) },
      'at most',
      1.3,
    );
    report.target(
      `${large.toLocaleString('en-US')} rows against ${small.toLocaleString('en-US')}, per message`,
      {
        value: median(ofLarge) / median(ofSmall),
        byRepeat: ofLarge.map((us, at) => us / (ofSmall[at] ?? Number.NaN)),
      },
      'at most',
      1.3,
    );
  },
};

/**
 * Wall time from where a share of all keys was walked to where another was, for both workers together.
 * @param {readonly import('./kit/ours.mjs').Batch[]} unordered
 */
export function tenthsOf(unordered) {
  const batches = unordered.toSorted((a, b) => a.at - b.at);
  const all = batches.reduce((sum, { walked }) => sum + walked, 0);
  const first = batches[0];
  const beganAt = first === undefined ? 0 : first.at - first.ms;
  /** When this share was reached, between the ends of two batches by proportion. @param {number} share */
  const reachedAt = (share) => {
    let walked = 0;
    let at = beganAt;
    for (const batch of batches) {
      if (walked + batch.walked >= share * all) {
        const part = batch.walked === 0 ? 1 : (share * all - walked) / batch.walked;
        return at + (batch.at - at) * part;
      }
      walked += batch.walked;
      at = batch.at;
    }
    return at;
  };
  const nsPerKey = (/** @type {number} */ from, /** @type {number} */ to) =>
    ((reachedAt(to) - reachedAt(from)) * 1e6) / ((to - from) * all);
  const early = nsPerKey(0.05, 0.15);
  const last = nsPerKey(0.9, 1);
  return {
    tenths: Array.from({ length: 10 }, (_, tenth) => Math.round(nsPerKey(tenth / 10, (tenth + 1) / 10))),
    early: Math.round(early),
    last: Math.round(last),
    ratio: last / early,
  };
}

await runIfCalled(benchmark, import.meta.url);

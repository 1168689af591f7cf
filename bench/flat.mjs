// Does a run on PostgreSQL slow down as it goes, or with the table?
import { makeTemplate, runIfCalled } from './kit/benchmark.mjs';
import { nameOf, tellFlatness } from './kit/flatness.mjs';
import { collect } from './kit/ours.mjs';
import { sideBySide } from './kit/side-by-side.mjs';
import { policyFor } from './kit/tables.mjs';

/** @type {import('./kit/benchmark.mjs').Benchmark} */
export const benchmark = {
  name: 'flat',
  asks: 'Does a row cost the same at the end of a run as at its beginning, and in a table ten times as large?',
  async measure(bench) {
    const { options, server, report } = bench;
    const policy = policyFor({ receipts: false });
    const ofTable = async (/** @type {number} */ rows) => {
      const template = await makeTemplate(bench, { key: 'bigint', receipts: false, rows, processed: 0.5 });
      const name = nameOf(rows);
      const samples = await sideBySide(
        { server, template, receipts: false, repeats: options.repeats, report },
        { [name]: (url) => collect(url, policy, { workers: 2 }) },
      );
      await template.drop();
      return { rows, runs: samples[name] ?? [] };
    };
    const large = options.rows ?? 10_000_000;
    const small = await ofTable(Math.max(1, Math.round(large / 10)));
    tellFlatness(report, small, await ofTable(large));
  },
};

await runIfCalled(benchmark, import.meta.url);

// 2,000,000 rows of about 300 bytes with three indexes, half processed, no foreign key: one DELETE, the usual loop,
// and ours at full speed with two workers and with one.
import { makeTemplate, runIfCalled } from './kit/benchmark.mjs';
import { collect } from './kit/ours.mjs';
import { sideBySide, timesAsFast } from './kit/side-by-side.mjs';
import { oneDelete, usualLoop } from './kit/statements.mjs';
import { policyFor } from './kit/tables.mjs';

/** @type {import('./kit/benchmark.mjs').Benchmark} */
export const benchmark = {
  name: 'sweep',
  asks: 'How fast is a run against one DELETE and against the usual loop?',
  async measure(bench) {
    const { options, server, report } = bench;
    const rows = options.rows ?? 2_000_000;
    const template = await makeTemplate(bench, { key: 'bigint', receipts: false, rows, processed: 0.5 });
    const policy = policyFor({ receipts: false });
    const world = {
      server,
      template,
      receipts: false,
      repeats: options.repeats,
      report,
    };
    const samples = await sideBySide(world, {
      'one DELETE': oneDelete,
      'the usual loop': usualLoop,
      'ours, two workers': (url) => collect(url, policy, { workers: 2 }),
      'ours, one worker': (url) => collect(url, policy, { workers: 1 }),
    });
    const one = samples['one DELETE'];
    const two = samples['ours, two workers'];
    report.target('two workers against one DELETE', timesAsFast(one, two), 'at least', 0.9);
    report.target(
      'one worker against one DELETE',
      timesAsFast(one, samples['ours, one worker']),
      'at least',
      0.75,
    );
    report.target(
      'two workers against the usual loop',
      timesAsFast(samples['the usual loop'], two),
      'at least',
      2,
    );
  },
};

await runIfCalled(benchmark, import.meta.url);

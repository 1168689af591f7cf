// Keys in no order (uuid v4): a walk in key order would jump through the whole table, ten times slower.
import { makeTemplate, runIfCalled } from './kit/benchmark.mjs';
import { collect } from './kit/ours.mjs';
import { sideBySide, timesAsFast } from './kit/side-by-side.mjs';
import { oneDelete } from './kit/statements.mjs';
import { policyFor } from './kit/tables.mjs';

/** @type {import('./kit/benchmark.mjs').Benchmark} */
export const benchmark = {
  name: 'random-keys',
  asks: 'How fast is a run over uuid v4 keys against one DELETE, and which walk does it choose?',
  async measure(bench) {
    const { options, server, report } = bench;
    const rows = options.rows ?? 2_000_000;
    const template = await makeTemplate(bench, { key: 'uuid', receipts: false, rows, processed: 0.5 });
    const policy = policyFor({ receipts: false });
    const world = {
      server,
      template,
      receipts: false,
      repeats: options.repeats,
      report,
    };
    let why = '';
    const samples = await sideBySide(world, {
      'one DELETE': oneDelete,
      'ours, two workers': async (url) => {
        const collected = await collect(url, policy, { workers: 2 });
        why = collected.why;
        return collected;
      },
    });
    report.line('walk', why);
    report.target(
      'two workers against one DELETE',
      timesAsFast(samples['one DELETE'], samples['ours, two workers']),
      'at least',
      0.9,
    );
  },
};

await runIfCalled(benchmark, import.meta.url);

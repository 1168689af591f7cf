// The same with a receipts table (one a message on average, foreign key, index): one DELETE per table against ours
// with the server's checks on, and with messages going first.
import { makeTemplate, runIfCalled } from './kit/benchmark.mjs';
import { collect } from './kit/ours.mjs';
import { sideBySide, timesAsFast } from './kit/side-by-side.mjs';
import { oneDeletePerTable } from './kit/statements.mjs';
import { policyFor } from './kit/tables.mjs';

/** @type {import('./kit/benchmark.mjs').Benchmark} */
export const benchmark = {
  name: 'receipts',
  asks: 'How fast is a run over messages with receipts against one DELETE per table?',
  async measure(bench) {
    const { options, server, report } = bench;
    const rows = options.rows ?? 2_000_000;
    const template = await makeTemplate(bench, { key: 'bigint', receipts: true, rows, processed: 0.5 });
    const ours =
      (/** @type {'checked' | 'messages_first'} */ foreignKeys) => async (/** @type {string} */ url) => {
        const collected = await collect(url, policyFor({ receipts: true, foreignKeys }), { workers: 2 });
        if (collected.foreignKeys !== foreignKeys)
          throw new Error(
            `Expected a run with foreign keys "${foreignKeys}", but it chose "${collected.foreignKeys}": ${collected.why}`,
          );
        return collected;
      };
    const world = {
      server,
      template,
      receipts: true,
      repeats: options.repeats,
      report,
    };
    const samples = await sideBySide(world, {
      'one DELETE per table': oneDeletePerTable,
      'ours, checks on': ours('checked'),
      'ours, messages first': ours('messages_first'),
    });
    const one = samples['one DELETE per table'];
    report.target(
      'checks on against one DELETE per table',
      timesAsFast(one, samples['ours, checks on']),
      'at least',
      1,
    );
    report.target(
      'messages first against one DELETE per table',
      timesAsFast(one, samples['ours, messages first']),
      'at least',
      2,
    );
  },
};

await runIfCalled(benchmark, import.meta.url);

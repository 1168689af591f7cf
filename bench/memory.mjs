// The peak resident size of the command `gc` over a small and a large table: a run must not need more memory because
// the table is larger.
import { runIfCalled } from './kit/benchmark.mjs';
import { median } from './kit/figures.mjs';
import { runCommand } from './kit/our-process.mjs';
import { countRows, ownTables, seedOwnTables } from './kit/tables.mjs';

/** @type {import('./kit/benchmark.mjs').Benchmark} */
export const benchmark = {
  name: 'memory',
  asks: 'How much more memory does the command gc need when the table is ten times as large?',
  async measure({ options, server, report }) {
    const large = options.rows ?? 10_000_000;
    const small = Math.max(1, Math.round(large / 10));
    /** @type {Record<string, number[]>} */
    const peaks = {};
    for (const rows of [small, large]) {
      report.say(`seeding ${rows} messages`);
      const template = await server.create();
      await seedOwnTables(template.url, rows);
      const before = await countRows(template.url, ownTables);
      peaks[rows] = [];
      for (let repeat = 1; repeat <= options.repeats; repeat += 1) {
        await server.withCopy(template.name, async (copy) => {
          await report.listenForNeighbours();
          const environment = { DATABASE_URL: copy.url, MESSAGE_GC_PROFILE: 'full' };
          const { ms, json, peakMiB } = await runCommand(['gc', '--json'], environment);
          const after = await countRows(copy.url, ownTables);
          const which = `${rows} rows, repeat ${repeat}`;
          const deleted = json.run.messages_deleted;
          report.check(`${which}: messages gone`, deleted, before.messages - after.messages);
          report.check(`${which}: eligible before`, deleted, before.eligible);
          report.check(`${which}: eligible after`, after.eligible, 0);
          report.check(`${which}: receipts without a message`, after.orphans, 0);
          peaks[rows]?.push(peakMiB);
          report.sample(`${rows} rows`, { repeat, peakMiB, ms, deleted, batches: json.run.batches });
          report.say(`${rows} rows: ${peakMiB.toFixed(1)} MiB, ${Math.round(ms)} ms (repeat ${repeat})`);
        });
      }
      report.line(`${rows.toLocaleString('en-US')} rows`, `peak ${median(peaks[rows] ?? []).toFixed(1)} MiB`);
      await template.drop();
    }
    report.target(
      `peak with ${large.toLocaleString('en-US')} rows less the peak with ${small.toLocaleString('en-US')}`,
      {
        value: median(peaks[large] ?? []) - median(peaks[small] ?? []),
        byRepeat: (peaks[large] ?? []).map((peak, at) => peak - (peaks[small]?.[at] ?? Number.NaN)),
      },
      'at most',
      30,
      'MiB',
    );
  },
};

await runIfCalled(benchmark, import.meta.url);

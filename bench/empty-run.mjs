// What a run costs that finds nothing to delete: on a large table that was vacuumed and analysed, from the run row's
// creation to its final state, against one indexed look-up for an eligible message; and the same right after a run,
// when the indexes are full of entries of rows that are gone.
import { makeTemplate, runIfCalled } from './kit/benchmark.mjs';
import { median, rounded } from './kit/figures.mjs';
import { collect } from './kit/ours.mjs';
import { settle, withClient } from './kit/server.mjs';
import { countRows, policyFor } from './kit/tables.mjs';

/** @type {import('./kit/benchmark.mjs').Benchmark} */
export const benchmark = {
  name: 'empty-run',
  asks: 'How long does a run take that finds nothing to delete?',
  async measure(bench) {
    const { options, report } = bench;
    const rows = options.rows ?? 10_000_000;
    const database = await makeTemplate(bench, { key: 'bigint', receipts: false, rows, processed: 0.5 });
    const policy = policyFor({ receipts: false });
    const before = await countRows(database.url);
    const full = await collect(database.url, policy, { workers: 2 });
    const after = await countRows(database.url);
    report.check('full run: messages gone', full.deleted, before.messages - after.messages);
    report.check('full run: eligible before', full.deleted, before.eligible);
    /** @type {Record<string, { runs: number[], lookUps: number[] }>} */
    const times = {};
    for (const state of ['right after a run', 'vacuumed and analysed']) {
      if (state === 'vacuumed and analysed') await settle(database.url);
      const runs = [];
      const lookUps = [];
      for (let repeat = 1; repeat <= options.repeats; repeat += 1) {
        await report.listenForNeighbours();
        // The run first: whoever asks first after a mass deletion pays for the dead index entries.
        const empty = await collect(database.url, policy, { workers: 2 });
        const lookUpMs = await lookUp(database.url);
        report.check(`${state}, repeat ${repeat}: messages gone`, empty.deleted, 0);
        runs.push(empty.databaseMs);
        lookUps.push(lookUpMs);
        report.sample(state, { repeat, runMs: empty.databaseMs, lookUpMs, outside: empty.outside });
      }
      times[state] = { runs, lookUps };
      report.line(
        state,
        `run ${rounded(median(runs), 1)} ms (first ${rounded(runs[0] ?? 0, 1)} ms)`,
        `look-up ${rounded(median(lookUps), 1)} ms (first ${rounded(lookUps[0] ?? 0, 1)} ms)`,
      );
    }
    const still = await countRows(database.url);
    report.check('messages that stayed', still.messages, after.messages);
    const { runs, lookUps } = times['vacuumed and analysed'] ?? { runs: [], lookUps: [] };
    report.target(
      `empty run on ${rows.toLocaleString('en-US')} rows less an indexed look-up`,
      {
        value: median(runs) - median(lookUps),
        byRepeat: runs.map((ms, at) => ms - (lookUps[at] ?? Number.NaN)),
      },
      'at most',
      50,
      'ms',
    );
  },
};

/** Milliseconds of one question that the index on the age answers, on a connection that is open. @param {string} url */
async function lookUp(url) {
  return withClient(url, async (client) => {
    await client.query('SELECT 1');
    const startedAt = performance.now();
    await client.query(
      'SELECT id FROM bench_messages WHERE processed_at <= now() ORDER BY processed_at LIMIT 1',
    );
    return performance.now() - startedAt;
  });
}

await runIfCalled(benchmark, import.meta.url);

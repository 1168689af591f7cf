// How long batches take and how long they hold row locks, over the kinds of table. An application waits for the
// locks, so the promise is about the longest one: D plus one COMMIT.
import { makeTemplate, runIfCalled } from './kit/benchmark.mjs';
import { spread } from './kit/figures.mjs';
import { collect } from './kit/ours.mjs';
import { sideBySide } from './kit/side-by-side.mjs';
import { policyFor } from './kit/tables.mjs';

const promisedMs = 150;

/** @type {readonly { words: string, key: 'bigint' | 'uuid', receipts: boolean, foreignKeys?: 'messages_first' | 'checked' }[]} */
const kinds = [
  { words: 'no foreign key', key: 'bigint', receipts: false },
  { words: 'random keys', key: 'uuid', receipts: false },
  { words: 'receipts, messages first', key: 'bigint', receipts: true, foreignKeys: 'messages_first' },
  { words: 'receipts, checks on', key: 'bigint', receipts: true, foreignKeys: 'checked' },
];

/** @type {import('./kit/benchmark.mjs').Benchmark} */
export const benchmark = {
  name: 'batches',
  asks: 'How long do batches take, and how long do they hold row locks?',
  async measure(bench) {
    const { options, server, report } = bench;
    const rows = options.rows ?? 2_000_000;
    /** @type {import('./kit/ours.mjs').Batch[]} */
    const batches = [];
    /** @type {number[]} */
    const rolledBack = [];
    for (const { words, key, receipts, foreignKeys } of kinds) {
      const template = await makeTemplate(bench, { key, receipts, rows, processed: 0.5 });
      const policy = policyFor({ receipts, ...(foreignKeys === undefined ? {} : { foreignKeys }) });
      const samples = await sideBySide(
        { server, template, receipts, repeats: options.repeats, report },
        { [words]: (url) => collect(url, policy, { workers: 2 }) },
      );
      await template.drop();
      const runs = samples[words] ?? [];
      const own = runs.flatMap((run) => run.batches);
      batches.push(...own);
      rolledBack.push(...runs.flatMap((run) => run.without.map(({ lockedMs }) => lockedMs)));
      tell(report, words, own);
    }
    const { ms: deadlockMs } = await server.ask(
      `SELECT setting::int AS ms FROM pg_settings WHERE name = 'deadlock_timeout'`,
    );
    const d = Math.min(500, Number(deadlockMs) / 2);
    report.fact('D in ms', d);
    report.fact('batches rolled back', { n: rolledBack.length, lockedMs: spread(rolledBack) });
    const inTime = batches.filter((batch) => batch.ms <= promisedMs).length;
    report.target(
      `batches of at most ${promisedMs} ms`,
      (100 * inTime) / Math.max(1, batches.length),
      'at least',
      99.9,
      '%',
    );
    report.target(
      'longest time that rows were locked, before the COMMIT',
      Math.max(0, ...batches.map(({ lockedMs, steps }) => lockedMs - (steps['commit'] ?? 0)), ...rolledBack),
      'at most',
      d,
      'ms',
    );
  },
};

/**
 * @param {import('./kit/report.mjs').Report} report
 * @param {string} words
 * @param {readonly import('./kit/ours.mjs').Batch[]} batches
 */
function tell(report, words, batches) {
  for (const [what, of] of /** @type {const} */ ([
    ['batch', batches.map(({ ms }) => ms)],
    ['rows locked', batches.map(({ lockedMs }) => lockedMs)],
    ['COMMIT', batches.map(({ steps }) => steps['commit'] ?? 0)],
  ])) {
    const { n, p50, p99, p999, max } = spread(of);
    report.line(
      `${words}: ${what} (${n})`,
      `p50 ${p50} ms`,
      `p99 ${p99} ms`,
      `p99.9 ${p999} ms`,
      `longest ${max} ms`,
    );
  }
}

await runIfCalled(benchmark, import.meta.url);

// Several Coreapps with one worker each on one table of the product's own: how much faster two are than one, and
// whether four take anything away again; and what sharing costs a run, in time for planning and leasing.
import { setTimeout as sleep } from 'node:timers/promises';
import { ownMapping } from '../dist/core/mapping.js';
import { makeTemplateBy, runIfCalled } from './kit/benchmark.mjs';
import { median, rounded } from './kit/figures.mjs';
import { startCluster } from './kit/our-cluster.mjs';
import { collect } from './kit/ours.mjs';
import { withClient } from './kit/server.mjs';
import { countRows, ownTables, seedOwnTables } from './kit/tables.mjs';

const sizes = [1, 2, 4];
const longestRunMs = 300_000;
/** Methods of ledger and planner: the plan, everything about leases, the ending. */
const sharing = ['plan', 'replan', 'take', 'putBack', 'release', 'end'];
/** The cost may be either: a short run has a plan and an ending too. */
const leastCostMs = 200;
const leastCostShare = 0.02;

/** @type {import('./kit/benchmark.mjs').Benchmark} */
export const benchmark = {
  name: 'nodes',
  asks: 'How much faster are two and four nodes than one, and what does the sharing cost?',
  async measure(bench) {
    const { options, server, report } = bench;
    const rows = options.rows ?? 1_000_000;
    const template = await makeTemplateBy(bench, `${rows} messages with receipts`, (url) =>
      seedOwnTables(url, rows),
    );
    const before = await countRows(template.url, ownTables);
    /** @type {Map<number, number[]>} */
    const speeds = new Map(sizes.map((size) => [size, []]));
    for (let repeat = 1; repeat <= options.repeats; repeat += 1) {
      for (let turn = 0; turn < sizes.length; turn += 1) {
        const size = sizes[(turn + repeat) % sizes.length] ?? 1;
        await server.withCopy(template.name, async (copy) => {
          await report.listenForNeighbours();
          const cluster = await startCluster(copy.url, size);
          try {
            const { run } = await cluster.put();
            const { ms, deleted, byNode, spans } = await ended(copy.url, run);
            const after = await countRows(copy.url, ownTables);
            const what = `${size} nodes, repeat ${repeat}`;
            report.check(`${what}: messages gone`, deleted, before.messages - after.messages);
            report.check(`${what}: eligible before`, deleted, before.eligible);
            report.check(
              `${what}: sum over the nodes`,
              byNode.reduce((sum, one) => sum + one, 0),
              deleted,
            );
            report.check(`${what}: receipts without a message`, after.orphans, 0);
            const perSecond = (deleted * 1_000) / ms;
            speeds.get(size)?.push(perSecond);
            report.sample(`${size} nodes`, { repeat, ms, deleted, byNode, spans, perSecond });
            report.say(`${what}: ${Math.round(perSecond)} messages/s, ${byNode.join(' + ')}`);
          } finally {
            await cluster.stop();
          }
        });
      }
    }
    for (const size of sizes)
      report.line(
        size === 1 ? '1 node' : `${size} nodes`,
        `${Math.round(median(speeds.get(size) ?? [])).toLocaleString('en-US')} messages/s`,
      );
    const costs = await costsOf(bench, template.name, before.eligible);
    report.line(
      'plan, leases and ending of one node',
      `${rounded(median(costs.ms), 1)} ms of ${rounded(median(costs.ofMs), 1)} ms`,
    );
    report.target('two nodes against one', ratio(speeds, 2, 1), 'at least', 1.1);
    report.target('four nodes against two', ratio(speeds, 4, 2), 'at least', 0.9);
    const isShort = median(costs.ofMs) * leastCostShare < leastCostMs;
    const shares = costs.ms.map((ms, at) => (100 * ms) / (costs.ofMs[at] ?? Number.NaN));
    if (isShort)
      report.target(
        'plan, leases and ending of a run',
        { value: median(costs.ms), byRepeat: costs.ms },
        'at most',
        leastCostMs,
        'ms',
      );
    else
      report.target(
        'plan, leases and ending of a run',
        { value: median(shares), byRepeat: shares },
        'at most',
        100 * leastCostShare,
        '%',
      );
  },
};

/**
 * The same workers inside this process, where every call of the ledger can be timed.
 * @param {import('./kit/benchmark.mjs').Bench} bench
 * @param {string} template
 * @param {number} eligible
 */
async function costsOf({ options, server, report }, template, eligible) {
  /** @type {{ ms: number[], ofMs: number[] }} */
  const costs = { ms: [], ofMs: [] };
  for (let repeat = 1; repeat <= options.repeats; repeat += 1) {
    await server.withCopy(template, async (copy) => {
      await report.listenForNeighbours();
      const { ms, deleted, outside } = await collect(
        copy.url,
        { mapping: ownMapping, retentionSeconds: 0 },
        { workers: 1 },
      );
      report.check(`cost, repeat ${repeat}: messages gone`, deleted, eligible);
      const own = sharing.reduce((sum, method) => sum + (outside[method]?.ms ?? 0), 0);
      costs.ms.push(own);
      costs.ofMs.push(ms);
      report.sample('cost', { repeat, ms, sharingMs: own, outside });
    });
  }
  return costs;
}

/**
 * Waits for the end of the run; what it took in the database's time, and who did what.
 * @param {string} url
 * @param {string} run
 */
async function ended(url, run) {
  return withClient(url, async (client) => {
    const deadline = performance.now() + longestRunMs;
    for (;;) {
      const {
        rows: [one],
      } = await client.query(
        `SELECT state, outcome, error, deleted, extract(epoch FROM ended_at - made_at)::float8 * 1000 AS ms, spans
         FROM message_gc.run WHERE id = $1`,
        [run],
      );
      if (one?.state === 'ended') {
        if (one.outcome !== 'complete') throw new Error(`The run ended as ${one.outcome}: ${one.error}`);
        const { rows } = await client.query(
          'SELECT sum(deleted)::bigint AS deleted FROM message_gc.tally WHERE run = $1 GROUP BY node ORDER BY node',
          [run],
        );
        return { ...one, byNode: rows.map(({ deleted }) => Number(deleted)) };
      }
      if (performance.now() > deadline) throw new Error(`The run was not over after ${longestRunMs} ms`);
      await sleep(50);
    }
  });
}

/** @param {Map<number, number[]>} speeds @param {number} of @param {number} to */
function ratio(speeds, of, to) {
  const [above, below] = [speeds.get(of) ?? [], speeds.get(to) ?? []];
  return {
    value: median(above) / median(below),
    byRepeat: above.map((speed, at) => speed / (below[at] ?? Number.NaN)),
  };
}

await runIfCalled(benchmark, import.meta.url);

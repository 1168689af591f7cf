// What several nodes do when one of them fails: how long until another works on the span of a node that was killed in
// mid-run, and how soon a PUT is answered when nearly all nodes accept the connection and never say anything.
import { createServer } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { makeTemplateBy, runIfCalled } from './kit/benchmark.mjs';
import { median, rounded } from './kit/figures.mjs';
import { startCluster } from './kit/our-cluster.mjs';
import { withClient } from './kit/server.mjs';
import { countRows, ownTables, seedOwnTables } from './kit/tables.mjs';

/** The least lease that there is (src/coreapp/coreapp.ts); a smaller interval would not be what is waited for. */
const unhealthyS = 15;
const longestMs = 60_000;
const hungNodes = 31;

/** @type {import('./kit/benchmark.mjs').Benchmark} */
export const benchmark = {
  name: 'take-over',
  asks: 'How soon is the span of a killed node worked on by another, and a PUT answered by a cluster that hangs?',
  async measure(bench) {
    const { options, server, report } = bench;
    // Fewer are gone before a node can be killed at work.
    const rows = options.smoke ? 60_000 : (options.rows ?? 200_000);
    const template = await makeTemplateBy(bench, `${rows} messages with receipts`, (url) =>
      seedOwnTables(url, rows),
    );
    const before = await countRows(template.url, ownTables);
    /** @type {number[]} */
    const waits = [];
    /** @type {number[]} */
    const answers = [];
    for (let repeat = 1; repeat <= options.repeats; repeat += 1) {
      await server.withCopy(template.name, async (copy) => {
        await report.listenForNeighbours();
        const settings = { heartbeat_interval: 1, unhealthy_interval: unhealthyS };
        const cluster = await startCluster(copy.url, 2, settings);
        try {
          const { run } = await cluster.put();
          const [doomed, survivor] = cluster.coreapps;
          if (doomed === undefined || survivor === undefined) throw new Error('There are no two nodes');
          const takenOver = await killAtWork(copy.url, run, doomed, survivor);
          const deleted = await ended(copy.url, run);
          const after = await countRows(copy.url, ownTables);
          report.check(
            `take-over, repeat ${repeat}: messages gone`,
            deleted,
            before.messages - after.messages,
          );
          report.check(`take-over, repeat ${repeat}: eligible before`, deleted, before.eligible);
          waits.push(takenOver.ms);
          report.sample('take-over', { repeat, ...takenOver });
          report.say(
            `taken over after ${Math.round(takenOver.ms)} ms (repeat ${repeat} of ${options.repeats})`,
          );
        } finally {
          await cluster.stop();
        }
      });
    }
    await server.withCopy(template.name, async (copy) => {
      const cluster = await startCluster(copy.url, 1);
      const hung = await startHungNodes(copy.url, hungNodes);
      try {
        for (let repeat = 1; repeat <= options.repeats; repeat += 1) {
          const { ms, nodes } = await cluster.put();
          const said = Object.values(nodes).filter(({ status }) => status === 'processing').length;
          report.check(`PUT, repeat ${repeat}: nodes that said processing`, said, 1);
          report.check(
            `PUT, repeat ${repeat}: nodes in the answer`,
            Object.keys(nodes).length,
            hungNodes + 1,
          );
          answers.push(ms);
          report.sample('PUT', { repeat, ms });
        }
      } finally {
        await cluster.stop();
        await hung.close();
      }
    });
    report.line(
      'first batch on the span of a killed node',
      `${rounded(median(waits) / 1_000, 2)} s`,
      `unhealthy_interval ${unhealthyS} s`,
    );
    report.line('PUT to 32 nodes of which 31 never answer', `${rounded(median(answers) / 1_000, 2)} s`);
    report.target('take-over of a dead node’s span', most(waits), 'at most', unhealthyS + 2, 's');
    report.target('PUT to 32 nodes, 31 of them hung', most(answers), 'at most', 6, 's');
  },
};

/** The longest counts: it is a promise. @param {readonly number[]} ms */
function most(ms) {
  const seconds = ms.map((one) => one / 1_000);
  return { value: Math.max(...seconds), byRepeat: seconds };
}

/**
 * kill -9 while it has a batch open; until the tally of another node has a batch of that span.
 * @param {string} url
 * @param {string} run
 * @param {import('./kit/our-cluster.mjs').Coreapp} doomed
 * @param {import('./kit/our-cluster.mjs').Coreapp} survivor
 */
async function killAtWork(url, run, doomed, survivor) {
  return withClient(url, async (client) => {
    const atWork = async () => {
      const { rows } = await client.query(
        `SELECT s.no, s.batches FROM message_gc.span s JOIN message_gc.tally t ON t.run = s.run AND t.span = s.no AND t.node = s.owner
         WHERE s.run = $1 AND s.owner = $2 AND s.state = 'leased' AND t.batches > 0`,
        [run, doomed.node],
      );
      return rows[0];
    };
    await until('the node to be at work', async () => (await atWork()) !== undefined);
    const killed = doomed.kill();
    const from = performance.now();
    await killed;
    // As it stands when nobody is left to move it.
    const left = await atWork();
    if (left === undefined) throw new Error('The node was killed between two spans. Use more --rows');
    await until('another node to work on its span', async () => {
      const { rows } = await client.query(
        'SELECT FROM message_gc.tally WHERE run = $1 AND span = $2 AND node = $3 AND batches > 0',
        [run, left.no, survivor.node],
      );
      return rows.length > 0;
    });
    return { span: left.no, ms: performance.now() - from };
  });
}

/** @param {string} url @param {string} run */
async function ended(url, run) {
  return withClient(url, async (client) => {
    let deleted = Number.NaN;
    await until('the run to end', async () => {
      const { rows } = await client.query('SELECT outcome, deleted FROM message_gc.run WHERE id = $1', [run]);
      deleted = Number(rows[0]?.deleted);
      return rows[0]?.outcome === 'complete';
    });
    return deleted;
  });
}

/** @param {string} what @param {() => Promise<boolean>} isTrue */
async function until(what, isTrue) {
  const deadline = performance.now() + longestMs;
  while (!(await isTrue())) {
    if (performance.now() > deadline) throw new Error(`Waited ${longestMs} ms in vain for ${what}`);
    await sleep(10);
  }
}

/**
 * Nodes that are registered and alive by their heartbeat, whose ports accept and never answer.
 * @param {string} url
 * @param {number} count
 */
async function startHungNodes(url, count) {
  /** @type {Set<import('node:net').Socket>} */
  const sockets = new Set();
  const servers = await Promise.all(
    Array.from({ length: count }, async () => {
      const server = createServer((socket) => {
        sockets.add(socket);
        socket.on('error', () => undefined);
        socket.resume();
      });
      await new Promise((resolve) => {
        server.listen(0, '127.0.0.1', () => resolve(null));
      });
      return server;
    }),
  );
  await withClient(url, async (client) => {
    for (const [at, server] of servers.entries()) {
      const address = server.address();
      const port = address !== null && typeof address === 'object' ? address.port : 0;
      await client.query(
        `INSERT INTO message_gc.node (name, boot, address, policy_hash, started_at, beat_at)
         SELECT $1, md5($1), $2, policy_hash, now(), now() FROM message_gc.node LIMIT 1`,
        [`hung${at}:${String(at).padStart(12, '0')}`, `127.0.0.1:${port}`],
      );
    }
  });
  return {
    async close() {
      for (const socket of sockets) socket.destroy();
      await Promise.all(servers.map((server) => new Promise((resolve) => server.close(resolve))));
    },
  };
}

await runIfCalled(benchmark, import.meta.url);

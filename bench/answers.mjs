// What a client sees of an instance at work, with the default profile `gentle`: how soon a PUT is answered while a run
// is on, and how soon the callback arrives after the transaction that ended the run.
import { createServer } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import { runIfCalled } from './kit/benchmark.mjs';
import { median, rounded, spread } from './kit/figures.mjs';
import { startInstance } from './kit/our-process.mjs';
import { putLoad } from './kit/put-load.mjs';
import { withClient } from './kit/server.mjs';
import { steadiness } from './kit/steadiness.mjs';
import { countRows, ownTables, seedOwnTables } from './kit/tables.mjs';

/** Far more PUTs than anybody sends, and few enough to leave the machine to the run. */
const putsPerSecond = 50;
const connections = 5;
const shortRuns = 20;
const shortRunRows = 100;
const callbackMs = 300_000;

/** @type {import('./kit/benchmark.mjs').Benchmark} */
export const benchmark = {
  name: 'answers',
  asks: 'How soon is a PUT answered while a run is on, and how soon does the callback leave when it is over?',
  async measure({ options, server, report }) {
    const rows = options.rows ?? 3_000_000;
    const seconds = options.smoke ? 1 : 10;
    report.say(`seeding ${rows} messages`);
    const template = await server.create();
    await seedOwnTables(template.url, rows);
    const before = await countRows(template.url, ownTables);
    /** @type {number[]} */
    const p99s = [];
    /** @type {number[]} */
    const delays = [];
    /** @type {number[]} */
    const slowShares = [];
    for (let repeat = 1; repeat <= options.repeats; repeat += 1) {
      await server.withCopy(template.name, async (copy) => {
        await report.listenForNeighbours();
        const alone = await steadiness(options.smoke ? 0.2 : 6);
        report.sample('machine alone', { repeat, ...alone });
        slowShares.push(alone.slowShare);
        const receiver = await startReceiver();
        const instance = await startInstance({ DATABASE_URL: copy.url, MESSAGE_GC_PROFILE: 'gentle' });
        try {
          const api = apiOf(instance);
          await api('PATCH', '/v1/settings/application', { webhooks: { url: receiver.url } });
          const id = await api('PUT', '/v1/services/message/gc');
          const puts = await putLoad({
            url: `${instance.url}/v1/services/message/gc`,
            token: instance.token,
            perSecond: putsPerSecond,
            seconds,
            connections,
          });
          const [run] = await runsOf(copy.url, id);
          // A tiny table is collected sooner than a second of PUTs is over.
          if (run?.state === 'ended' && !options.smoke)
            throw new Error('The run was over before the PUTs were. Use more --rows');
          report.check(`repeat ${repeat}: PUTs answered other than 200`, puts.refused, 0);
          p99s.push(puts.p99);
          report.sample('PUT', { repeat, ...puts });
          report.say(`PUT: p99 ${puts.p99} ms of ${puts.n} (repeat ${repeat} of ${options.repeats})`);
          const whole = await told(receiver, copy.url, id);
          await untilIdle(copy.url);
          const after = await countRows(copy.url, ownTables);
          const gone = before.messages - after.messages;
          report.check(`repeat ${repeat}: messages gone`, whole.deleted, gone);
          report.check(`repeat ${repeat}: eligible before`, whole.deleted, before.eligible);
          report.check(`repeat ${repeat}: receipts without a message`, after.orphans, 0);
          const own = [whole.delayMs];
          for (let one = 1; one <= (options.smoke ? 2 : shortRuns); one += 1) {
            await addProcessed(copy.url, shortRunRows);
            const short = await told(receiver, copy.url, await api('PUT', '/v1/services/message/gc'));
            report.check(`repeat ${repeat}, short run ${one}: messages gone`, short.deleted, shortRunRows);
            own.push(short.delayMs);
          }
          report.sample('callbacks', { repeat, delaysMs: own });
          delays.push(...own);
        } finally {
          await instance.stop();
          await receiver.close();
        }
      });
    }
    const all = spread(delays);
    const slowShare = `${rounded(median(slowShares) * 100, 1)} %`;
    report.line('machine alone', `${slowShare} of the time five times as slow as usual, or worse`);
    report.line('PUT while a run is on', `p99 ${rounded(median(p99s), 1)} ms`, `${putsPerSecond} a second`);
    report.line('callback after the end', `p50 ${all.p50} ms`, `longest ${all.max} ms of ${all.n}`);
    report.target('PUT at the 99th percentile', { value: median(p99s), byRepeat: p99s }, 'at most', 20, 'ms');
    report.target('callback after the run has ended, longest', all.max, 'at most', 250, 'ms');
  },
};

/** A receiver that notes when each callback begins to arrive, and answers 200. */
async function startReceiver() {
  /** @type {Map<string, { at: number, deleted: number }>} */
  const arrivals = new Map();
  /** @type {() => void} */
  let arrived = () => undefined;
  const server = createServer((request, response) => {
    const at = Date.now();
    let body = '';
    request.setEncoding('utf8').on('data', (part) => {
      body += part;
    });
    request.on('end', () => {
      response.end();
      const { messages_deleted: deleted } = JSON.parse(body).services[0].message.gc;
      arrivals.set(String(request.headers['x-request-id']), { at, deleted });
      arrived();
    });
  });
  await new Promise((resolve) => {
    server.listen(0, '127.0.0.1', () => resolve(null));
  });
  const address = server.address();
  const port = address !== null && typeof address === 'object' ? address.port : 0;
  return {
    url: `http://127.0.0.1:${port}/`,
    /** The callback of this run, once it is there. @param {string} run */
    async of(run) {
      const deadline = AbortSignal.timeout(callbackMs);
      for (;;) {
        const arrival = arrivals.get(run);
        if (arrival !== undefined) return arrival;
        await new Promise((resolve, reject) => {
          arrived = () => resolve(null);
          deadline.addEventListener('abort', () => reject(new Error(`No callback of run ${run} came`)));
        });
      }
    },
    async close() {
      server.closeAllConnections();
      await new Promise((resolve) => {
        server.close(resolve);
      });
    },
  };
}

/**
 * The callback of a run: how long after the run's end it came. `ended_at` is taken inside the ending transaction, so
 * its COMMIT is part of the delay.
 * @param {Awaited<ReturnType<typeof startReceiver>>} receiver
 * @param {string} url
 * @param {string} id
 */
async function told(receiver, url, id) {
  const { at, deleted } = await receiver.of(id);
  const [run] = await runsOf(url, id);
  if (run?.endedAtMs == null) throw new Error(`The callback names a run that has not ended: ${id}`);
  return { delayMs: at - run.endedAtMs, deleted };
}

/** @param {string} url @param {string} id @returns {Promise<{ state: string, endedAtMs: number | null }[]>} */
async function runsOf(url, id) {
  return withClient(url, async (client) => {
    const { rows } = await client.query(
      `SELECT state, extract(epoch FROM ended_at)::float8 * 1000 AS "endedAtMs" FROM message_gc.run WHERE id = $1`,
      [id],
    );
    return rows;
  });
}

/** Until no run is active: a PUT that came last may have made one more. @param {string} url */
async function untilIdle(url) {
  const deadline = performance.now() + callbackMs;
  await withClient(url, async (client) => {
    for (;;) {
      const { rowCount } = await client.query('SELECT 1 FROM message_gc.run WHERE active = 1');
      if (rowCount === 0) return;
      if (performance.now() > deadline) throw new Error('A run does not end');
      await sleep(20);
    }
  });
}

/** @param {string} url @param {number} count */
async function addProcessed(url, count) {
  await withClient(url, (client) =>
    client.query(
      `INSERT INTO messages (direction, state, contact, body, processed_at)
       SELECT 'inbound', 'received', '4915100000000', 'short run', clock_timestamp() - interval '1 minute'
       FROM generate_series(1, $1::int)`,
      [count],
    ),
  );
}

/**
 * Calls the API; gives back the id of the run that the answer names, if any.
 * @param {{ url: string, token: string }} instance
 * @returns {(method: string, path: string, body?: object) => Promise<string>}
 */
function apiOf({ url, token }) {
  return async (method, path, body) => {
    const answer = await fetch(`${url}${path}`, {
      method,
      headers: {
        authorization: `Bearer ${token}`,
        ...(body === undefined ? {} : { 'content-type': 'application/json' }),
      },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
    const text = await answer.text();
    if (!answer.ok) throw new Error(`${method} ${path} was answered ${answer.status}: ${text}`);
    return answer.headers.get('x-request-id') ?? '';
  };
}

await runIfCalled(benchmark, import.meta.url);

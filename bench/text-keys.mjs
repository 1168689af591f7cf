// Somebody else's table: text keys in the order of their making (as cuid), ages as epoch seconds, "processed" told by a
// child table, two children a message. Ours against hand-written batch loops that do the same work and take the
// children along; the fastest of them is the measure, and its plan is kept in the result.
import { makeTemplateBy, runIfCalled } from './kit/benchmark.mjs';
import { median } from './kit/figures.mjs';
import { collect, toSample } from './kit/ours.mjs';
import { timesAsFast } from './kit/side-by-side.mjs';
import { connect, withClient } from './kit/server.mjs';
import { makeLedger } from './kit/tables.mjs';

const insertRows = 100_000;
/** Messages of a hand-written batch. */
const loopRows = 5_000;

const wanted = `m.stamp <= extract(epoch FROM now())::bigint AND m.stamp > 0
  AND EXISTS (SELECT FROM chat_updates u WHERE u.message_id = m.id AND u.status = 'READ')`;

/** @returns {import('../dist/core/policy.js').Policy} */
const policy = (/** @type {'checked' | 'messages_first'} */ foreignKeys) => ({
  retentionSeconds: 0,
  mapping: {
    store: 'chat',
    table: { schema: 'public', name: 'chat_messages' },
    key: ['id'],
    age: { column: 'stamp', unit: 'epoch_s', zone: null },
    processed: `EXISTS (SELECT FROM chat_updates u WHERE u.message_id = m.id AND u.status = 'READ')`,
    holds: [],
    holdList: null,
    dependents: [
      {
        table: { schema: 'public', name: 'chat_updates' },
        match: [{ column: 'message_id', message: 'id' }],
        action: 'delete',
      },
    ],
    foreignKeys,
    walk: null,
  },
});

/** @param {string} url @param {number} rows */
async function makeChat(url, rows) {
  await makeLedger(url);
  await withClient(url, async (client) => {
    await client.query(`CREATE TABLE chat_messages (id text PRIMARY KEY, remote text NOT NULL, body text NOT NULL, stamp integer NOT NULL);
      CREATE TABLE chat_updates (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, message_id text NOT NULL, status text NOT NULL)`);
    for (let first = 1; first <= rows; first += insertRows) {
      const bounds = [first, Math.min(rows, first + insertRows - 1)];
      await client.query(
        `INSERT INTO chat_messages SELECT 'cm' || lpad(to_hex(i), 8, '0') || substr(md5(i::text), 1, 14),
           '4915' || (i % 9973), rpad('', 140 + (hashint8extended(i, 2) & 127)::int, md5(i::text)),
           extract(epoch FROM now())::int - 86400 - (i % 7776000)::int
         FROM generate_series($1::bigint, $2::bigint) i`,
        bounds,
      );
      await client.query(
        `INSERT INTO chat_updates (message_id, status)
         SELECT 'cm' || lpad(to_hex(i), 8, '0') || substr(md5(i::text), 1, 14),
           CASE WHEN n = 1 THEN 'DELIVERY_ACK' WHEN hashint8extended(i, 3) & 1 = 0 THEN 'READ' ELSE 'SERVER_ACK' END
         FROM generate_series($1::bigint, $2::bigint) i, generate_series(1, 2) n`,
        bounds,
      );
    }
    await client.query(`CREATE INDEX ON chat_updates (message_id);
      ALTER TABLE chat_updates ADD FOREIGN KEY (message_id) REFERENCES chat_messages (id) ON DELETE CASCADE`);
  });
}

/**
 * Pages of the key, one transaction each. `remove` deletes the messages between two keys, and their children.
 * @param {string} url
 * @param {(client: import('pg').Client, from: string, to: string) => Promise<{ messages: number, children: number }>} remove
 */
async function loop(url, remove) {
  const client = await connect(url);
  try {
    const startedAt = performance.now();
    let [deleted, dependents, from] = [0, 0, ''];
    for (;;) {
      const { rows } = await client.query(
        'SELECT max(id) AS id FROM (SELECT id FROM chat_messages WHERE id > $1 ORDER BY id LIMIT $2) page',
        [from, loopRows],
      );
      const to = rows[0]?.id ?? null;
      if (to === null) return { ms: performance.now() - startedAt, deleted, dependents };
      await client.query('BEGIN');
      const gone = await remove(client, from, to);
      await client.query('COMMIT');
      deleted += gone.messages;
      dependents += gone.children;
      from = to;
    }
  } finally {
    await client.end();
  }
}

const byCascade = `DELETE FROM chat_messages m WHERE m.id > $1 AND m.id <= $2 AND ${wanted}`;

/** @type {Record<string, (url: string) => Promise<{ ms: number, deleted: number, dependents: number, why?: string }>>} */
const variants = {
  'loop, children by cascade': (url) =>
    loop(url, async (client, from, to) => {
      const gone = await client.query(byCascade, [from, to]);
      return { messages: gone.rowCount ?? 0, children: Number.NaN };
    }),
  'loop, keys fetched, children first': (url) =>
    loop(url, async (client, from, to) => {
      const { rows } = await client.query(
        `SELECT m.id FROM chat_messages m WHERE m.id > $1 AND m.id <= $2 AND ${wanted} FOR UPDATE`,
        [from, to],
      );
      const ids = rows.map((row) => row.id);
      const children = await client.query('DELETE FROM chat_updates WHERE message_id = ANY($1)', [ids]);
      const gone = await client.query('DELETE FROM chat_messages WHERE id = ANY($1)', [ids]);
      return { messages: gone.rowCount ?? 0, children: children.rowCount ?? 0 };
    }),
  'ours, checks on, two workers': (url) => collect(url, policy('checked'), { workers: 2 }),
  'ours, messages first, two workers': (url) => collect(url, policy('messages_first'), { workers: 2 }),
};

/** @param {string} url */
async function countChat(url) {
  return withClient(url, async (client) => {
    const { rows } = await client.query(
      `SELECT (SELECT count(*) FROM chat_messages) AS messages, (SELECT count(*) FROM chat_updates) AS updates,
         (SELECT count(*) FROM chat_messages m WHERE ${wanted}) AS eligible`,
    );
    return /** @type {{ messages: number, updates: number, eligible: number }} */ (rows[0]);
  });
}

/** @type {import('./kit/benchmark.mjs').Benchmark} */
export const benchmark = {
  name: 'text-keys',
  asks: "How fast is a run over somebody else's table (text keys, epoch ages, a child table that decides) against hand-written loops?",
  async measure(bench) {
    const { options, server, report } = bench;
    const rows = options.rows ?? 1_000_000;
    const template = await makeTemplateBy(bench, `${rows} messages, ${rows * 2} children`, (url) =>
      makeChat(url, rows),
    );
    const before = await countChat(template.url);
    report.fact(
      'plan of the loop by cascade',
      await withClient(template.url, async (client) => {
        const { rows: plan } = await client.query(
          `EXPLAIN ${byCascade.replace('$1', "'cm00000100'").replace('$2', "'cm00001488'")}`,
        );
        return plan.map((row) => row['QUERY PLAN']);
      }),
    );
    /** @type {Record<string, { ms: number, deleted: number, dependents: number }[]>} */
    const samples = Object.fromEntries(Object.keys(variants).map((name) => [name, []]));
    let why = '';
    const names = Object.keys(variants);
    for (let repeat = 0; repeat < options.repeats; repeat += 1) {
      const first = repeat % names.length;
      for (const name of [...names.slice(first), ...names.slice(0, first)]) {
        await server.withCopy(template.name, async (copy) => {
          await report.listenForNeighbours();
          const measured = await /** @type {any} */ (variants[name])(copy.url);
          why = measured.why ?? why;
          const after = await countChat(copy.url);
          const which = `${name}, repeat ${repeat + 1}`;
          report.check(`${which}: messages gone`, measured.deleted, before.messages - after.messages);
          report.check(`${which}: eligible before`, measured.deleted, before.eligible);
          report.check(`${which}: eligible after`, after.eligible, 0);
          report.check(`${which}: children gone`, before.updates - after.updates, 2 * before.eligible);
          samples[name]?.push(measured);
          report.sample(name, { repeat: repeat + 1, ...toSample({ ...measured }) });
          report.say(`${name}: ${Math.round(measured.ms)} ms (repeat ${repeat + 1} of ${options.repeats})`);
        });
      }
    }
    for (const name of names) {
      const ms = median((samples[name] ?? []).map((sample) => sample.ms));
      report.line(
        name,
        `${Math.round(ms)} ms`,
        `${Math.round((before.eligible / ms) * 1_000).toLocaleString('en-US')} messages/s`,
      );
    }
    report.line('walk', why);
    const middle = (/** @type {string} */ name) => median((samples[name] ?? []).map(({ ms }) => ms));
    const loops = names.filter((name) => name.startsWith('loop'));
    const fastest = loops.toSorted((a, b) => middle(a) - middle(b))[0] ?? '';
    report.target(
      `checks on against the fastest loop (${fastest})`,
      timesAsFast(samples[fastest], samples['ours, checks on, two workers']),
      'at least',
      0.7,
    );
    report.target(
      'messages first against the same',
      timesAsFast(samples[fastest], samples['ours, messages first, two workers']),
      'at least',
      0.7,
    );
  },
};

await runIfCalled(benchmark, import.meta.url);

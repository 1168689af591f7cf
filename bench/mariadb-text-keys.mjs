// Somebody else's table on MariaDB: text keys in the order of their making (as cuid), ages as epoch seconds,
// "processed" told by a child table, two children a message. Ours against hand-written batch loops that do the same work
// and take the children along; the fastest of them is the measure, and its plan is kept in the result.
//   node bench/mariadb-text-keys.mjs [--server mysql://root@127.0.0.1:3306/mysql] [--rows N] [--repeats N] [--smoke]
import { median } from './kit/figures.mjs';
import { numbersUpTo, runIfCalledOnMariaDb, sideBySideOnMariaDb } from './kit/mariadb.mjs';
import { collect } from './kit/ours.mjs';
import { timesAsFast } from './kit/side-by-side.mjs';

/** @typedef {import('./kit/mariadb.mjs').MariaDbServer} MariaDbServer */

/** Messages of a hand-written batch. */
const loopRows = 5_000;

const processed = `EXISTS (SELECT 1 FROM chat_updates u WHERE u.message_id = m.id AND u.status = 'READ')`;
const goes = `m.stamp <= UNIX_TIMESTAMP() AND m.stamp > 0 AND ${processed}`;
const messageColumns =
  'id varchar(32) NOT NULL PRIMARY KEY, remote varchar(20) NOT NULL, body varchar(400) NOT NULL, stamp int NOT NULL';
const updateColumns =
  'id bigint NOT NULL AUTO_INCREMENT PRIMARY KEY, message_id varchar(32) NOT NULL, status varchar(16) NOT NULL';

/** @param {MariaDbServer} server @param {number} rows */
async function makeTemplate(server, rows) {
  await server.ask(`CREATE TABLE template_m (${messageColumns}) ENGINE=InnoDB;
    CREATE TABLE template_u (${updateColumns}) ENGINE=InnoDB`);
  for (const numbers of numbersUpTo(rows)) {
    const id = "CONCAT('cm', LPAD(HEX(n), 8, '0'), LEFT(MD5(n), 14))";
    await server.ask(`INSERT INTO template_m SELECT ${id}, CONCAT('4915', n % 9973), LEFT(REPEAT(MD5(n), 9), 140 + n % 128),
        UNIX_TIMESTAMP() - 86400 - n % 7776000 FROM ${numbers} ORDER BY n;
      INSERT INTO template_u (message_id, status) SELECT ${id},
        IF(child = 1, 'DELIVERY_ACK', IF(CRC32(n) & 1, 'READ', 'SERVER_ACK'))
        FROM ${numbers} JOIN (SELECT 1 AS child UNION SELECT 2) c ORDER BY n, child`);
  }
}

/** @param {MariaDbServer} server */
async function reset(server) {
  await server.ask(`DROP TABLE IF EXISTS chat_updates, chat_messages;
    CREATE TABLE chat_messages (${messageColumns}) ENGINE=InnoDB; INSERT INTO chat_messages SELECT * FROM template_m ORDER BY id;
    CREATE TABLE chat_updates (${updateColumns}) ENGINE=InnoDB; INSERT INTO chat_updates SELECT * FROM template_u ORDER BY id;
    ALTER TABLE chat_updates ADD KEY message_id (message_id);
    ALTER TABLE chat_updates ADD FOREIGN KEY (message_id) REFERENCES chat_messages (id) ON DELETE CASCADE;
    ANALYZE TABLE chat_messages, chat_updates`);
}

/** @param {MariaDbServer} server */
async function count(server) {
  const [row] = await server.ask(
    `SELECT (SELECT count(*) FROM chat_messages) AS messages, (SELECT count(*) FROM chat_updates) AS dependents,
       (SELECT count(*) FROM chat_messages m WHERE ${goes}) AS eligible,
       (SELECT count(*) FROM chat_updates u LEFT JOIN chat_messages m ON m.id = u.message_id WHERE m.id IS NULL) AS orphans`,
  );
  return {
    messages: Number(row.messages),
    eligible: Number(row.eligible),
    dependents: Number(row.dependents),
    orphans: Number(row.orphans),
  };
}

const between = `m.id > ? AND m.id <= ? AND ${goes}`;
const byCascade = `DELETE m FROM chat_messages AS m WHERE ${between}`;

/**
 * Pages of the key, one transaction each. `remove` deletes the messages between two keys, and their children.
 * @param {MariaDbServer} server
 * @param {(ask: (sql: string, values?: unknown[]) => Promise<any>, from: string, to: string) => Promise<{ messages: number, children: number }>} remove
 */
function loop(server, remove) {
  return server.withSession(async (ask) => {
    await ask('SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED');
    const startedAt = performance.now();
    let [deleted, dependents, from] = [0, 0, ''];
    for (;;) {
      const page = 'SELECT id FROM chat_messages WHERE id > ? ORDER BY id LIMIT ?';
      const [row] = await ask(`SELECT max(id) AS id FROM (${page}) page`, [from, loopRows]);
      if (row.id === null) return { ms: performance.now() - startedAt, deleted, dependents };
      await ask('BEGIN');
      const gone = await remove(ask, from, row.id);
      await ask('COMMIT');
      deleted += gone.messages;
      dependents += gone.children;
      from = row.id;
    }
  });
}

/** @param {MariaDbServer} server @param {'checked' | 'messages_first'} foreignKeys */
function ours(server, foreignKeys) {
  return collect(
    server.url,
    {
      retentionSeconds: 0,
      mapping: {
        store: 'chat',
        table: { schema: null, name: 'chat_messages' },
        key: ['id'],
        age: { column: 'stamp', unit: 'epoch_s', zone: null },
        processed,
        holds: [],
        holdList: null,
        walk: null,
        dependents: [
          {
            table: { schema: null, name: 'chat_updates' },
            match: [{ column: 'message_id', message: 'id' }],
            action: 'delete',
          },
        ],
        foreignKeys,
      },
    },
    { workers: 2 },
  );
}

/** @type {import('./kit/mariadb.mjs').MariaDbBenchmark} */
export const benchmark = {
  name: 'mariadb-text-keys',
  asks: "How fast is a run on MariaDB over somebody else's table (text keys, epoch ages, a child table that decides) against hand-written loops?",
  async measure(bench) {
    const { options, server, report } = bench;
    const rows = options.rows ?? 1_000_000;
    await makeTemplate(server, rows);
    await reset(server);
    const plan = byCascade.replace('?', "'cm00000100'").replace('?', "'cm00001488'");
    report.fact('plan of the loop by cascade', await server.ask(`EXPLAIN ${plan}`));
    const loops = {
      'loop, children by cascade': () =>
        loop(server, async (ask, from, to) => {
          const { affectedRows } = await ask(byCascade, [from, to]);
          // The server tells nothing of what a foreign key took along: two of each.
          return { messages: affectedRows, children: 2 * affectedRows };
        }),
      'loop, keys fetched, children first': () =>
        loop(server, async (ask, from, to) => {
          const found = await ask(`SELECT m.id FROM chat_messages AS m WHERE ${between} FOR UPDATE`, [
            from,
            to,
          ]);
          if (found.length === 0) return { messages: 0, children: 0 };
          const keys = [found.map((/** @type {{ id: string }} */ { id }) => id)];
          const children = await ask('DELETE FROM chat_updates WHERE message_id IN (?)', keys);
          const gone = await ask('DELETE FROM chat_messages WHERE id IN (?)', keys);
          return { messages: gone.affectedRows, children: children.affectedRows };
        }),
    };
    const samples = await sideBySideOnMariaDb(bench, {
      reset: () => reset(server),
      count: () => count(server),
      variants: {
        ...loops,
        'ours, checks on, two workers': () => ours(server, 'checked'),
        'ours, messages first, two workers': () => ours(server, 'messages_first'),
      },
    });
    const msOf = (/** @type {string} */ name) => median((samples[name] ?? []).map(({ ms }) => ms));
    const [fastest = ''] = Object.keys(loops).toSorted((a, b) => msOf(a) - msOf(b));
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

await runIfCalledOnMariaDb(benchmark, import.meta.url);

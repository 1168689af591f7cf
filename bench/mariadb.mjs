// How fast is a run on MariaDB against one DELETE, the usual loop, and pt-archiver at its best and at its defaults?
//   node bench/mariadb.mjs --server mysql://root@127.0.0.1:3306/mysql [--rows N] [--repeats N] [--smoke] [--defaults]
// On a server with default settings, without other work. pt-archiver is Debian's percona-toolkit (apt-get install
// percona-toolkit); without it its lines are left out. --defaults adds pt-archiver's defaults, which take minutes.
// Each variant starts from a fresh copy of the same table; the order changes with every round. Last line: N passed.
import { randomBytes } from 'node:crypto';
import { spawnSync } from 'node:child_process';
import { parseArgs } from 'node:util';
import mysql from 'mysql2/promise';
import { median } from './kit/figures.mjs';
import { collect } from './kit/ours.mjs';

const { values } = parseArgs({
  options: {
    server: {
      type: 'string',
      default: process.env['TEST_MARIADB_URL'] ?? 'mysql://root@127.0.0.1:3306/mysql',
    },
    rows: { type: 'string' },
    repeats: { type: 'string' },
    smoke: { type: 'boolean', default: false },
    defaults: { type: 'boolean', default: false },
  },
});
const rows = Number(values.rows ?? (values.smoke ? 4_000 : 400_000));
const repeats = Number(values.repeats ?? (values.smoke ? 1 : 5));
const name = `mgc_my_bench_${process.pid}_${randomBytes(3).toString('hex')}`;
const address = new URL(values.server);
address.pathname = `/${name}`;
const url = address.href;
const admin = await mysql.createConnection({ uri: values.server, multipleStatements: true });

/** @param {string} sql */
const ask = async (sql) => /** @type {any} */ ((await admin.query(sql))[0]);

const columns = `id bigint NOT NULL AUTO_INCREMENT PRIMARY KEY, room int NOT NULL, state varchar(16) NOT NULL,
  body varchar(400) NOT NULL, made datetime(6) NOT NULL, done datetime(6), KEY room (room, made), KEY done (done)`;
const numbers = Array.from({ length: 10 }, (_, digit) => `SELECT ${digit} AS d`).join(' UNION ALL ');

async function makeTemplate() {
  await ask(`CREATE DATABASE ${name} CHARACTER SET utf8mb4; USE ${name};
    CREATE TABLE digits (d int); INSERT INTO digits ${numbers};
    CREATE TABLE template_t (${columns}) ENGINE=InnoDB;
    CREATE TABLE template_r (id bigint NOT NULL AUTO_INCREMENT PRIMARY KEY, msg bigint NOT NULL, status varchar(16), KEY msg (msg)) ENGINE=InnoDB`);
  for (let from = 0; from < rows; from += 10_000) {
    await ask(`INSERT INTO template_t (id, room, state, body, made, done)
      SELECT n, n % 997, 'read', REPEAT(MD5(n), 4), UTC_TIMESTAMP() - INTERVAL 2 DAY,
        IF(n % 2 = 0, UTC_TIMESTAMP() - INTERVAL 1 DAY, NULL)
      FROM (SELECT ${from} + a.d * 1000 + b.d * 100 + c.d * 10 + e.d + 1 AS n FROM digits a, digits b, digits c, digits e) s
      WHERE n <= ${rows} ORDER BY n`);
  }
  await ask("INSERT INTO template_r (msg, status) SELECT id, 'read' FROM template_t ORDER BY id");
}

/** @param {boolean} receipts */
async function reset(receipts) {
  await ask(`DROP TABLE IF EXISTS r, t; CREATE TABLE t LIKE template_t; INSERT INTO t SELECT * FROM template_t ORDER BY id;
    ${
      receipts
        ? 'CREATE TABLE r LIKE template_r; ALTER TABLE r ADD FOREIGN KEY (msg) REFERENCES t (id); INSERT INTO r SELECT * FROM template_r ORDER BY id;'
        : ''
    }
    ANALYZE TABLE t${receipts ? ', r' : ''}`);
}

/** @param {boolean} receipts @returns {import('../dist/core/policy.js').Policy} */
const policy = (receipts) => ({
  retentionSeconds: 0,
  mapping: {
    store: 'bench',
    table: { schema: null, name: 't' },
    key: ['id'],
    age: { column: 'done', unit: 'datetime', zone: 'UTC' },
    processed: 'true',
    holds: [],
    holdList: null,
    walk: null,
    dependents: receipts
      ? [{ table: { schema: null, name: 'r' }, match: [{ column: 'msg', message: 'id' }], action: 'delete' }]
      : [],
    foreignKeys: 'messages_first',
  },
});

/** @param {readonly string[]} more */
const archiver = (more) => async () => {
  const source = `h=${address.hostname},P=${address.port || 3306},u=${address.username || 'root'},D=${name},t=t,A=utf8mb4${
    address.password === '' ? '' : `,p=${decodeURIComponent(address.password)}`
  }`;
  const done = spawnSync(
    'pt-archiver',
    [
      '--source',
      source,
      '--where',
      'done <= UTC_TIMESTAMP()',
      '--purge',
      '--no-version-check',
      '--no-check-charset',
      // Without it the highest key stays, whatever its row says.
      '--no-safe-auto-increment',
      ...more,
    ],
    { encoding: 'utf8' },
  );
  if (done.status !== 0) throw new Error(`pt-archiver: ${done.stderr}`);
};
const hasArchiver = spawnSync('pt-archiver', ['--version']).status === 0;
if (!hasArchiver)
  console.log('pt-archiver is not there (apt-get install percona-toolkit): its lines are left out');

/** @type {Record<string, { receipts: boolean, run: () => Promise<unknown> }>} */
const variants = {
  'one DELETE': { receipts: false, run: () => ask('DELETE FROM t WHERE done <= UTC_TIMESTAMP()') },
  'the usual loop (LIMIT 1000)': {
    receipts: false,
    async run() {
      while ((await ask('DELETE FROM t WHERE done <= UTC_TIMESTAMP() LIMIT 1000')).affectedRows > 0);
    },
  },
  ...(hasArchiver && {
    'pt-archiver, its best': {
      receipts: false,
      run: archiver(['--limit', '1000', '--bulk-delete', '--commit-each', '--primary-key-only']),
    },
  }),
  ...(hasArchiver &&
    (values.defaults || values.smoke) && { 'pt-archiver, defaults': { receipts: false, run: archiver([]) } }),
  'ours, full': { receipts: false, run: () => collect(url, policy(false), { workers: 2 }) },
  'receipts: one DELETE per table': {
    receipts: true,
    run: () =>
      ask(
        'DELETE r FROM r JOIN t ON t.id = r.msg WHERE t.done <= UTC_TIMESTAMP(); DELETE FROM t WHERE done <= UTC_TIMESTAMP()',
      ),
  },
  'receipts: ours, full': { receipts: true, run: () => collect(url, policy(true), { workers: 2 }) },
};

/** @type {Map<string, number[]>} */
const speeds = new Map();
let passed = 0;
let failed = 0;
try {
  await makeTemplate();
  for (let round = 0; round < repeats; round += 1) {
    const order = Object.entries(variants);
    for (const [words, { receipts, run }] of [
      ...order.slice(round % order.length),
      ...order.slice(0, round % order.length),
    ]) {
      await reset(receipts);
      const from = performance.now();
      const collected = await run();
      // Ours tells its own time: from the start of the run to its ending, without making its tables.
      const ms = Number(/** @type {any} */ (collected)?.ms ?? performance.now() - from);
      const [{ kept, wrong }] = await ask(
        'SELECT count(*) AS kept, coalesce(sum(id % 2 = 0), 0) AS wrong FROM t',
      );
      const isExact = Number(kept) === Math.ceil(rows / 2) && Number(wrong) === 0;
      if (isExact) passed += 1;
      else failed += 1;
      speeds.set(words, [...(speeds.get(words) ?? []), (Math.floor(rows / 2) / ms) * 1_000]);
      console.log(
        `round ${round + 1}  ${words.padEnd(32)} ${String(Math.round(ms)).padStart(8)} ms${isExact ? '' : '  NOT EXACT'}`,
      );
    }
  }
  const [{ version, pool }] = await ask(
    'SELECT @@version AS version, @@innodb_buffer_pool_size / 1048576 AS pool',
  );
  console.log(
    `\n${version}, buffer pool ${Math.round(pool)} MB, ${rows} rows, half of them go, median of ${repeats}:`,
  );
  const of = (/** @type {string} */ words) => median(speeds.get(words) ?? []);
  for (const words of speeds.keys()) {
    const base = words.startsWith('receipts') ? 'receipts: one DELETE per table' : 'one DELETE';
    console.log(
      `${words.padEnd(32)} ${String(Math.round(of(words))).padStart(8)} rows/s  ${(of(words) / of(base)).toFixed(2)} × ${base}`,
    );
  }
  if (hasArchiver)
    console.log(
      `ours against pt-archiver's best: ${(of('ours, full') / of('pt-archiver, its best')).toFixed(2)} ×`,
    );
} finally {
  await ask(`DROP DATABASE IF EXISTS ${name}`);
  await admin.end();
}
console.log(`${passed} passed, ${failed} failed`);
if (failed > 0) process.exitCode = 1;

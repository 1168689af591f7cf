// What the benchmarks on MariaDB share: scratch databases on a running server, fresh copies of template tables, the
// frame with its report, and pt-archiver. The server should have default settings and nothing else to do.
import { spawn, spawnSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { pathToFileURL } from 'node:url';
import mysql from 'mysql2/promise';
import { closedAfter } from './benchmark.mjs';
import { median } from './figures.mjs';
import { optionsHelp, readOptions } from './options.mjs';
import { toSample } from './ours.mjs';
import { Report } from './report.mjs';

/**
 * @typedef {object} MariaDbBench
 * @property {import('./options.mjs').Options} options
 * @property {MariaDbServer} server
 * @property {Report} report
 *
 * @typedef {object} MariaDbBenchmark
 * @property {string} name
 * @property {string} asks
 * @property {(bench: MariaDbBench) => Promise<void>} measure
 *
 * @typedef {object} Done
 * @property {number} ms
 * @property {number} deleted
 * @property {number} dependents
 */

const settings = [
  'innodb_buffer_pool_size',
  'innodb_log_file_size',
  'innodb_flush_log_at_trx_commit',
  'innodb_flush_method',
  'innodb_io_capacity',
  'innodb_purge_threads',
  'log_bin',
  'sync_binlog',
];
/** So long must the server's log stand still: its purge is done then. It may begin half a second after the COMMIT. */
const stillMs = 1_000;
/** The log is never quite still: 54 bytes each second (10.11). */
const stillBytes = 1_000;
/** One DELETE of five million rows leaves minutes of it. */
const mostSettleMs = 900_000;

/** One scratch database of a running server, and the administrator's connection to it. */
export class MariaDbServer {
  /** @type {URL} */
  #address;
  /** @type {mysql.Connection} */
  #admin;
  /** A smoke run means nothing and need not wait long. */
  stillMs = stillMs;

  /** @param {URL} address @param {mysql.Connection} admin */
  constructor(address, admin) {
    this.#address = address;
    this.#admin = admin;
  }

  /** @param {string} url of a user that may create databases */
  static async connect(url) {
    const admin = await mysql.createConnection({ uri: url, multipleStatements: true });
    const name = `mgc_my_bench_${process.pid}_${randomBytes(3).toString('hex')}`;
    await admin.query(`CREATE DATABASE ${name} CHARACTER SET utf8mb4; USE ${name}`);
    const address = new URL(url);
    address.pathname = `/${name}`;
    return new MariaDbServer(address, admin);
  }

  get url() {
    return this.#address.href;
  }

  get name() {
    return this.#address.pathname.slice(1);
  }

  /** @param {string} sql @returns {Promise<any>} */
  async ask(sql) {
    const [answer] = await this.#admin.query(sql);
    return answer;
  }

  /**
   * A session of its own, for what is measured.
   * @template T
   * @param {(ask: (sql: string, values?: unknown[]) => Promise<any>) => Promise<T>} work
   * @returns {Promise<T>}
   */
  async withSession(work) {
    const connection = await mysql.createConnection({ uri: this.url, multipleStatements: true });
    try {
      return await work(async (sql, values = []) => (await connection.query(sql, values))[0]);
    } finally {
      await connection.end();
    }
  }

  /**
   * InnoDB removes deleted rows from its pages after the COMMIT, behind everybody's back, and writes that to its log.
   * (The length of its history counts transactions: one DELETE of a million rows is 1.) What one piece left must not be
   * paid by the next.
   * @returns {Promise<number>} milliseconds that it took
   */
  async untilPurged() {
    const from = performance.now();
    let lastWrite = from;
    let lsn = await this.#lsn();
    for (;;) {
      await sleep(50);
      const now = performance.now();
      const seen = await this.#lsn();
      if (seen - lsn > stillBytes) lastWrite = now;
      lsn = seen;
      if (now - lastWrite > this.stillMs || now - from > mostSettleMs) return lastWrite - from;
    }
  }

  async #lsn() {
    const [row] = await this.ask("SHOW GLOBAL STATUS LIKE 'Innodb_lsn_current'");
    return Number(row?.Value);
  }

  async versions() {
    const [row] = await this.ask(
      `SELECT @@version AS version, ${settings.map((name) => `@@${name} AS ${name}`).join(', ')}`,
    );
    const { version, ...found } = row;
    return { mariadb: { version, settings: found } };
  }

  async close() {
    await this.#admin.query(`DROP DATABASE IF EXISTS ${this.name}`);
    await this.#admin.end();
  }

  /** Whole arguments of pt-archiver's `--source`. @param {string} table */
  archiverSource(table) {
    const { hostname, port, username, password } = this.#address;
    const secret = password === '' ? '' : `,p=${decodeURIComponent(password)}`;
    return `h=${hostname},P=${port || 3306},u=${username || 'root'},D=${this.name},t=${table},A=utf8mb4${secret}`;
  }
}

/** The statements make the same rows of numbers 1 to `rows` as table `s (n)`. @param {number} rows */
export function* numbersUpTo(rows) {
  const step = 100_000;
  for (let from = 1; from <= rows; from += step) {
    yield `(SELECT seq AS n FROM seq_${from}_to_${Math.min(rows, from + step - 1)}) s`;
  }
}

/** Why the lines of pt-archiver are missing, or null. */
export function archiverObstacle() {
  return spawnSync('pt-archiver', ['--version']).status === 0
    ? null
    : 'pt-archiver is not there (apt-get install percona-toolkit): its lines are left out';
}

/** Its best: as many rows in a statement as our first batches have. */
export const archiverBest = ['--limit', '1000', '--bulk-delete', '--commit-each', '--primary-key-only'];

/**
 * @param {MariaDbServer} server
 * @param {string} where
 * @param {readonly string[]} more
 * @returns {Promise<number>} milliseconds
 */
export async function archive(server, where, more) {
  const plain = ['--purge', '--no-version-check', '--no-check-charset'];
  // Without the last the row of the highest key stays, whatever it says.
  const args = [
    '--source',
    server.archiverSource('t'),
    '--where',
    where,
    ...plain,
    '--no-safe-auto-increment',
    ...more,
  ];
  const from = performance.now();
  const child = spawn('pt-archiver', args, { stdio: ['ignore', 'ignore', 'pipe'] });
  let words = '';
  child.stderr.setEncoding('utf8').on('data', (part) => {
    words += part;
  });
  const code = await new Promise((resolve, reject) => {
    child.once('error', reject);
    child.once('close', resolve);
  });
  if (code !== 0) throw new Error(`pt-archiver ended with ${code}: ${words}`);
  return performance.now() - from;
}

/**
 * Variants in rotated order, each on fresh tables. `count` is asked of another connection before and after.
 * @template {Done} T
 * @param {MariaDbBench} bench
 * @param {object} world
 * @param {() => Promise<void>} world.reset
 * @param {() => Promise<{ messages: number, eligible: number, dependents: number, orphans: number }>} world.count
 * @param {Readonly<Record<string, () => Promise<T>>>} world.variants
 * @param {number} [world.repeats]
 * @returns {Promise<Record<string, (T & { purgeMs: number })[]>>}
 */
export async function sideBySideOnMariaDb({ options, server, report }, world) {
  const { reset, count, variants, repeats = options.repeats } = world;
  const names = Object.keys(variants);
  /** @type {Record<string, (T & { purgeMs: number })[]>} */
  const samples = Object.fromEntries(names.map((name) => [name, []]));
  for (let repeat = 0; repeat < repeats; repeat += 1) {
    const first = repeat % names.length;
    for (const name of [...names.slice(first), ...names.slice(0, first)]) {
      const measure = variants[name];
      if (measure === undefined) continue;
      await reset();
      const before = await count();
      await server.untilPurged();
      await report.listenForNeighbours();
      const done = await measure();
      const purgeMs = await server.untilPurged();
      const after = await count();
      const which = `${name}, repeat ${repeat + 1}`;
      report.check(`${which}: messages gone`, before.messages - after.messages, before.eligible);
      report.check(`${which}: messages told`, done.deleted, before.eligible);
      report.check(`${which}: eligible after`, after.eligible, 0);
      report.check(`${which}: dependents gone`, before.dependents - after.dependents, done.dependents);
      report.check(`${which}: dependents without a message`, after.orphans, 0);
      samples[name]?.push({ ...done, purgeMs });
      report.sample(name, { repeat: repeat + 1, purgeMs, ...toSample({ ...done }) });
      report.say(`${name}: ${Math.round(done.ms)} ms (repeat ${repeat + 1} of ${repeats})`);
    }
  }
  for (const name of names) {
    const all = samples[name] ?? [];
    const ms = median(all.map((sample) => sample.ms));
    const rate = Math.round(((all[0]?.deleted ?? 0) / ms) * 1_000).toLocaleString('en-US');
    const purge = Math.round(median(all.map(({ purgeMs }) => purgeMs)));
    report.line(name, `${Math.round(ms)} ms`, `${rate} messages/s`, `purge ${purge} ms longer`);
  }
  return samples;
}

/**
 * As `runIfCalled`, on a MariaDB server: `--server`, or else TEST_MARIADB_URL, or root at the usual port. The last line
 * is "N passed, N failed" over the counts.
 * @param {MariaDbBenchmark} benchmark
 * @param {string} moduleUrl
 */
export async function runIfCalledOnMariaDb({ name, asks, measure }, moduleUrl) {
  if (process.argv[1] === undefined || pathToFileURL(process.argv[1]).href !== moduleUrl) return;
  const options = readOptions(process.argv.slice(2));
  if (options.help) {
    process.stdout.write(
      `${name}: ${asks}\n${optionsHelp.replace('PostgreSQL instead of a private one', 'MariaDB')}\n`,
    );
    return;
  }
  const url = options.server ?? process.env['TEST_MARIADB_URL'] ?? 'mysql://root@127.0.0.1:3306/mysql';
  const server = await MariaDbServer.connect(url);
  if (options.smoke) server.stillMs = 100;
  const report = new Report(name, asks, options);
  await closedAfter(
    () => server.close(),
    async () => {
      await measure({ options, server, report });
      await report.finish(server);
    },
  );
  process.stdout.write(`${report.counts.right} passed, ${report.counts.wrong} failed\n`);
  if (!report.isExact) process.exitCode = 1;
}

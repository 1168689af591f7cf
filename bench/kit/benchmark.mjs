// The frame of every benchmark: options, server, report, exit code. A benchmark is a function, and runs when its file
// is called or when bench/run.mjs calls it.
import { pathToFileURL } from 'node:url';
import { optionsHelp, readOptions } from './options.mjs';
import { startPrivateMariadb } from './private-mariadb.mjs';
import { startPrivateServer } from './private-server.mjs';
import { Report } from './report.mjs';
import { Server, settle } from './server.mjs';
import { makeTables, tableFacts } from './tables.mjs';

/**
 * @typedef {object} Bench
 * @property {import('./options.mjs').Options} options
 * @property {Server} server
 * @property {Report} report
 *
 * @typedef {object} BenchOnMariadb
 * @property {import('./options.mjs').Options} options
 * @property {import('./private-mariadb.mjs').PrivateMariadb} server
 * @property {Report} report
 *
 * @typedef {object} Benchmark
 * @property {string} name
 * @property {string} asks
 * @property {(bench: Bench) => Promise<void>} [measure]  on PostgreSQL
 * @property {(bench: BenchOnMariadb) => Promise<void>} [measureOnMariadb]  instead: on a private MariaDB
 */

/**
 * A server for some benchmarks: the one that was named, or a private one. Stopped at the end and at an interrupt.
 * @template T
 * @param {import('./options.mjs').Options} options
 * @param {(url: string) => Promise<T>} work
 * @returns {Promise<T>}
 */
export async function withServer(options, work) {
  if (options.server !== null) return work(options.server);
  const own = await startPrivateServer({ isDurable: !options.smoke });
  return closedAfter(
    () => own.stop(),
    () => work(own.url),
  );
}

/** What an interrupt must close, newest first. @type {(() => Promise<void>)[]} */
const open = [];
for (const signal of /** @type {const} */ (['SIGINT', 'SIGTERM'])) {
  process.once(signal, () => {
    void closeAll().finally(() => process.exit(130));
  });
}

async function closeAll() {
  for (let close = open.pop(); close !== undefined; close = open.pop()) await close().catch(() => undefined);
}

/**
 * Closes after the work, however it ends, also at an interrupt.
 * @template T
 * @param {() => Promise<void>} close
 * @param {() => Promise<T>} work
 * @returns {Promise<T>}
 */
export async function closedAfter(close, work) {
  open.push(close);
  try {
    return await work();
  } finally {
    const place = open.indexOf(close);
    if (place >= 0) {
      open.splice(place, 1);
      await close();
    }
  }
}

/**
 * @param {Benchmark} benchmark
 * @param {import('./options.mjs').Options} options
 * @param {string} url of the PostgreSQL server
 * @returns {Promise<Report>} finished: printed and written. Throws when the benchmark could not run
 */
export async function runBenchmark({ name, asks, measure, measureOnMariadb }, options, url) {
  const report = new Report(name, asks, options);
  if (measureOnMariadb !== undefined) {
    const server = await startPrivateMariadb({ isDurable: !options.smoke });
    return closedAfter(
      () => server.stop(),
      async () => {
        await measureOnMariadb({ options, server, report });
        await report.finish(server);
        return report;
      },
    );
  }
  const server = new Server(url);
  return closedAfter(
    () => server.close(),
    async () => {
      await measure?.({ options, server, report });
      await report.finish(server);
      return report;
    },
  );
}

/**
 * A prepared database to copy from.
 * @param {Bench} bench
 * @param {import('./tables.mjs').TableKind} kind
 */
export async function makeTemplate(bench, kind) {
  const { report } = bench;
  const template = await makeTemplateBy(bench, `${kind.rows} rows`, (url) => makeTables(url, kind));
  report.fact(`tables of ${kind.rows} rows, ${kind.key} key`, await tableFacts(template.url));
  return template;
}

/**
 * The same with tables of the benchmark's own.
 * @param {Bench} bench
 * @param {string} what  in words
 * @param {(url: string) => Promise<void>} make
 */
export async function makeTemplateBy({ server, report }, what, make) {
  report.say(`making ${what}`);
  const template = await server.create();
  await make(template.url);
  await settle(template.url);
  return template;
}

/**
 * Runs the benchmark when its file is the program. Exit 1: a count was wrong, or it could not run.
 * @param {Benchmark} benchmark
 * @param {string} moduleUrl
 */
export async function runIfCalled(benchmark, moduleUrl) {
  if (process.argv[1] === undefined || pathToFileURL(process.argv[1]).href !== moduleUrl) return;
  const options = readOptions(process.argv.slice(2));
  if (options.help) {
    process.stdout.write(`${benchmark.name}: ${benchmark.asks}\n${optionsHelp}\n`);
    return;
  }
  const report =
    benchmark.measure === undefined
      ? await runBenchmark(benchmark, options, '')
      : await withServer(options, (url) => runBenchmark(benchmark, options, url));
  if (!report.isExact) process.exitCode = 1;
}

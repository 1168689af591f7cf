// The frame of every benchmark: options, scratch server, report, exit code. A benchmark is a function, and runs when
// its file is called or when bench/run.mjs calls it.
import { pathToFileURL } from 'node:url';
import { optionsHelp, readOptions } from './options.mjs';
import { Report } from './report.mjs';
import { Server } from './server.mjs';
import { makeTables, tableFacts } from './tables.mjs';

/**
 * @typedef {object} Bench
 * @property {import('./options.mjs').Options} options
 * @property {Server} server
 * @property {Report} report
 *
 * @typedef {object} Benchmark
 * @property {string} name
 * @property {string} asks
 * @property {(bench: Bench) => Promise<void>} measure
 */

/**
 * @param {Benchmark} benchmark
 * @param {import('./options.mjs').Options} options
 * @returns {Promise<boolean>} false: a count was wrong. Throws when it could not run
 */
export async function runBenchmark({ name, asks, measure }, options) {
  const server = new Server(options.server);
  const report = new Report(name, asks, options);
  const stop = () => {
    void server.close().finally(() => process.exit(130));
  };
  process.once('SIGINT', stop);
  process.once('SIGTERM', stop);
  try {
    await measure({ options, server, report });
    return await report.finish();
  } finally {
    process.off('SIGINT', stop);
    process.off('SIGTERM', stop);
    await server.close();
  }
}

/**
 * A prepared database to copy from.
 * @param {Bench} bench
 * @param {import('./tables.mjs').TableKind} kind
 */
export async function makeTemplate({ server, report }, kind) {
  report.say(`making ${kind.rows} rows`);
  const template = await server.create();
  await makeTables(template.url, kind);
  report.fact(`tables of ${kind.rows} rows`, await tableFacts(template.url));
  return template;
}

/**
 * Runs the benchmark when its file is the program.
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
  if (!(await runBenchmark(benchmark, options))) process.exitCode = 1;
}

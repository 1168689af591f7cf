// Runs benchmarks one after another on one server: all of them, or those that are named.
//   node bench/run.mjs [NAME …] [--smoke] [--repeats N] [--rows N] [--server URL] [--out DIR]
// The last line is "N passed, N failed": passed means that it ran and that every count was exact. Whether targets are
// met stands in the tables; a missed one fails nothing, because it depends on the machine.
import { benchmark as answers } from './answers.mjs';
import { benchmark as batches } from './batches.mjs';
import { benchmark as demo } from './demo.mjs';
import { benchmark as emptyRun } from './empty-run.mjs';
import { benchmark as flat } from './flat.mjs';
import { benchmark as gentleness } from './gentleness.mjs';
import { benchmark as gentlenessOnMariadb } from './gentleness-mariadb.mjs';
import { runBenchmark, withServer } from './kit/benchmark.mjs';
import { optionsHelp, readOptions } from './kit/options.mjs';
import { benchmark as memory } from './memory.mjs';
import { benchmark as nodes } from './nodes.mjs';
import { benchmark as randomKeys } from './random-keys.mjs';
import { benchmark as receipts } from './receipts.mjs';
import { benchmark as redoLog } from './redo-log.mjs';
import { benchmark as sweep } from './sweep.mjs';
import { benchmark as takeOver } from './take-over.mjs';
import { benchmark as textKeys } from './text-keys.mjs';

const benchmarks = [
  sweep,
  receipts,
  randomKeys,
  textKeys,
  batches,
  flat,
  memory,
  emptyRun,
  answers,
  nodes,
  takeOver,
  demo,
  gentleness,
  gentlenessOnMariadb,
  redoLog,
];

const options = readOptions(process.argv.slice(2));
const unknown = options.names.filter((name) => !benchmarks.some((one) => one.name === name));
if (options.help || unknown.length > 0) {
  const words = unknown.length > 0 ? `There is no benchmark ${unknown.join(', ')}.\n` : '';
  process.stdout.write(
    `${words}node bench/run.mjs [NAME …] [options]\n${benchmarks.map(({ name, asks }) => `  ${name.padEnd(18)} ${asks}`).join('\n')}\n${optionsHelp}\n`,
  );
  process.exitCode = unknown.length > 0 ? 2 : 0;
} else {
  const chosen = benchmarks.filter(({ name }) => options.names.length === 0 || options.names.includes(name));
  const failed = await withServer(options, runAll);
  process.stdout.write(`\n${chosen.length - failed} passed, ${failed} failed\n`);
  // What a failed benchmark left open must not keep this process.
  process.exit(failed > 0 ? 1 : 0);

  /** @param {string} url @returns {Promise<number>} */
  async function runAll(url) {
    let failures = 0;
    for (const one of chosen) {
      try {
        const report = await runBenchmark(one, options, url);
        if (!report.isExact) failures += 1;
      } catch (error) {
        failures += 1;
        process.stdout.write(
          `\n${one.name}: FAILED\n${error instanceof Error ? error.stack : String(error)}\n`,
        );
      }
    }
    return failures;
  }
}

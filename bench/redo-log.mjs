// What an application waits for when a run fills InnoDB's redo log (decision 0058): `gentle` as it is, and without the signal
// `redo_log`, on a table that lies in memory, where nothing else holds a run back. On a private server with default
// settings but for the memory, which is started for it.
//   node bench/redo-log.mjs [--seconds N] [--repeats N] [--rows N]
import { ours } from './gentleness/collectors.mjs';
import { mariadbWorld } from './gentleness/mariadb-world.mjs';
import { figuresOf } from './gentleness/quantiles.mjs';
import { measureTriple } from './gentleness/triple.mjs';
import { runIfCalled } from './kit/benchmark.mjs';
import { median } from './kit/figures.mjs';

/** Long enough to fill a log of 96 MB several times without the signal: eight seconds each. */
const phaseSeconds = 40;
/** More than `gentle` deletes in a second there, of which every second row is eligible. */
const rowsPerSecond = 75_000;
const memoryBytes = 4 * 2 ** 30;

/** @typedef {import('./gentleness/triple.mjs').Triple} Triple */

/** @type {import('./kit/benchmark.mjs').Benchmark} */
export const benchmark = {
  name: 'redo-log',
  asks: 'How long does a request on MariaDB wait at worst when a run fills the redo log, with the signal redo_log and without it?',
  async measureOnMariadb({ options, server, report }) {
    const { smoke, repeats } = options;
    const phase = options.seconds ?? (smoke ? 1 : phaseSeconds);
    const lengths = { phase, warm: smoke ? 0.2 : 2, after: smoke ? 0.3 : 3 };
    if (!smoke) await server.ask(`SET GLOBAL innodb_buffer_pool_size = ${memoryBytes}`);
    const onDisk = await mariadbWorld(server, report, options.rows ?? phase * rowsPerSecond);
    /** @type {typeof onDisk} */
    const world = {
      ...onDisk,
      withCopy: (work) =>
        onDisk.withCopy(async (url) => {
          await readWhole(server, new URL(url).pathname.slice(1));
          return work(url);
        }),
    };
    report.fact('phases', { ...lengths, requestsPerSecond: 200, memoryBytes: smoke ? null : memoryBytes });
    const collectors = [ours(world, 'gentle'), ours(world, 'gentle', null, 'redo_log')];
    /** @type {Record<string, Triple[]>} */
    const triples = {};
    for (let repeat = 0; repeat < repeats; repeat += 1) {
      for (const collector of repeat % 2 === 0 ? collectors : collectors.toReversed()) {
        const triple = await measureTriple(world, collector, lengths, report);
        (triples[collector.name] ??= []).push(triple);
        report.sample(collector.name, triple);
        report.say(`${collector.name}: the longest wait ${worstOf(triple).toFixed(0)} ms`);
        await report.keep(server);
      }
    }
    const idle = Object.values(triples).flatMap((all) =>
      all.flatMap(({ phases }) =>
        [phases.before, phases.idle].map(({ histogram }) => figuresOf(histogram).max),
      ),
    );
    report.line('idle', `longest wait ${median(idle).toFixed(0)} ms (${rangeOf(idle)})`);
    for (const [name, all] of Object.entries(triples)) {
      const worst = all.map(worstOf);
      const speed = median(all.map(({ rowsPerSecond: rows }) => rows));
      report.line(
        name,
        `${Math.round(speed).toLocaleString('en-US')} rows/s`,
        `longest wait ${median(worst).toFixed(0)} ms (${rangeOf(worst)})`,
        `p99 ${median(all.map(({ felt }) => felt.p99)).toFixed(2)} ms`,
        `p99.9 ${median(all.map(({ felt }) => felt.p999)).toFixed(1)} ms`,
      );
    }
    const [withIt = [], without = []] = collectors.map(({ name }) => (triples[name] ?? []).map(worstOf));
    report.target(
      'longest wait with the signal against without it',
      {
        value: median(withIt) / median(without),
        byRepeat: withIt.map((ms, at) => ms / (without[at] ?? Number.NaN)),
      },
      'at most',
      mostShare,
    );
  },
};

/**
 * A copy that was put back lies on the disk: its rows and each of its indexes are read once.
 * @param {import('./kit/private-mariadb.mjs').PrivateMariadb} server
 * @param {string} database
 */
async function readWhole(server, database) {
  const table = `${database}.bench_messages`;
  await server.ask(`SELECT SUM(LENGTH(body)) FROM ${table} FORCE INDEX (PRIMARY)`);
  for (const index of ['contact', 'processed_at'])
    await server.ask(`SELECT COUNT(${index}) FROM ${table} FORCE INDEX (${index})`);
}

/** What the first phases showed, by and large: 20 and 34 ms in place of 275 and 128. */
const mostShare = 0.5;

/** @param {Triple} triple */
function worstOf({ phases }) {
  return figuresOf(phases.run.histogram).max;
}

/** @param {readonly number[]} ms */
function rangeOf(ms) {
  return `${Math.min(...ms).toFixed(0)} to ${Math.max(...ms).toFixed(0)}`;
}

await runIfCalled(benchmark, import.meta.url);

// What an application waits for when a run fills InnoDB's redo log (decision 0058): `gentle` as it is, and without the signal
// `redo_log`, on a table that lies in memory, where nothing else holds a run back. On a private server with default
// settings but for the memory, which is started for it. Each phase begins with an empty log, and how full it was is kept.
//   node bench/redo-log.mjs [--seconds N] [--repeats N] [--rows N]
import { setTimeout as sleep } from 'node:timers/promises';
import { ours } from './gentleness/collectors.mjs';
import { mariadbWorld } from './gentleness/mariadb-world.mjs';
import { figuresOf } from './gentleness/quantiles.mjs';
import { measureTriple } from './gentleness/triple.mjs';
import { runIfCalled } from './kit/benchmark.mjs';
import { median } from './kit/figures.mjs';

/** A log of 96 MB is full after 8 s at 20,000 rows/s, and after half a minute at 5,000. */
const phaseSeconds = 60;
/** More than `gentle` deletes in a second there, of which every second row is eligible. */
const rowsPerSecond = 50_000;
const memoryBytes = 4 * 2 ** 30;
/** Nobody waits so long for anything but a stall of the server. */
const stallMs = 100;
/** From here on MariaDB 10.11 writes pages for the log's sake (decision 0058). */
const fullShare = 0.9;

/**
 * @typedef {import('./gentleness/triple.mjs').Triple & { logShares: number[] }} Triple  how full the log was, each second of the run
 * @typedef {import('./kit/private-mariadb.mjs').PrivateMariadb} Server
 */

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
    report.fact('phases', {
      ...lengths,
      requestsPerSecond: 200,
      memoryBytes: smoke ? null : memoryBytes,
      stallMs,
    });
    const collectors = [ours(world, 'gentle'), ours(world, 'gentle', null, 'redo_log')];
    /** @type {Record<string, Triple[]>} */
    const triples = {};
    for (let repeat = 0; repeat < repeats; repeat += 1) {
      for (const collector of repeat % 2 === 0 ? collectors : collectors.toReversed()) {
        /** @type {number[]} */
        const logShares = [];
        const watched = {
          ...collector,
          run: async (/** @type {string} */ url, /** @type {number} */ seconds) => {
            await emptyLog(server);
            const over = new AbortController();
            const watching = watchLog(server, logShares, over.signal);
            return collector.run(url, seconds).finally(async () => {
              over.abort();
              await watching;
            });
          },
        };
        const triple = { ...(await measureTriple(world, watched, lengths, report)), logShares };
        (triples[collector.name] ??= []).push(triple);
        report.sample(collector.name, triple);
        report.say(
          `${collector.name}: the longest wait ${worstOf(triple).toFixed(0)} ms, ${fillingsOf(triple)} times above ${fullShare} of the log`,
        );
        await report.keep(server);
      }
    }
    const idle = Object.values(triples).flatMap((all) =>
      all.flatMap(({ phases }) =>
        [phases.before, phases.idle].map(({ histogram }) => figuresOf(histogram).max),
      ),
    );
    report.line('idle', `longest waits ${listOf(idle)} ms`);
    for (const [name, all] of Object.entries(triples)) {
      const worst = all.map(worstOf);
      report.line(
        name,
        `${Math.round(median(all.map(({ rowsPerSecond: rows }) => rows))).toLocaleString('en-US')} rows/s`,
        `longest waits ${listOf(worst)} ms`,
        `above ${stallMs} ms in ${worst.filter((ms) => ms > stallMs).length} of ${worst.length} phases`,
        `above ${fullShare} of the log ${all.map(fillingsOf).join(', ')} times`,
        `p99 ${median(all.map(({ felt }) => felt.p99)).toFixed(2)} ms`,
      );
    }
  },
};

/**
 * A copy that was put back lies on the disk: its rows and each of its indexes are read once.
 * @param {Server} server
 * @param {string} database
 */
async function readWhole(server, database) {
  const table = `${database}.bench_messages`;
  await server.ask(`SELECT SUM(LENGTH(body)) FROM ${table} FORCE INDEX (PRIMARY)`);
  for (const index of ['contact', 'processed_at'])
    await server.ask(`SELECT COUNT(${index}) FROM ${table} FORCE INDEX (${index})`);
}

/** By having the server write every page. @param {Server} server */
async function emptyLog(server) {
  await server.ask('SET GLOBAL innodb_max_dirty_pages_pct = 0');
  while ((await logShare(server)) > 0.05) await sleep(50);
  await server.ask('SET GLOBAL innodb_max_dirty_pages_pct = DEFAULT');
}

/** @param {Server} server @param {number[]} shares @param {AbortSignal} signal */
async function watchLog(server, shares, signal) {
  while (!signal.aborted) {
    shares.push(Number((await logShare(server)).toFixed(3)));
    await sleep(1_000, undefined, { signal }).catch(() => undefined);
  }
}

/** @param {Server} server */
async function logShare(server) {
  /** @type {{ Variable_name: string, Value: string }[]} */
  const rows = await server.ask("SHOW GLOBAL STATUS LIKE 'Innodb_checkpoint_%age'");
  const told = new Map(rows.map((row) => [row.Variable_name, Number(row.Value)]));
  return (told.get('Innodb_checkpoint_age') ?? 0) / (told.get('Innodb_checkpoint_max_age') ?? Number.NaN);
}

/** @param {Triple} triple */
function worstOf({ phases }) {
  return figuresOf(phases.run.histogram).max;
}

/** How often the log came to be full. @param {Triple} triple */
function fillingsOf({ logShares }) {
  return logShares.filter((share, at) => share >= fullShare && (logShares[at - 1] ?? 0) < fullShare).length;
}

/** @param {readonly number[]} ms */
function listOf(ms) {
  return ms.map((one) => one.toFixed(0)).join(', ');
}

await runIfCalled(benchmark, import.meta.url);

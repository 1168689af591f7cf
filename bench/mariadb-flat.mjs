// The same on MariaDB. With default settings the large table is many times the buffer pool, the small one about twice,
// so that half of it may be in memory; a third one in between is seven times the pool.
// Beside it what the server itself makes of ten times the rows: one DELETE, and pt-archiver, which commits as often as we.
//   node bench/mariadb-flat.mjs [--server mysql://root@127.0.0.1:3306/mysql] [--rows N] [--repeats N] [--smoke]
//   node bench/mariadb-flat.mjs --only "a run"    without those beside it, in a third of the time
import { nameOf, tellFlatness, tellGrowth } from './kit/flatness.mjs';
import { archiverBest, archiverObstacle, runIfCalledOnMariaDb, sideBySideOnMariaDb } from './kit/mariadb.mjs';
import { byArchiver, countPlain, makePlain, oneDelete, ours, sizeOf } from './kit/mariadb-tables.mjs';

/** @typedef {(import('./kit/ours.mjs').Collected & { purgeMs: number })[]} OurSamples */

/** Seven times the buffer pool where the large table has ten million rows. */
const middleShare = 0.4;

const names = ['a run', 'one DELETE', "pt-archiver's best"];

/** @type {import('./kit/mariadb.mjs').MariaDbBenchmark} */
export const benchmark = {
  name: 'mariadb-flat',
  asks: 'Does a row on MariaDB cost the same at the end of a run as at its beginning, and in a table ten times as large?',
  async measure(bench) {
    const { options, server, report } = bench;
    const obstacle = archiverObstacle();
    if (obstacle !== null) report.say(obstacle);
    const unknown = options.only.filter((name) => !names.includes(name));
    if (unknown.length > 0)
      throw new Error(`--only names ${unknown.join(', ')}; there are ${names.join(', ')}`);
    const wanted = (/** @type {string} */ name) => options.only.length === 0 || options.only.includes(name);
    const others = {
      ...(wanted('one DELETE') && { 'one DELETE': () => oneDelete(server) }),
      ...(obstacle === null &&
        wanted("pt-archiver's best") && { "pt-archiver's best": () => byArchiver(server, archiverBest) }),
    };
    const ofTable = async (/** @type {number} */ rows, /** @type {Partial<typeof others>} */ beside) => {
      const name = nameOf(rows);
      const samples = await sideBySideOnMariaDb(bench, {
        reset: () => makePlain(server, rows),
        count: () => countPlain(server, false),
        variants: {
          [name]: () => ours(server, false),
          ...Object.fromEntries(Object.entries(beside).map(([who, work]) => [`${name}, ${who}`, work])),
        },
      });
      report.fact(`table of ${name} and buffer pool, bytes`, await sizeOf(server, 't'));
      return { rows, samples, runs: /** @type {OurSamples} */ (samples[name] ?? []) };
    };
    const large = options.rows ?? 10_000_000;
    const ofSmall = await ofTable(Math.max(1, Math.round(large / 10)), others);
    const ofMiddle = await ofTable(Math.max(1, Math.round(large * middleShare)), {});
    const ofLarge = await ofTable(large, others);
    tellFlatness(report, ofSmall, ofLarge);
    tellGrowth(report, 'a run', ofSmall.runs, ofLarge.runs);
    tellGrowth(report, `a run, against ${nameOf(ofMiddle.rows)}`, ofMiddle.runs, ofLarge.runs);
    for (const who of Object.keys(others)) {
      const of = (/** @type {typeof ofSmall} */ { rows, samples }) =>
        samples[`${nameOf(rows)}, ${who}`] ?? [];
      tellGrowth(report, who, of(ofSmall), of(ofLarge));
    }
  },
};

await runIfCalledOnMariaDb(benchmark, import.meta.url);

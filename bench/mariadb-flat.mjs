// The same on MariaDB. With default settings the large table is many times the buffer pool, the small one about twice.
//   node bench/mariadb-flat.mjs [--server mysql://root@127.0.0.1:3306/mysql] [--rows N] [--repeats N] [--smoke]
import { nameOf, tellFlatness } from './kit/flatness.mjs';
import { runIfCalledOnMariaDb, sideBySideOnMariaDb } from './kit/mariadb.mjs';
import { countPlain, makePlain, ours, sizeOf } from './kit/mariadb-tables.mjs';

/** @type {import('./kit/mariadb.mjs').MariaDbBenchmark} */
export const benchmark = {
  name: 'mariadb-flat',
  asks: 'Does a row on MariaDB cost the same at the end of a run as at its beginning, and in a table ten times as large?',
  async measure(bench) {
    const { options, server, report } = bench;
    const ofTable = async (/** @type {number} */ rows) => {
      const name = nameOf(rows);
      const samples = await sideBySideOnMariaDb(bench, {
        reset: () => makePlain(server, rows),
        count: () => countPlain(server, false),
        variants: { [name]: () => ours(server, false) },
      });
      report.fact(`table of ${name} and buffer pool, bytes`, await sizeOf(server, 't'));
      return { rows, runs: samples[name] ?? [] };
    };
    const large = options.rows ?? 10_000_000;
    const small = await ofTable(Math.max(1, Math.round(large / 10)));
    tellFlatness(report, small, await ofTable(large));
  },
};

await runIfCalledOnMariaDb(benchmark, import.meta.url);

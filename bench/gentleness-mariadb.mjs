// As gentleness.mjs, on MariaDB and with pt-archiver (Debian: apt-get install percona-toolkit; without it, it is left out
// with words) at its best and at its defaults. On a private server with default settings, which is started for it.
//   node bench/gentleness-mariadb.mjs [--seconds N] [--repeats N] [--only gentle,full] [--add]
import { mariadbWorld } from './gentleness/mariadb-world.mjs';
import { lengthsOf, measureSeries } from './gentleness/series.mjs';
import { runIfCalled } from './kit/benchmark.mjs';

/** More than `gentle` deletes in a second, of which every second row is eligible. */
const rowsPerSecond = 100_000;

/** @type {import('./kit/benchmark.mjs').Benchmark} */
export const benchmark = {
  name: 'gentleness-mariadb',
  asks: 'What does an application on MariaDB feel while a run is on, and how fast is the run?',
  async measureOnMariadb(bench) {
    const { options, server, report } = bench;
    const rows = options.rows ?? lengthsOf(options).phase * rowsPerSecond;
    const world = await mariadbWorld(server, report, rows);
    await measureSeries(world, bench, { leastShare: 0.2 });
  },
};

await runIfCalled(benchmark, import.meta.url);

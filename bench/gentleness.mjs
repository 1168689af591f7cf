// What does an application feel while rows are deleted, on PostgreSQL? Its requests at 200 a second, through idle, run and
// idle again; our profiles, one DELETE and the usual loop in the same series; and the fastest that keeps p99 within twice
// its idle figure.
//   node bench/gentleness.mjs [--seconds N] [--repeats N] [--only gentle,full] [--add]
// --only and --add split a long series over several calls. A name may also be "search ours" or "search the usual loop".
import { postgresWorld } from './gentleness/postgres-world.mjs';
import { lengthsOf, measureSeries } from './gentleness/series.mjs';
import { runIfCalled } from './kit/benchmark.mjs';

/** About what `gentle` deletes in a second, of which every second row is eligible. */
const rowsPerSecond = 240_000;

/** @type {import('./kit/benchmark.mjs').Benchmark} */
export const benchmark = {
  name: 'gentleness',
  asks: 'What does an application on PostgreSQL feel while a run is on, and how fast is the run?',
  async measure(bench) {
    const { options } = bench;
    const world = await postgresWorld(bench, options.rows ?? lengthsOf(options).phase * rowsPerSecond);
    await measureSeries(world, bench, { leastShare: 0.25 });
  },
};

await runIfCalled(benchmark, import.meta.url);

// The same on a table four times the buffer pool: what is read must come from the disk.
//   node bench/mariadb-large.mjs [--server mysql://root@127.0.0.1:3306/mysql] [--rows N] [--repeats N] [--smoke]
import { archiverBest, archiverObstacle, runIfCalledOnMariaDb, sideBySideOnMariaDb } from './kit/mariadb.mjs';
import {
  byArchiver,
  countPlain,
  makePlainTemplate,
  oneDelete,
  ours,
  resetPlain,
  sizeOf,
} from './kit/mariadb-tables.mjs';
import { timesAsFast } from './kit/side-by-side.mjs';

/** @type {import('./kit/mariadb.mjs').MariaDbBenchmark} */
export const benchmark = {
  name: 'mariadb-large',
  asks: 'How fast is a run on MariaDB against one DELETE and pt-archiver, on a table four times the buffer pool?',
  async measure(bench) {
    const { options, server, report } = bench;
    const rows = options.rows ?? 1_700_000;
    await makePlainTemplate(server, rows);
    report.fact('table and buffer pool, bytes', await sizeOf(server, 'template_t'));
    const obstacle = archiverObstacle();
    if (obstacle !== null) report.say(obstacle);
    const samples = await sideBySideOnMariaDb(bench, {
      reset: () => resetPlain(server, false),
      count: () => countPlain(server, false),
      variants: {
        'one DELETE': () => oneDelete(server),
        ...(obstacle === null && { "pt-archiver's best": () => byArchiver(server, archiverBest) }),
        'ours, two workers': () => ours(server, false),
      },
    });
    const own = samples['ours, two workers'];
    report.target('two workers against one DELETE', timesAsFast(samples['one DELETE'], own), 'at least', 1);
    if (obstacle === null) {
      const best = timesAsFast(samples["pt-archiver's best"], own);
      report.target("two workers against pt-archiver's best", best, 'at least', 1);
    }
  },
};

await runIfCalledOnMariaDb(benchmark, import.meta.url);

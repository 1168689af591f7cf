// How fast is a run on MariaDB against one DELETE, the usual loop, and pt-archiver at its best and at its defaults?
//   node bench/mariadb.mjs [--server mysql://root@127.0.0.1:3306/mysql] [--rows N] [--repeats N] [--smoke]
// Each variant starts from a fresh copy of the same table, which fits the buffer pool; then the same with receipts and
// a foreign key. pt-archiver is Debian's percona-toolkit; without it its lines are left out.
import { median } from './kit/figures.mjs';
import { archiverBest, archiverObstacle, runIfCalledOnMariaDb, sideBySideOnMariaDb } from './kit/mariadb.mjs';
import {
  byArchiver,
  countPlain,
  makePlainTemplate,
  oneDelete,
  oneDeletePerTable,
  ours,
  resetPlain,
  usualLoop,
} from './kit/mariadb-tables.mjs';
import { timesAsFast } from './kit/side-by-side.mjs';

/** Its defaults take minutes for what others do in seconds: they are measured for so long, and compared by rate. */
const defaultsSeconds = 20;

/** @type {import('./kit/mariadb.mjs').MariaDbBenchmark} */
export const benchmark = {
  name: 'mariadb',
  asks: 'How fast is a run on MariaDB against one DELETE and pt-archiver, on tables that fit the buffer pool?',
  async measure(bench) {
    const { options, server, report } = bench;
    const rows = options.rows ?? 400_000;
    await makePlainTemplate(server, rows);
    const obstacle = archiverObstacle();
    if (obstacle !== null) report.say(obstacle);
    const world = (/** @type {boolean} */ receipts) => ({
      reset: () => resetPlain(server, receipts),
      count: () => countPlain(server, receipts),
    });
    const plain = await sideBySideOnMariaDb(bench, {
      ...world(false),
      variants: {
        'one DELETE': () => oneDelete(server),
        'the usual loop': () => usualLoop(server),
        ...(obstacle === null && { "pt-archiver's best": () => byArchiver(server, archiverBest) }),
        'ours, two workers': () => ours(server, false),
      },
    });
    const own = plain['ours, two workers'];
    report.target('two workers against one DELETE', timesAsFast(plain['one DELETE'], own), 'at least', 1);
    if (obstacle === null) {
      const best = timesAsFast(plain["pt-archiver's best"], own);
      report.target("two workers against pt-archiver's best", best, 'at least', 1.3);
      await resetPlain(server, false);
      await server.untilPurged();
      const seconds = options.smoke ? 1 : defaultsSeconds;
      const defaults = await byArchiver(server, ['--run-time', `${seconds}s`]);
      report.sample("pt-archiver's defaults", defaults);
      const rate = defaults.deleted / defaults.ms;
      const rates = (own ?? []).map(({ deleted, ms }) => deleted / ms);
      report.line(
        "pt-archiver's defaults",
        `${Math.round(defaults.ms)} ms`,
        `${Math.round(rate * 1_000)} messages/s`,
        `stopped after ${seconds} s`,
      );
      const faster = { value: median(rates) / rate, byRepeat: rates.map((one) => one / rate) };
      report.target("two workers against pt-archiver's defaults", faster, 'at least', 20);
    }
    const withReceipts = await sideBySideOnMariaDb(bench, {
      ...world(true),
      variants: {
        'receipts: one DELETE per table': () => oneDeletePerTable(server),
        'receipts: ours, checks on': () => ours(server, true, 'checked'),
        'receipts: ours, messages first': () => ours(server, true),
      },
    });
    const base = withReceipts['receipts: one DELETE per table'];
    // What the server has still to do for one DELETE is work of its application's, too.
    report.fact('until the server has purged, times as fast as one DELETE', {
      'two workers': timesAsFast(withPurge(plain['one DELETE']), withPurge(own)),
      'receipts: messages first': timesAsFast(
        withPurge(base),
        withPurge(withReceipts['receipts: ours, messages first']),
      ),
    });
    report.target(
      'receipts: messages first against one DELETE per table',
      timesAsFast(base, withReceipts['receipts: ours, messages first']),
      'at least',
      1.2,
    );
  },
};

/**
 * @template {import('./kit/side-by-side.mjs').Measured & { purgeMs: number }} T
 * @param {readonly T[] | undefined} samples
 */
function withPurge(samples = []) {
  return samples.map((sample) => ({ ...sample, ms: sample.ms + sample.purgeMs }));
}

await runIfCalledOnMariaDb(benchmark, import.meta.url);

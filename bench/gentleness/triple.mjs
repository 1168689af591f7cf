// One measured piece: the load runs on a fresh copy of the database through idle, run and idle again, and what it felt is
// cut into phases afterwards. Between the run and the second idle what the run left behind is cleared away: what that does
// to the application is a phase of its own.
import { setTimeout as sleep } from 'node:timers/promises';
import { phaseOf, startForeground } from './foreground.mjs';
import { nowMs } from '../kit/monotonic.mjs';
import { figuresOf, together } from './quantiles.mjs';

const perSecond = 200;
const connections = 20;
const startGapMs = 100;

/**
 * @typedef {object} Lengths
 * @property {number} phase  seconds of each idle phase, and of the run unless it ends sooner
 * @property {number} warm   before the first phase
 * @property {number} after  from the end of the run on
 *
 * @typedef {ReturnType<typeof phaseOf>} Phase
 *
 * @typedef {object} Triple
 * @property {string} collector
 * @property {{ before: Phase, run: Phase, after: Phase, idle: Phase }} phases
 * @property {number} rowsPerSecond
 * @property {number} deleted
 * @property {Record<string, number>} [failed]  requests of the application that ended in an error, by its words
 * @property {ReturnType<typeof figuresOf>} felt   milliseconds while the run was on
 * @property {ReturnType<typeof figuresOf>} idle   both idle phases together
 * @property {number} ratio      p99 of the run over p99 of the two idle phases
 * @property {number} ratio999   the same at p99.9
 */

/**
 * @param {import('./postgres-world.mjs').World} world
 * @param {import('./collectors.mjs').Collector} collector
 * @param {Lengths} lengths
 * @param {import('../kit/report.mjs').Report} report
 * @returns {Promise<Triple>}
 */
export function measureTriple(world, collector, lengths, report) {
  return world.withCopy(async (url) => {
    const before = await world.count(url);
    await report.listenForNeighbours();
    const load = await startForeground({
      engine: world.engine,
      url,
      perSecond,
      connections,
      liveIds: world.liveIds,
      firstId: world.lastId,
    });
    try {
      await sleep(lengths.warm * 1_000);
      const idleFrom = nowMs();
      await sleep(lengths.phase * 1_000);
      const idleTo = nowMs();
      // Starting a program is felt, and belongs to neither phase.
      await sleep(startGapMs);
      const done = await collector.run(url, lengths.phase);
      await sleep(lengths.after * 1_000);
      const afterTo = nowMs();
      await world.settle(url);
      const idleAgainFrom = nowMs();
      await sleep(lengths.phase * 1_000);
      const idleAgainTo = nowMs();
      const records = await load.stop();
      const after = await world.count(url);

      const which = collector.name;
      report.check(`${which}: rows gone`, done.deleted, before.eligible - after.eligible);
      report.check(`${which}: rows that are not processed`, after.live, before.live + records.inserted);
      const failed = Object.entries(records.errors);
      // What others do to the application is a finding; of ours, none may fail.
      if (collector.isOurs) {
        report.check(
          `${which}: requests that failed ${failed.map(([words, count]) => `(${count}: ${words})`).join(' ')}`.trim(),
          failed.reduce((sum, [, count]) => sum + count, 0),
          0,
        );
      }
      const phases = {
        before: phaseOf(records, idleFrom, idleTo),
        run: phaseOf(records, done.fromMs, done.toMs),
        after: phaseOf(records, done.toMs, afterTo),
        idle: phaseOf(records, idleAgainFrom, idleAgainTo),
      };
      const felt = figuresOf(phases.run.histogram);
      const idle = figuresOf(together(phases.before.histogram, phases.idle.histogram));
      return {
        collector: which,
        phases,
        rowsPerSecond: (done.deleted * 1_000) / (done.toMs - done.fromMs),
        deleted: done.deleted,
        failed: records.errors,
        felt,
        idle,
        ratio: felt.p99 / idle.p99,
        ratio999: felt.p999 / idle.p999,
      };
    } finally {
      load.kill();
    }
  });
}

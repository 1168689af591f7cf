// One run of the product in this process, without HTTP: the real store, the real workers, only the table's mapping
// is the benchmark's. Every batch is seen through a thin wrapper of the sweep port.
import { newId, passingNodeName } from '../../dist/core/node-name.js';
import { Coreapp } from '../../dist/coreapp/coreapp.js';
import { systemClock } from '../../dist/kit/clock.js';
import { openStore } from '../../dist/storage/open-store.js';
import { renderCallback } from '../../dist/wire/callback-body.js';
import { spread } from './figures.mjs';
import { withClient } from './server.mjs';

/**
 * @typedef {object} Batch
 * @property {number} at        milliseconds from the start of the run to the batch's end
 * @property {number} ms        whole batch, from before BEGIN until after COMMIT
 * @property {number} lockedMs  from before the first row lock until after COMMIT
 * @property {number} walked    keys or blocks
 * @property {number} deleted
 * @property {Record<string, number>} steps  milliseconds of the batch by what it did: begin, delete, tally, commit
 *
 * @typedef {object} Collected
 * @property {number} ms  from before the start of the run (T3) until its ending is committed
 * @property {number} databaseMs  the same between the run row's made_at and ended_at
 * @property {string} horizon
 * @property {number} deleted
 * @property {number} dependents
 * @property {string} walk
 * @property {string} foreignKeys
 * @property {string} why
 * @property {Batch[]} batches
 * @property {{ came: string, lockedMs: number }[]} without  batches that were rolled back, by what came of them
 * @property {Record<string, { calls: number, ms: number }>} outside  the ledger and the planner, by method
 * @property {string[]} warnings
 */

const longestRunMs = 3_600_000;

/** A step is told when it is reached, so its name stands for what came before it. */
const stepNames = { deleting: 'begin', deleted: 'delete', committing: 'tally', committed: 'commit' };

/**
 * @param {string} url
 * @param {import('../../dist/core/policy.js').Policy} policy
 * @param {{ duty?: number, workers: number }} pace
 * @returns {Promise<Collected>}
 */
export async function collect(url, policy, { duty = 1, workers }) {
  /** @type {string[]} */
  const warnings = [];
  const note = (/** @type {object} */ facts, /** @type {string} */ words) => {
    if (warnings.length < 10) warnings.push(`${words} ${JSON.stringify(facts)}`);
  };
  const log = { error: note, warn: note, info() {}, debug() {}, trace() {} };
  const isMysql = url.startsWith('mysql:');
  const store = openStore({ database: { engine: isMysql ? 'mysql' : 'postgresql', url }, workers, log });
  /** @type {Batch[]} */
  const batches = [];
  /** @type {Collected['without']} */
  const without = [];
  /** @type {Collected['outside']} */
  const outside = {};
  let startedAt = 0;
  const sweep = {
    /** @param {import('../../dist/core/ports.js').BatchRequest} request */
    async batch(request) {
      const began = performance.now();
      let last = began;
      /** @type {Record<string, number>} */
      const steps = {};
      /** @type {number | null} */
      let lockedAt = null;
      const tell = (/** @type {import('../../dist/core/ports.js').BatchStep} */ step) => {
        const now = performance.now();
        steps[stepNames[step]] = now - last;
        last = now;
        if (step === 'deleting') lockedAt = now;
      };
      const rolledBack = (/** @type {string} */ came) => {
        without.push({ came, lockedMs: lockedAt === null ? 0 : performance.now() - lockedAt });
      };
      const answer = await store.sweep.batch({ ...request, tell }).catch((/** @type {unknown} */ error) => {
        rolledBack(error instanceof Error ? error.message : String(error));
        throw error;
      });
      const ended = performance.now();
      if (answer.kind === 'swept') {
        const { walked, deleted, lockedMs } = answer;
        batches.push({ at: ended - startedAt, ms: ended - began, lockedMs, walked, deleted, steps });
      } else rolledBack(answer.kind);
      return answer;
    },
  };
  try {
    const engine = await store.prepare({ migrate: true });
    /** @type {(outcome: string) => void} */
    let finish = () => undefined;
    /** @type {Promise<string>} */
    const ended = new Promise((resolve) => {
      finish = resolve;
    });
    const coreapp = new Coreapp({
      store: {
        ledger: timed(store.ledger, outside),
        sweep,
        planner: timed(store.planner, outside),
        doctor: timed(store.doctor, outside),
        tidyUp: (one) => store.tidyUp(one),
        signals: store.signals,
      },
      engine,
      node: { name: passingNodeName('bench'), boot: newId(), address: '' },
      form: 'single',
      policy,
      pace: { name: duty >= 1 ? 'full' : 'gentle', duty, workers },
      choices: {},
      gates: [],
      intervals: async () => ({ heartbeatMs: 5_000, leaseMs: 30_000 }),
      renderCallback,
      clock: systemClock,
      log,
      watch: {
        swept() {},
        deleted() {},
        gaveUp() {},
        paced() {},
        ended: (_run, outcome) => finish(outcome),
      },
      onDisplaced: () => finish('displaced'),
      maxRows: null,
    });
    await coreapp.start();
    /** @type {NodeJS.Timeout | undefined} */
    let deadline;
    try {
      startedAt = performance.now();
      const { runId } = await coreapp.startRun({ requestId: newId(), by: 'bench' });
      deadline = setTimeout(() => finish(`not over after ${longestRunMs} ms`), longestRunMs);
      const outcome = await ended;
      const ms = performance.now() - startedAt;
      const run = await store.ledger.run(runId);
      if (outcome !== 'complete' || run === null) {
        const words = run?.errors.map((error) => error.details).join('; ') ?? '';
        throw new Error(`The run ended as ${outcome}, expected complete. ${words} ${warnings.join(' | ')}`);
      }
      return {
        ms,
        databaseMs: isMysql ? Number.NaN : await databaseMs(url, runId),
        horizon: run.horizon ?? '',
        deleted: run.messagesDeleted,
        dependents: Object.values(run.dependentsDeleted).reduce((sum, count) => sum + count, 0),
        walk: run.plan?.walk ?? 'none',
        foreignKeys: run.plan?.foreignKeys ?? 'none',
        why: run.plan?.why ?? '',
        batches,
        without,
        outside,
        warnings,
      };
    } finally {
      clearTimeout(deadline);
      await coreapp.stop();
    }
  } finally {
    await store.close();
  }
}

/** From the run row's creation to its final state, in the database's own time. @param {string} url @param {string} runId */
async function databaseMs(url, runId) {
  return withClient(url, async (client) => {
    const { rows } = await client.query(
      'SELECT extract(epoch FROM ended_at - made_at)::float8 * 1000 AS ms FROM message_gc.run WHERE id = $1',
      [runId],
    );
    return Number(rows[0]?.ms);
  });
}

/**
 * As it is kept in the JSON: hundreds of batches become their spread.
 * @param {Record<string, unknown> & { batches?: readonly Batch[] }} measured
 */
export function toSample(measured) {
  const { batches } = measured;
  if (batches === undefined) return measured;
  /** @type {Record<string, number>} */
  const stepMs = {};
  for (const { steps } of batches) {
    for (const [step, ms] of Object.entries(steps)) stepMs[step] = (stepMs[step] ?? 0) + ms;
  }
  return {
    ...measured,
    batches: spread(batches.map(({ ms }) => ms)),
    locked: spread(batches.map(({ lockedMs }) => lockedMs)),
    stepMs,
  };
}

/**
 * @template {object} T
 * @param {T} port
 * @param {Collected['outside']} times
 * @returns {T}
 */
function timed(port, times) {
  return new Proxy(port, {
    get(target, name) {
      const method = Reflect.get(target, name);
      if (typeof method !== 'function' || typeof name !== 'string') return method;
      return async (/** @type {unknown[]} */ ...given) => {
        const began = performance.now();
        try {
          return await method.apply(target, given);
        } finally {
          const sum = (times[name] ??= { calls: 0, ms: 0 });
          sum.calls += 1;
          sum.ms += performance.now() - began;
        }
      };
    },
  });
}

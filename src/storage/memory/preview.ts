import type { Preview } from '../../core/dry-run.js';
import type { Clock } from '../../kit/clock.js';
import { createPlanner } from './planner.js';
import { isProcessed } from './sweep.js';
import type { Tables } from './tables.js';

/** Counts what a run would delete now. A row has no size here, and nothing is logged. */
export function createPreview(tables: Tables, clock: Clock, dependentName: string): Preview {
  const planner = createPlanner(tables, clock);
  const eligible = (horizon: string) =>
    [...tables.messages].filter(([, message]) => isProcessed(message, Date.parse(horizon)));
  return {
    async preview(policy, _limitMs, rowsPerSecond) {
      const { plan } = await planner.plan(policy);
      const found = eligible(plan.horizon);
      const ages = found.map(([, message]) => message.processedAt ?? 0).sort((a, b) => a - b);
      const moment = (ms: number | undefined): string | null =>
        ms === undefined ? null : new Date(ms).toISOString().replace('Z', '000Z');
      return {
        messages: found.length,
        exact: true,
        dependents: { [dependentName]: found.reduce((sum, [, { receipts }]) => sum + receipts, 0) },
        held: {},
        oldest: moment(ages[0]),
        newest: moment(ages.at(-1)),
        bytes: 0,
        logBytes: 0,
        seconds: Math.ceil(found.length / Math.max(1, rowsPerSecond)),
        walk: plan.walk,
        foreignKeys: plan.foreignKeys,
        why: plan.why,
        missingIndex: null,
        sample: found.slice(0, 5).map(([key]) => [String(key)]),
        horizon: plan.horizon,
      };
    },
    async shareEligible(policy) {
      const { plan } = await planner.plan(policy);
      const rows = tables.messages.size;
      return { share: rows === 0 ? 0 : eligible(plan.horizon).length / rows, rows };
    },
  };
}

import type { Planner } from '../../core/ports.js';
import type { Plan } from '../../core/run.js';
import type { Clock } from '../../kit/clock.js';
import { boundOf } from './keys.js';
import { isProcessed } from './sweep.js';
import { isHeld, type Tables } from './tables.js';

/** Horizon = the clock's now less the retention; the range = every key that exists now. */
export function createPlanner(tables: Tables, clock: Clock): Planner {
  return {
    async plan(policy) {
      const horizon = clock.now().getTime() - policy.retentionSeconds * 1_000;
      const keys = [...tables.messages.keys()];
      const low = keys.reduce((least, key) => Math.min(least, key), Number.MAX_SAFE_INTEGER) - 1;
      const high = keys.reduce((most, key) => Math.max(most, key), 0);
      const plan: Plan = {
        horizon: new Date(horizon).toISOString().replace('Z', '000Z'),
        walk: 'key',
        low: keys.length === 0 ? '[]' : boundOf(low),
        high: boundOf(high),
        foreignKeys: 'checked',
        sparseness: 1,
        units: keys.length,
        look: false,
        guards: {},
        why: 'In memory there is one order, that of the key.',
      };
      const some = [...tables.messages].some(
        ([key, message]) => isProcessed(message, horizon) && !isHeld(tables, key, message),
      );
      return { kind: some ? 'work' : 'nothing', plan };
    },
  };
}

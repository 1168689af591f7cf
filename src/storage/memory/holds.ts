import type { HoldBook } from '../../core/ports.js';
import type { Clock } from '../../kit/clock.js';
import type { Tables } from './tables.js';

/** A batch is one synchronous step here: none is under way when a hold is added. */
export function createHolds({ holds }: Tables, clock: Clock): HoldBook {
  const place = (kind: string, value: string): string => `${kind} ${value}`;
  return {
    // Keys are numbers here; which messages there are is nobody's question.
    async keyOf(_mapping, [value = '']) {
      return { kind: 'key', value, isThere: true };
    },
    async add({ kind, value }, by) {
      if (!holds.has(place(kind, value))) holds.set(place(kind, value), { kind, value, by, at: clock.now() });
    },
    async remove({ kind, value }) {
      return holds.delete(place(kind, value));
    },
    async list() {
      return [...holds.values()];
    },
  };
}

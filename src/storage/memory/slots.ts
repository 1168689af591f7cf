import type { SlotBook } from '../../core/ports.js';
import type { Clock } from '../../kit/clock.js';
import type { Tables } from './tables.js';

/** What is remembered of the schedule. */
export function createSlots({ home, ledger }: Tables, clock: Clock): SlotBook {
  const time = (ms: number | null): Date | null => (ms === null ? null : new Date(ms));
  return {
    async read() {
      const { since, last, warning } = home.slots;
      return { storeId: ledger.storeId, now: clock.now(), since: time(since), last: time(last), warning };
    },
    async acted(slot, warning) {
      const { last } = home.slots;
      if (last !== null && last >= slot.getTime()) return;
      home.slots = { ...home.slots, last: slot.getTime(), warning };
    },
  };
}

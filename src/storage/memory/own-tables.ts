import type { OwnTables } from '../../core/ports.js';
import type { Clock } from '../../kit/clock.js';
import type { Tables } from './tables.js';

/** Messages for tests and trials: keys go on from the last, one receipt each, every n-th not processed. */
export function createOwnTables(tables: Tables, clock: Clock): OwnTables {
  const counted = () => {
    const rows = [...tables.messages.values()];
    return {
      messages: rows.length,
      processed: rows.filter((row) => row.processedAt !== null).length,
      receipts: rows.reduce((sum, row) => sum + row.receipts, 0),
    };
  };
  return {
    async seed({ rows, processed, onProgress }) {
      const before = counted();
      const yesterday = clock.now().getTime() - 86_400_000;
      const last = [...tables.messages.keys()].reduce((most, key) => Math.max(most, key), 0);
      for (let i = 1; i <= rows; i += 1) {
        // Spread evenly: after i rows, the share of processed ones is as near to `processed` as it can be.
        const done = Math.floor(i * processed) > Math.floor((i - 1) * processed);
        tables.messages.set(last + i, { processedAt: done ? yesterday : null, receipts: 1 });
      }
      onProgress(rows);
      const after = counted();
      return {
        messages: after.messages - before.messages,
        processed: after.processed - before.processed,
        receipts: after.receipts - before.receipts,
      };
    },
    async counts() {
      return counted();
    },
  };
}

import { ownMapping } from '../../src/core/mapping.js';
import { newId } from '../../src/core/node-name.js';
import { createMemoryStore } from '../../src/storage/memory/store.js';
import { createTables } from '../../src/storage/memory/tables.js';
import { createHandClock } from '../core/hand-clock.js';
import { memoryInvariants } from './memory-invariants.js';
import type { World } from './world.js';

/** The reference store, with its tables seen from outside. */
export async function createMemoryWorld(): Promise<World> {
  const clock = createHandClock();
  const tables = createTables();
  const store = createMemoryStore(clock, tables);
  const { server } = await store.prepare({ migrate: true });
  let lastKey = 0;
  return {
    store,
    server,
    policy: { mapping: ownMapping, retentionSeconds: 3_600 },
    node: (name = `node-${newId().slice(0, 6)}:000000000000`) => ({
      name,
      boot: newId(),
      address: '127.0.0.1:6252',
    }),
    async insertMessages(rows) {
      return rows.map(({ processedAgoSeconds, receipts }) => {
        // Keys with gaps, as in a table from which the application deletes too.
        lastKey += lastKey % 5 === 0 ? 7 : 1;
        const processedAt =
          processedAgoSeconds === null ? null : clock.now().getTime() - processedAgoSeconds * 1_000;
        tables.messages.set(lastKey, { processedAt, receipts });
        return String(lastKey);
      });
    },
    async messageKeys() {
      return new Set([...tables.messages.keys()].map(String));
    },
    async receiptCount() {
      return [...tables.messages.values()].reduce((sum, row) => sum + row.receipts, 0);
    },
    /** Receipts are a number on their message here: none can be left without it. */
    async orphanReceipts() {
      return 0;
    },
    async expireLease({ run, no }) {
      for (const row of tables.spans) {
        if (row.run === run && row.no === no && row.state === 'leased')
          row.leaseUntil = clock.now().getTime() - 1;
      }
    },
    async expireClaims() {
      for (const row of tables.outbox.values()) {
        if (row.claimedUntil !== null) row.claimedUntil = clock.now().getTime() - 1;
      }
    },
    async cluster() {
      return tables.ledger.cluster;
    },
    async outboxRows() {
      return [...tables.outbox.values()].map(({ id, run, node, state, body }) => ({
        id,
        run,
        node,
        state,
        body,
      }));
    },
    async invariants() {
      return memoryInvariants(tables);
    },
    async close() {
      await store.close();
    },
  };
}

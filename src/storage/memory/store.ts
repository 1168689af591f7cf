import { nameOf, ownMapping } from '../../core/mapping.js';
import type { Store } from '../../core/ports.js';
import { nothingToWatch } from '../../core/signals.js';
import { systemClock, type Clock } from '../../kit/clock.js';
import { createCluster } from './cluster.js';
import { createHistory } from './history.js';
import { createHolds } from './holds.js';
import { createHome } from './home.js';
import { createNodes } from './nodes.js';
import { createOutbox } from './outbox.js';
import { createOwnTables } from './own-tables.js';
import { createPreview } from './preview.js';
import { createPlanner } from './planner.js';
import { createRuns } from './runs.js';
import { createSlots } from './slots.js';
import { createSpans } from './spans.js';
import { createSweep } from './sweep.js';
import { createTables, memoryServer, type Tables } from './tables.js';

/**
 * The reference: what every store must do, said as plainly as possible. It passes the same conformance suite as the
 * databases and serves as their fast stand-in in tests of the rooms above. It keeps nothing, holds no locks, and
 * knows our own mapping only (processed = `processedAt` at or before the horizon). Two stores over the same tables
 * are two connections to one database.
 */
export function createMemoryStore(clock: Clock = systemClock, tables: Tables = createTables()): Store {
  const dependentName = ownMapping.dependents.map((dependent) => nameOf(dependent.table)).join();
  return {
    ledger: {
      ...createNodes(tables, clock),
      ...createRuns(tables, clock),
      ...createSpans(tables, clock),
      ...createHistory(tables, clock, dependentName),
      ...createCluster(tables, clock),
    },
    sweep: createSweep(tables, clock, dependentName),
    planner: createPlanner(tables, clock),
    outbox: createOutbox(tables, clock),
    home: createHome(tables.home, clock),
    slots: createSlots(tables, clock),
    holds: createHolds(tables, clock),
    ownTables: createOwnTables(tables, clock),
    // Nothing of a server is there that could stand in the way.
    doctor: { findings: async () => [], obstacles: async () => [] },
    signals: nothingToWatch('there is no server'),
    preview: createPreview(tables, clock, dependentName),
    async prepare() {
      return {
        engine: 'memory',
        version: '1',
        sessions: 1,
        server: memoryServer,
        batchTargetMs: { gentle: 50, alone: 50 },
        gentleDuty: 0.5,
        napMs: null,
      };
    },
    async tidyUp() {},
    note() {},
    async ping() {
      return 0;
    },
    async close() {},
  };
}

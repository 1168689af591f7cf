import { isBusy } from '../../core/cluster.js';
import type { Ledger } from '../../core/ports.js';
import type { Clock } from '../../kit/clock.js';
import { activeRun, type Tables } from './tables.js';

/** Whose the store is: the first cluster's, until another one finds it idle. */
export function createCluster(tables: Tables, clock: Clock): Pick<Ledger, 'joinCluster'> {
  return {
    async joinCluster(fingerprintOf, liveMs) {
      const { ledger, nodes, outbox } = tables;
      const before = ledger.cluster;
      const cluster = fingerprintOf(ledger.storeId);
      const since = clock.now().getTime() - liveMs;
      const found = {
        nodes: [...nodes.values()]
          .filter((row) => row.leftAt === null && row.beatAt > since)
          .map((row) => row.name)
          .sort(),
        run: activeRun(tables)?.id ?? null,
        callbacks: [...outbox.values()].filter((row) => row.state === 'waiting').length,
      };
      if (before !== null && before !== cluster && isBusy(found)) return { kind: 'foreign', ...found };
      ledger.cluster = cluster;
      return before === null || before === cluster ? { kind: 'joined' } : { kind: 'adopted', before };
    },
  };
}

import type { Clock } from '../../kit/clock.js';
import type { Ledger, NodeIdentity } from '../../core/ports.js';
import { activeRun, spansOf, type Tables } from './tables.js';

/** T1 and T2: which process holds a node's name, and whether it lives. A heartbeat extends no lease. */
export function createNodes(
  tables: Tables,
  clock: Clock,
): Pick<Ledger, 'register' | 'beat' | 'leave' | 'nodes' | 'tell'> {
  const now = (): number => clock.now().getTime();
  const mine = (node: NodeIdentity) => {
    const row = tables.nodes.get(node.name);
    return row?.boot === node.boot ? row : undefined;
  };
  return {
    async register(node, policyHash) {
      tables.nodes.set(node.name, {
        name: node.name,
        boot: node.boot,
        address: node.address,
        policyHash,
        beatAt: now(),
        leftAt: null,
        live: null,
      });
      const run = activeRun(tables);
      if (run === undefined) return;
      // What an earlier life of this node held is free at once, not after the lease; its fence is void.
      for (const span of spansOf(tables, run.id)) {
        if (span.state !== 'leased' || span.owner !== node.name || span.boot === node.boot) continue;
        span.state = 'open';
        span.owner = null;
        span.fence += 1;
        span.dueAt = now();
      }
    },
    async beat(node) {
      const row = mine(node);
      if (row === undefined) return false;
      row.beatAt = now();
      return true;
    },
    async leave(node) {
      const row = mine(node);
      if (row !== undefined) row.leftAt = now();
    },
    async tell(node, run, told) {
      const row = mine(node);
      if (row !== undefined) row.live = { run, told, at: now() };
    },
    async nodes(withinMs) {
      return [...tables.nodes.values()]
        .filter((row) => row.leftAt === null && row.beatAt >= now() - withinMs)
        .map(({ name, boot, address, policyHash, beatAt }) => ({
          name,
          boot,
          address,
          policyHash,
          silentMs: now() - beatAt,
        }));
    },
  };
}

import type { Pressure } from '../../core/ports.js';
import { asking, type Sessions } from './pool.js';

/** Share of time for which a cluster may hold its writers back before a run stands still. */
const limit = 0.05;
/** Between two looks at the counter; a share over less says little. */
const sampleMs = 500;

const signal = 'wsrep_flow_control_paused_ns';

/**
 * A Galera cluster whose slowest machine cannot keep up holds all writers back, the application's too. The counter is
 * of the machine in use; after a fail-over it is another one's, and the first look there says nothing.
 */
export function flowControlOf(sessions: Sessions): () => Promise<Pressure | null> {
  let isCluster = true;
  let before: { readonly ns: bigint; readonly at: number } | null = null;
  let found: Pressure | null = null;
  return async () => {
    const at = performance.now();
    if (!isCluster || (before !== null && at - before.at < sampleMs)) return found;
    const ns = await asking(sessions.control, 'see whether the cluster keeps up', async (session) => {
      const rows = await session.rows<{ Value: string }>(`SHOW STATUS LIKE '${signal}'`);
      return rows[0] === undefined ? null : BigInt(rows[0].Value);
    }).catch(() => undefined);
    // Not reachable: the batch finds that out by itself.
    if (ns === undefined) return null;
    if (ns === null) {
      isCluster = false;
      return null;
    }
    const share = before === null || ns < before.ns ? 0 : Number(ns - before.ns) / 1e6 / (at - before.at);
    before = { ns, at };
    found = share >= limit ? { signal, value: Math.min(1, Number(share.toFixed(3))), limit } : null;
    return found;
  };
}

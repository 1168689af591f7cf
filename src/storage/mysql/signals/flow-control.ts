import type { Watcher } from '../../signals/gather.js';
import { countersLike } from '../counters.js';
import { asking, type Sessions } from '../pool.js';

/**
 * A Galera cluster whose slowest machine cannot keep up holds all writers back, the application's too. The counter is
 * of the machine in use; after a fail-over it is another one's, and the first look there says nothing.
 */
export function flowControl(sessions: Sessions): Watcher {
  let before: { readonly ns: bigint; readonly at: number } | null = null;
  const pausedNs = (): Promise<bigint | null> =>
    asking(sessions.monitor, 'see whether the cluster keeps up', async (session) => {
      const told = await countersLike(session, 'wsrep_flow_control_paused_ns');
      const ns = told.get('wsrep_flow_control_paused_ns');
      return ns === undefined ? null : BigInt(ns);
    });
  return {
    signal: 'flow_control',
    async probe() {
      const ns = await pausedNs();
      if (ns === null) return 'the server is no part of a Galera cluster';
      before = { ns, at: performance.now() };
      return null;
    },
    async read() {
      const at = performance.now();
      const ns = await pausedNs();
      if (ns === null) throw new Error('the server is no part of a Galera cluster any more');
      const last = before;
      before = { ns, at };
      if (last === null || ns < last.ns || at <= last.at) return null;
      return { value: Math.min(1, Number(ns - last.ns) / 1e6 / (at - last.at)) };
    },
  };
}

import type { Home } from '../core/ports.js';
import type { CoreappDeps } from '../coreapp/deps.js';

/** Heartbeat and lease are application settings, in seconds there. */
export function intervalsOf(home: Pick<Home, 'settings'>): CoreappDeps['intervals'] {
  return async () => {
    const { heartbeatIntervalS, unhealthyIntervalS } = await home.settings();
    return { heartbeatMs: heartbeatIntervalS * 1_000, leaseMs: unhealthyIntervalS * 1_000 };
  };
}

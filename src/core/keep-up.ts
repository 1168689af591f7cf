import type { Outcome } from './run.js';
import { openMs, type WindowPlan } from './windows.js';

/** A run that has ended, as its row in the ledger tells. Times are milliseconds; `horizon` null: it never had one. */
export type PastRun = {
  readonly outcome: Outcome;
  readonly policyHash: string;
  readonly horizon: number | null;
  readonly started: number;
  readonly ended: number;
  readonly deleted: number;
};

/** Whether runs can keep up with what becomes eligible. Null: not known (yet). */
export type KeepUp = {
  readonly eligiblePerDay: number | null;
  readonly capacityPerDay: number | null;
  readonly keepsUp: boolean | null;
  /** Seconds between the horizons that `eligiblePerDay` was measured between. */
  readonly measuredSeconds: number | null;
};

const dayMs = 86_400_000;
/** Two horizons nearer than this say more of the hour than of the day. */
const leastMs = 3_600_000;
/** Of a longer history only the last week counts: traffic has a weekly rhythm, and grows. */
const mostMs = 7 * dayMs;
/** Below this many messages a run's speed is that of its start and its ending. */
const leastMessages = 10_000;
/** Speeds that the usual one is the median of: one run that was paused, or fast at night, decides nothing. */
const speedsAsked = 7;

/** @param runs that have ended, newest first */
export function keepUp(runs: readonly PastRun[], plan: WindowPlan, now: Date): KeepUp {
  const eligible = eligibleRate(runs);
  const speed = usualSpeed(runs, plan);
  const capacityPerDay = speed === null ? null : (speed * openMsPerDay(plan, now)) / 1_000;
  return {
    eligiblePerDay: eligible?.perDay ?? null,
    capacityPerDay,
    keepsUp: eligible === null || capacityPerDay === null ? null : eligible.perDay <= capacityPerDay,
    measuredSeconds: eligible === null ? null : eligible.ms / 1_000,
  };
}

/**
 * After a complete run nothing up to its horizon is left. So whatever was deleted after it, up to the end of another
 * complete run, by failed runs too, became eligible between the two horizons. Another policy, with another retention,
 * would make a backlog look like growth: only runs under the newest one's policy count.
 */
function eligibleRate(runs: readonly PastRun[]): { readonly perDay: number; readonly ms: number } | null {
  const newest = runs[0];
  if (newest === undefined) return null;
  const other = runs.findIndex(({ policyHash }) => policyHash !== newest.policyHash);
  const alike = other === -1 ? runs : runs.slice(0, other);
  const last = alike.findIndex(isComplete);
  const lastHorizon = alike[last]?.horizon ?? null;
  if (lastHorizon === null) return null;
  let deleted = 0;
  let found: { readonly perDay: number; readonly ms: number } | null = null;
  for (const run of alike.slice(last)) {
    if (isComplete(run) && run.horizon !== null) {
      const ms = lastHorizon - run.horizon;
      if (ms >= leastMs) found = { perDay: (deleted * dayMs) / ms, ms };
      if (ms >= mostMs) break;
    }
    deleted += run.deleted;
  }
  return found;
}

/** Messages a second of recent runs while windows let them work; null: none was long enough to tell. */
export function usualSpeed(runs: readonly PastRun[], plan: WindowPlan): number | null {
  const speeds = runs
    .filter((run) => run.outcome === 'complete' && run.deleted >= leastMessages && run.ended > run.started)
    .slice(0, speedsAsked)
    .map(({ started, ended, deleted }) => {
      // A run that was told to ignore the windows worked all the time.
      const open = openMs(plan, started, ended);
      return (deleted * 1_000) / (open > 0 ? open : ended - started);
    })
    .sort((a, b) => a - b);
  return speeds[Math.floor((speeds.length - 1) / 2)] ?? null;
}

/** Over the week that begins now. */
function openMsPerDay(plan: WindowPlan, now: Date): number {
  const from = now.getTime();
  return openMs(plan, from, from + 7 * dayMs) / 7;
}

function isComplete({ outcome, horizon }: PastRun): boolean {
  return outcome === 'complete' && horizon !== null;
}

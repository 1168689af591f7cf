import type { Ledger } from '../../core/ports.js';
import type { Bounds } from './bounds.js';
import { joinCluster } from './cluster.js';
import type { Dialect } from './dialect.js';
import { hasCollected } from './has-collected.js';
import { forgetOld } from './history.js';
import { pastRuns } from './past-runs.js';
import { lookOnce } from './look.js';
import { tellLive } from './node-live.js';
import { beatNode, leaveNode, liveNodes, registerNode } from './nodes.js';
import { endRun } from './run-end.js';
import { findRun, listRuns, type Shares } from './run-list.js';
import { planRun, replanRun } from './run-plan.js';
import { activeRun } from './run-read.js';
import { joinRun } from './run-join.js';
import { startRun } from './run-start.js';
import { putBackRest, releaseSpan } from './span-give.js';
import { takeSpan } from './span-take.js';
import { steerRun } from './steer.js';
import { Takes } from './takes.js';

/** What the ledger's transactions need of an engine: its dialect, the order of its tables, who holds rows. */
export type LedgerParts = {
  readonly dialect: Dialect;
  readonly bounds: Bounds;
  readonly shares: Shares;
  readonly lockHolders: Ledger['lockHolders'];
};

/** The ledger's transactions over one engine. */
export function ledgerOf({ dialect, bounds, shares, lockHolders }: LedgerParts): Ledger {
  const takes = new Takes();
  return {
    register: (node, policyHash) => registerNode(dialect, node, policyHash),
    beat: (node) => beatNode(dialect, node),
    leave: (node) => leaveNode(dialect, node),
    join: (request) => joinRun(dialect, request),
    start: (request) => startRun(dialect, request),
    active: () => activeRun(dialect),
    plan: (runId, policy, plan) => planRun(dialect, runId, policy, plan),
    take: (run, node, chunk, leaseMs) => takeSpan(dialect, bounds, takes, run, node, chunk, leaseMs),
    replan: (runId, plan, restartWalk) => replanRun(dialect, runId, plan, restartWalk),
    putBack: (run, span, chunk) => putBackRest(dialect, bounds, run, span, chunk),
    release: (span, waitMs, failed) => releaseSpan(dialect, span, waitMs, failed),
    look: (run, policy, span, units, leaseMs) => lookOnce(dialect, bounds, run, policy, span, units, leaseMs),
    end: (runId, ending) => endRun(dialect, runId, ending),
    steer: (change) => steerRun(dialect, change),
    tell: (node, runId, live) => tellLive(dialect, node, runId, live),
    hasCollected: (mapping) => hasCollected(dialect, mapping),
    runs: (limit) => listRuns(dialect, shares, limit),
    run: (id) => findRun(dialect, shares, id),
    pastRuns: (limit) => pastRuns(dialect, limit),
    nodes: (withinMs) => liveNodes(dialect, withinMs),
    lockHolders,
    joinCluster: (fingerprintOf, liveMs) => joinCluster(dialect, fingerprintOf, liveMs),
    forget: (olderThanDays, limit) => forgetOld(dialect, olderThanDays, limit),
  };
}

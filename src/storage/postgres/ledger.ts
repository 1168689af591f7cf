import type { Ledger } from '../../core/ports.js';
import type { Dialect } from '../ledger/dialect.js';
import { forgetOld } from '../ledger/history.js';
import { lookOnce } from '../ledger/look.js';
import { beatNode, leaveNode, liveNodes, registerNode } from '../ledger/nodes.js';
import { endRun } from '../ledger/run-end.js';
import { findRun, listRuns } from '../ledger/run-list.js';
import { planRun, replanRun } from '../ledger/run-plan.js';
import { activeRun } from '../ledger/run-read.js';
import { startRun } from '../ledger/run-start.js';
import { putBackRest, releaseSpan } from '../ledger/span-give.js';
import { takeSpan } from '../ledger/span-take.js';
import { steerRun } from '../ledger/steer.js';
import { boundsOf } from './bounds.js';
import { lockHolders, sharesOf } from './progress.js';
import type { Sessions } from './session.js';

/** The ledger's transactions (storage/ledger) over this engine's dialect and this table's order. */
export function ledgerOf(sessions: Sessions, dialect: Dialect): Ledger {
  const bounds = boundsOf(sessions);
  const shares = sharesOf(sessions);
  return {
    register: (node, policyHash) => registerNode(dialect, node, policyHash),
    beat: (node) => beatNode(dialect, node),
    leave: (node) => leaveNode(dialect, node),
    start: (request) => startRun(dialect, request),
    active: () => activeRun(dialect),
    plan: (runId, policy, plan) => planRun(dialect, runId, policy, plan),
    take: (run, node, chunk, leaseMs) => takeSpan(dialect, bounds, run, node, chunk, leaseMs),
    replan: (runId, plan, restartWalk) => replanRun(dialect, runId, plan, restartWalk),
    putBack: (run, span, chunk) => putBackRest(dialect, bounds, run, span, chunk),
    release: (span, waitMs, failed) => releaseSpan(dialect, span, waitMs, failed),
    look: (run, policy, span, units, leaseMs) => lookOnce(dialect, bounds, run, policy, span, units, leaseMs),
    end: (runId, ending) => endRun(dialect, runId, ending),
    steer: (change) => steerRun(dialect, change),
    runs: (limit) => listRuns(dialect, shares, limit),
    run: (id) => findRun(dialect, shares, id),
    nodes: (withinMs) => liveNodes(dialect, withinMs),
    lockHolders: (run) => lockHolders(sessions, run),
    forget: (olderThanDays, limit) => forgetOld(dialect, olderThanDays, limit),
  };
}

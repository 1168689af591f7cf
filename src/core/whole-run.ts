import type { Reason, ReasonCode } from './reason.js';
import type { LiveProgress, NodeView } from './run-view.js';

/**
 * What the nodes together say of a run: their speeds add up, the estimate is the soonest (they see the same share),
 * and the reason is that of the node that works most freely: a run is held back only when every node is. Null: no
 * node has said anything in the last seconds.
 */
export function wholeRun(nodes: readonly NodeView[]): LiveProgress | null {
  const lives = nodes.map(({ live }) => live).filter((live) => live !== null);
  const [first] = lives;
  if (first === undefined) return null;
  const etas = lives.map(({ etaSeconds }) => etaSeconds).filter((eta) => eta !== null);
  let reason: Reason = first.reason;
  for (const live of lives) if (freedom(live.reason.code) > freedom(reason.code)) reason = live.reason;
  return {
    rowsPerSecond: lives.reduce((sum, { rowsPerSecond }) => sum + rowsPerSecond, 0),
    etaSeconds: etas.length === 0 ? null : Math.min(...etas),
    reason,
  };
}

/** From standing still to working, in steps that matter to whoever waits for the end. */
const order: readonly (readonly ReasonCode[])[] = [
  ['other_policy'],
  ['database_unreachable', 'retrying'],
  ['stop_file', 'paused', 'outside_window', 'signal_lost', 'stopped', 'rows_locked'],
  ['starting'],
  ['rate_limited', 'slowed', 'waited_for', 'resting'],
  ['looking', 'working'],
];

function freedom(code: ReasonCode): number {
  return order.findIndex((codes) => codes.includes(code));
}

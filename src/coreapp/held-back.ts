import { type Closed, closedGate } from '../core/gate.js';
import type { CoreappDeps } from './deps.js';
import type { RunInHand } from './run-in-hand.js';

/** Why no batch may begin now: a gate of this process is closed, or a signal stands above its limit. Null: go on. */
export function whyHeldBack({ gates }: Pick<CoreappDeps, 'gates'>, hand: RunInHand): Closed | null {
  const closed = closedGate(gates);
  if (closed !== null) return closed;
  const { duty, because } = hand.pressure.now;
  return duty <= 0 ? because : null;
}

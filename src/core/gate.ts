import type { Reason } from './reason.js';

/** Why no batch may begin now: the run's reason without its `since`. */
export type Closed = Pick<Reason, 'code' | 'signal' | 'value' | 'limit'>;

/**
 * What forbids this process to work for now, whatever the run: the stop file, a window. Asked before a span is taken
 * and before every batch, so it must cost nothing. Null: open.
 */
export type Gate = () => Closed | null;

/** The first that is closed. */
export function closedGate(gates: readonly Gate[]): Closed | null {
  for (const gate of gates) {
    const closed = gate();
    if (closed !== null) return closed;
  }
  return null;
}

/**
 * When a refused callback is sent again: the n-th failure waits n steps, up to the cap, for ever (the original's
 * linear back-off: 3 s, 6 s, 9 s … 15 min). Both are settings.
 */
export function deliveryDelayMs(attempts: number, stepMs: number, capMs: number): number {
  return Math.min(capMs, Math.max(1, attempts) * stepMs);
}

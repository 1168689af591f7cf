/** Spreads a pause by ±20 %, so that nodes which failed together do not come back together. */
export function jittered(ms: number, random: () => number = Math.random): number {
  return ms * (0.8 + 0.4 * random());
}

/** 5, 10, 20 … ms: the pause before try `attempt` (1 = the first repeat), doubling up to `capMs`. */
export function exponentialMs(attempt: number, firstMs: number, capMs: number): number {
  return Math.min(capMs, firstMs * 2 ** Math.min(30, attempt - 1));
}

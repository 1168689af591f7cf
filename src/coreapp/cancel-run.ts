import type { Ledger, RenderCallback } from '../core/ports.js';

/** Ends the active run as failed, with its true count. Null: none is active; `ended` is false when another was first. */
export async function cancelRun(
  ledger: Pick<Ledger, 'active' | 'end'>,
  by: string,
  how: { readonly renderCallback: RenderCallback; readonly summary: boolean },
): Promise<{ readonly runId: string; readonly ended: boolean } | null> {
  const run = await ledger.active();
  if (run === null) return null;
  const ended = await ledger.end(run.id, {
    outcome: 'failed',
    error: `Cancelled by ${by}`,
    tell: true,
    ...how,
  });
  return { runId: run.id, ended };
}

import { StoreError } from '../core/errors.js';
import { expectedSpeed } from '../core/expected-speed.js';
import type { Pace } from '../core/pace.js';
import type { Policy } from '../core/policy.js';
import type { DryRun } from '../core/dry-run.js';
import type { Store } from '../core/ports.js';
import type { RunView } from '../core/run-view.js';

/** What the original's clients give a PUT is 8 s. */
export const dryRunMs = 5_000;
/** Among so many runs one that is long enough to tell the speed is looked for. */
const runsAsked = 5;

/** There may be no ledger yet. */
function noneYet(error: unknown): readonly RunView[] {
  if (error instanceof StoreError && error.kind === 'missing') return [];
  throw error;
}

/** What a run would do now, at the speed of the last one. Writes nothing. */
export async function dryRunOf(
  { ledger, preview }: Pick<Store, 'ledger' | 'preview'>,
  policy: Policy,
  pace: Pace,
  limitMs = dryRunMs,
): Promise<DryRun> {
  const runs = await ledger.runs(runsAsked).catch(noneYet);
  return preview.preview(policy, limitMs, expectedSpeed(runs, pace));
}

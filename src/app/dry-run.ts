import { expectedSpeed } from '../core/expected-speed.js';
import type { Pace } from '../core/pace.js';
import type { Policy } from '../core/policy.js';
import type { DryRun, Store } from '../core/ports.js';

/** What the original's clients give a PUT is 8 s. */
export const dryRunMs = 5_000;
/** Among so many runs one that is long enough to tell the speed is looked for. */
const runsAsked = 5;

/** What a run would do now, at the speed of the last one. Writes nothing. */
export async function dryRunOf(
  { ledger, preview }: Pick<Store, 'ledger' | 'preview'>,
  policy: Policy,
  pace: Pace,
  limitMs = dryRunMs,
): Promise<DryRun> {
  const runs = await ledger.runs(runsAsked);
  return preview.preview(policy, limitMs, expectedSpeed(runs, pace));
}

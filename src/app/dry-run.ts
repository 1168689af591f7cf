import type { ForetoldRun } from '../core/dry-run.js';
import { StoreError } from '../core/errors.js';
import { expectedSpeed } from '../core/expected-speed.js';
import { forecast, unknownForecast } from '../core/forecast.js';
import type { Outlook } from '../core/outlook.js';
import type { Pace } from '../core/pace.js';
import type { Policy } from '../core/policy.js';
import type { Store } from '../core/ports.js';
import { defaultSchedule } from '../core/schedule.js';
import { readOutlook } from './outlook.js';

/** So that the whole command, with the start of its process, takes less than 5 s. (The original's clients give a PUT 8 s.) */
export const dryRunMs = 4_000;

/** There may be no ledger yet. */
function noneYet(error: unknown): null {
  if (error instanceof StoreError && error.kind === 'missing') return null;
  throw error;
}

/** What a run would do now, at the usual speed, and whether it would fit into a window. Writes nothing. */
export async function dryRunOf(
  store: Pick<Store, 'home' | 'slots' | 'ledger' | 'preview'>,
  policy: Policy,
  pace: Pace,
  limitMs = dryRunMs,
): Promise<ForetoldRun> {
  const outlook: Outlook | null = await readOutlook(store).catch(noneYet);
  const { runs, schedule } = outlook ?? { runs: [], schedule: defaultSchedule };
  const found = await store.preview.preview(policy, limitMs, expectedSpeed(runs, schedule, pace));
  return {
    ...found,
    forecast: outlook === null ? unknownForecast : forecast(found.seconds, schedule, outlook.record.now),
  };
}

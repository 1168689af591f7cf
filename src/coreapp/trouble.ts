import type { StoreError } from '../core/errors.js';
import type { Run } from '../core/run.js';
import { jittered } from '../kit/backoff.js';
import { sleep } from '../kit/sleep.js';
import type { CoreappDeps } from './deps.js';
import { failRun, failureWords } from './finish-run.js';
import type { RunInHand } from './run-in-hand.js';

export type RunWork = {
  readonly deps: CoreappDeps;
  readonly run: Run;
  readonly hand: RunInHand;
  readonly signal: AbortSignal;
};

/** What a step of a run that was no batch came to: wait and try again, or end the run. */
export async function afterTrouble({ deps, run, hand, signal }: RunWork, error: StoreError): Promise<void> {
  hand.budget.failed(error.kind);
  deps.log.warn(
    { run: run.id, kind: error.kind, code: error.nativeCode },
    `could not ${error.doing}: ${error.message}`,
  );
  switch (error.kind) {
    case 'unreachable':
      deps.watch.gaveUp('unreachable');
      hand.because('database_unreachable', error.nativeCode);
      await sleep(jittered(1_000), signal);
      return;
    case 'denied':
    case 'missing':
    case 'full':
    case 'credentials':
    case 'untrusted':
    case 'unfit':
      // A full disk may refuse the ending too; then this is why the run stands still until there is room.
      hand.because('retrying', error.kind);
      await failRun(deps, run, failureWords(error));
      return;
    case 'conflict':
    case 'slow':
    case 'reference':
    case 'duplicate':
    case 'other':
      if (hand.budget.words !== null)
        await failRun(deps, run, `${hand.budget.words}; the last: ${error.message}`);
      hand.because('retrying', error.kind);
      await sleep(jittered(200), signal);
  }
}

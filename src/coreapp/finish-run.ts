import { StoreError } from '../core/errors.js';
import type { RenderCallback } from '../core/ports.js';
import type { Plan, Run } from '../core/run.js';
import type { CoreappDeps } from './deps.js';

/** The documented words for a failure to read the candidates (privilege revoked, table gone). */
export const fetchFailed = 'Failed to fetch processed messages to delete';

/**
 * Callbacks are written inside the ending transaction: its trace line says that the process is in there, which is
 * where the crash tests strike.
 */
function tracing(deps: CoreappDeps, run: Run): RenderCallback {
  return (outcome) => {
    deps.log.trace({ run: run.id, step: 'ending' }, 'run');
    return deps.renderCallback(outcome);
  };
}

/** Ends the run as complete; false when work is still open or another ended it. */
export async function completeRun(deps: CoreappDeps, run: Run, plan?: Plan): Promise<boolean> {
  const ended = await deps.store.ledger.end(run.id, {
    outcome: 'complete',
    error: null,
    tell: true,
    summary: deps.summary,
    renderCallback: tracing(deps, run),
    ...(plan === undefined ? {} : { plan }),
  });
  if (ended) {
    deps.log.info({ run: run.id, outcome: 'complete', step: 'ended' }, 'the run is complete');
    deps.watch.ended(run.id, 'complete');
  }
  return ended;
}

/** Ends the run as failed, with its true count and the words that say why. */
export async function failRun(deps: CoreappDeps, run: Run, words: string, tell = true): Promise<boolean> {
  const ended = await deps.store.ledger.end(run.id, {
    outcome: 'failed',
    error: words,
    tell,
    summary: deps.summary,
    renderCallback: tracing(deps, run),
  });
  if (ended) {
    deps.log.error({ run: run.id, outcome: 'failed', step: 'ended' }, `the run failed: ${words}`);
    deps.watch.ended(run.id, 'failed');
  }
  return ended;
}

/** What a lasting error of the database means for the run, in the words of its callback. */
export function failureWords(error: StoreError): string {
  if (error.kind === 'denied' || error.kind === 'missing') return fetchFailedOr(error);
  return `Could not ${error.doing}: ${error.message}`;
}

function fetchFailedOr(error: StoreError): string {
  // Reading candidates is planning, locking and looking; a refused DELETE says which privilege is missing.
  return error.doing.startsWith('delete') ? `Could not ${error.doing}: ${error.message}` : fetchFailed;
}

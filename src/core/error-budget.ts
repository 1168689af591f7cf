import type { StoreErrorKind } from './errors.js';

/**
 * When a run has failed often enough to be given up. Single failures are normal on a busy database (a deadlock, a
 * lock time-out) and are tried again; a run that only fails must end, with its true count and in words.
 */
export interface ErrorBudget {
  succeeded(): void;
  /** A database that is away uses nothing of it: that is waited for, as long as it lasts. */
  failed(kind: StoreErrorKind): void;
  readonly spent: boolean;
  /** What the numbers are, for the run's error; null while the budget lasts. */
  readonly words: string | null;
}

const mostInARow = 50;
const mostShare = 0.4;
/** Below so many attempts a share says nothing: one failure of two is 50 %. */
const leastAttempts = 100;

export function createErrorBudget(): ErrorBudget {
  let attempts = 0;
  let failures = 0;
  let inARow = 0;
  // Once spent it stays so: successes of other workers that arrive later change nothing.
  let words: string | null = null;
  const judge = (): void => {
    if (words !== null) return;
    if (inARow >= mostInARow) words = `${inARow} batches failed in a row`;
    else if (attempts >= leastAttempts && failures >= mostShare * attempts)
      words = `${failures} of ${attempts} batches failed`;
  };
  return {
    succeeded() {
      attempts += 1;
      inARow = 0;
      judge();
    },
    failed(kind) {
      if (kind === 'unreachable') return;
      attempts += 1;
      failures += 1;
      inARow += 1;
      judge();
    },
    get spent() {
      return words !== null;
    },
    get words() {
      return words;
    },
  };
}

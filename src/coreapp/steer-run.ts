import type { Ledger, SteerChange } from '../core/ports.js';
import type { RunView } from '../core/run-view.js';
import type { Log } from '../kit/log.js';

/**
 * T11: changes what the active run does from its next batch on, at every node. Null: none is active. One log line for
 * each thing that was asked, with who asked it.
 */
export async function steerRun(
  ledger: Pick<Ledger, 'steer' | 'run'>,
  change: SteerChange,
  by: string,
  log: Log,
): Promise<RunView | null> {
  const run = await ledger.steer({ ...change, by });
  if (run === null) return null;
  for (const { facts, words } of told(change)) log.info({ run, by, ...facts }, words);
  return ledger.run(run);
}

function* told(change: SteerChange): Generator<{ readonly facts: object; readonly words: string }> {
  const { paused, maxRate, profile } = change;
  if (paused !== undefined) {
    yield { facts: { paused }, words: paused ? 'the run was paused' : 'the run was resumed' };
  }
  if (maxRate !== undefined) {
    const words =
      maxRate === null ? 'the rate limit of the run was lifted' : 'the run was given a rate limit';
    yield { facts: { maxRate }, words };
  }
  if (profile !== undefined) {
    const words =
      profile === null ? 'the run was given the profile of each node' : 'the run was given a profile';
    yield { facts: { profile }, words };
  }
}

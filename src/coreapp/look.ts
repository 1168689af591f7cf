import { StoreError } from '../core/errors.js';
import { restMs } from '../core/pace.js';
import type { LookAnswer } from '../core/ports.js';
import type { Span } from '../core/run.js';
import { sleep } from '../kit/sleep.js';
import { completeRun, failRun } from './finish-run.js';
import { whyHeldBack } from './held-back.js';
import { afterTrouble, type RunWork } from './trouble.js';

/** Blocks or keys that one slice reads; about 0.2 s. */
const sliceUnits = 10_000;
/** Rounds after which a run gives up on rows that others keep changing. */
const mostIdleRounds = 6;
/** The first piece may read the whole table, and its rest must not outlast the lease. */
const longestRestMs = 2_000;

type LookWork = RunWork & { readonly span: Span; readonly leaseMs: number };

/**
 * T9: what is left after a walk by heap blocks? Read slice by slice, with rests as after batches; between two slices
 * the look obeys whatever a batch obeys. Its place is in the span, so that it goes on from there.
 */
export async function look(work: LookWork): Promise<void> {
  const { deps, run, hand, span, signal } = work;
  const { ledger } = deps.store;
  for (;;) {
    if (signal.aborted || (await isHeldBack(work))) return ledger.release(span, 0, false);
    tellPace(work);
    const startedAt = deps.clock.monotonicMs();
    const answer = await slice(work);
    switch (answer.kind) {
      case 'again':
        continue;
      case 'going_on':
        await sleep(
          Math.min(longestRestMs, restMs(deps.clock.monotonicMs() - startedAt, hand.allowedDuty)),
          signal,
        );
        continue;
      case 'clean':
        await completeRun(deps, run);
        return;
      case 'next_round':
        if (answer.idleRounds > mostIdleRounds) {
          await failRun(
            deps,
            run,
            'Messages that are eligible could not be deleted in several rounds: other sessions keep them locked or moving',
          );
        }
        return;
      case 'lost':
        return;
    }
  }
}

/** The span stays in hand while the database cannot be reached, as that of a batch does; otherwise it is given back. */
async function slice(work: LookWork): Promise<LookAnswer | { readonly kind: 'again' }> {
  const { deps, run, span, leaseMs } = work;
  const { ledger } = deps.store;
  try {
    return await ledger.look(run, run.policy ?? deps.policy, span, sliceUnits, leaseMs);
  } catch (error) {
    if (!(error instanceof StoreError)) throw error;
    if (error.kind === 'unreachable') {
      await afterTrouble(work, error);
      return { kind: 'again' };
    }
    await ledger.release(span, 0, false);
    throw error;
  }
}

/** Paused or held back meanwhile. A run that is over is for the look itself to find. */
async function isHeldBack({ deps, run, hand }: LookWork): Promise<boolean> {
  const active = await deps.store.ledger.active();
  if (active?.id !== run.id) return false;
  hand.obey(active);
  const closed = active.paused
    ? ({ code: 'paused', signal: null, value: null, limit: null } as const)
    : whyHeldBack(deps, hand);
  if (closed === null) return false;
  hand.heldBack(closed);
  return true;
}

function tellPace({ hand }: LookWork): void {
  const { because } = hand.pressure.now;
  if (because === null) hand.because('looking');
  else hand.because(because.code, because.signal, because.value, because.limit);
}

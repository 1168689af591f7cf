import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { StoreError } from '../../src/core/errors.js';
import { paces } from '../../src/core/pace.js';
import type { BatchAnswer } from '../../src/core/ports.js';
import type { Plan, Run, Span } from '../../src/core/run.js';
import { RunInHand } from '../../src/coreapp/run-in-hand.js';
import { sweepSpan } from '../../src/coreapp/sweep-span.js';
import { silentLog } from '../../src/kit/log.js';
import { createHandClock } from '../core/hand-clock.js';

/** `gentle` leaves the application half of the time, whatever becomes of its batches. */
beforeEach(() => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
});
afterEach(() => {
  vi.useRealTimers();
});

const workMs = 400;
const swept = (spanDone: boolean): BatchAnswer => ({
  kind: 'swept',
  deleted: 10,
  dependents: {},
  skipped: 0,
  walked: 10,
  spanDone,
  before: { deleted: 0, batches: 0 },
  lockedMs: workMs,
  workMs,
  maxRate: null,
});

/** A worker on one span, whose batches take 400 ms each and end as it is told; the moments at which each began. */
function working(...ends: readonly (BatchAnswer | StoreError)[]) {
  const clock = createHandClock();
  const from = clock.monotonicMs();
  const began: number[] = [];
  const run = { id: 'a'.repeat(32), profile: null, maxRate: null, policy: {} } as Run;
  const hand = new RunInHand(run, {
    clock,
    pace: paces.gentle,
    choices: {},
    batchTargetMs: { gentle: 20, alone: 20 },
    gentleDuty: 0.5,
    napMs: null,
  });
  const nothing = (): void => undefined;
  const deps = {
    store: {
      ledger: { release: async () => undefined },
      sweep: {
        async batch() {
          began.push(clock.monotonicMs() - from);
          clock.advance(workMs);
          const end = ends[began.length - 1] ?? swept(true);
          if (end instanceof StoreError) throw end;
          return end;
        },
      },
    },
    clock,
    gates: [],
    choices: {},
    log: silentLog,
    watch: { swept: nothing, deleted: nothing, gaveUp: nothing },
  };
  const over = sweepSpan({
    deps,
    run,
    plan: { walk: 'key' } as Plan,
    span: { no: 1, kind: 'walk', attempts: 0 } as Span,
    hand,
    worker: 0,
    leaseMs: 30_000,
    chunkMs: Number.POSITIVE_INFINITY,
    rowsLeft: () => Number.POSITIVE_INFINITY,
    signal: new AbortController().signal,
  } as unknown as Parameters<typeof sweepSpan>[0]);
  let isOver = false;
  void over.then(() => {
    isOver = true;
  });
  return {
    began,
    isOver: () => isOver,
    async pass(ms: number) {
      for (let step = 0; step < ms; step += 10) {
        clock.advance(10);
        await vi.advanceTimersByTimeAsync(10);
      }
    },
  };
}

// A rest is spread by a fifth in both directions.
test('the last batch of a span is rested for before another span is taken', async () => {
  const work = working(swept(true));
  await work.pass(workMs * 0.75);
  expect(work.isOver()).toBe(false);
  await work.pass(workMs * 0.5);
  expect(work.isOver()).toBe(true);
});

test('what a batch has napped is rest already', async () => {
  const work = working({ ...swept(false), nappedMs: workMs / 2 } as BatchAnswer, swept(true));
  // 200 ms of work, and 200 ms of rest within it; the rest is spread by a fifth.
  await work.pass(workMs * 0.2);
  expect(work.began).toHaveLength(2);
});

test('a batch that failed is rested for: the server worked for it', async () => {
  const work = working(
    new StoreError('slow', '57014', 'delete', 'statement timeout', undefined),
    swept(true),
  );
  await work.pass(workMs * 0.75);
  expect(work.began).toHaveLength(1);
  await work.pass(workMs * 0.6);
  expect(work.began).toHaveLength(2);
});

test('a batch whose server was away is not: nobody worked', async () => {
  const work = working(
    new StoreError('unreachable', 'LOST', 'delete', 'connection lost', undefined),
    swept(true),
  );
  await work.pass(workMs * 0.75);
  expect(work.began).toHaveLength(2);
});

/**
 * A run on a real store, worked by the real workshop (coreapp/), with a hand on every batch: so a test can change the
 * world between two of them. Waits for the end of the run, never for a time.
 */
import { onTestFinished } from 'vitest';
import { newId } from '../../src/core/node-name.js';
import type { Pace } from '../../src/core/pace.js';
import type { Policy } from '../../src/core/policy.js';
import type { BatchAnswer, EngineFacts, Store } from '../../src/core/ports.js';
import type { RunView } from '../../src/core/run-view.js';
import type { SignalChoices } from '../../src/core/signals.js';
import { Coreapp } from '../../src/coreapp/coreapp.js';
import { type Clock, systemClock } from '../../src/kit/clock.js';
import { silentLog } from '../../src/kit/log.js';
import { renderCallback } from '../conformance/drive.js';
import { within } from '../harness/wait.js';

export type Options = {
  readonly store: Store;
  readonly facts: EngineFacts;
  readonly policy: Policy;
  /** Most keys or blocks of a batch, so that a small table takes several. */
  readonly size?: number;
  readonly workers?: number;
  /** `full` where nothing else is said. */
  readonly pace?: Pace;
  /** Most keys or blocks of a slice of the look. */
  readonly lookUnits?: number;
  /** False: a batch that somebody waits for does not end for that. */
  readonly yields?: boolean;
  /** Called after each batch that answered, with its number from 1. */
  readonly after?: (number: number, answer: BatchAnswer) => Promise<void> | void;
  readonly beforeLook?: () => Promise<void>;
  /** The machine's where nothing else is said. */
  readonly clock?: Clock;
  readonly choices?: SignalChoices;
};

export type Workshop = {
  readonly coreapp: Coreapp;
  /** What every batch answered, in order. */
  readonly answers: BatchAnswer[];
  /** What the process itself counted, as its meters would. */
  readonly counted: { messages: number; dependents: number };
  readonly gaveUp: string[];
  /** Starts a run and waits until it has ended. */
  collect(deadlineMs?: number): Promise<RunView>;
  /** Waits until any run has ended under this process. */
  ended(deadlineMs?: number): Promise<RunView>;
};

/** A workshop that is at work; stopped with the test at the latest. */
export async function workshop(options: Options): Promise<Workshop> {
  const { store, facts, policy, size = 1_000_000, workers = 1 } = options;
  const answers: BatchAnswer[] = [];
  const gaveUp: string[] = [];
  const counted = { messages: 0, dependents: 0 };
  let tell: (runId: string) => void = () => undefined;
  const ending = new Promise<string>((resolve) => {
    tell = resolve;
  });
  let number = 0;
  const coreapp = new Coreapp({
    store: {
      ...store,
      ledger: {
        ...store.ledger,
        async look(run, frozen, span, units, leaseMs) {
          await options.beforeLook?.();
          return store.ledger.look(run, frozen, span, Math.min(options.lookUnits ?? units, units), leaseMs);
        },
      },
      sweep: {
        ...store.sweep,
        async batch(request) {
          const answer = await store.sweep.batch({ ...request, size: Math.min(size, request.size) });
          number += 1;
          answers.push(answer);
          await options.after?.(number, answer);
          return answer;
        },
      },
    },
    engine: facts,
    node: { name: `${newId().slice(0, 6)}:000000000000`, boot: newId(), address: '127.0.0.1:6252' },
    form: 'single',
    policy,
    pace: options.pace ?? { name: 'full', duty: 1, workers },
    choices: { ...options.choices, ...(options.yields === false && { waiters: { off: true } }) },
    gates: [],
    intervals: async () => ({ heartbeatMs: 1_000, leaseMs: 30_000 }),
    renderCallback,
    clock: options.clock ?? systemClock,
    log: silentLog,
    watch: {
      swept: () => undefined,
      deleted(messages, dependents) {
        counted.messages += messages;
        for (const count of Object.values(dependents)) counted.dependents += count;
      },
      gaveUp: (result) => gaveUp.push(result),
      paced: () => undefined,
      ended: (runId) => tell(runId),
    },
    onDisplaced: () => undefined,
    summary: false,
    maxRows: null,
  });
  onTestFinished(() => coreapp.stop());
  await coreapp.start();
  const ended = async (deadlineMs = 20_000): Promise<RunView> => {
    const runId = await within('the run to end', deadlineMs, ending).catch(async (cause: unknown) => {
      const runs = await store.ledger.runs(1).catch(() => []);
      throw new Error(
        `${(cause as Error).message} The run: ${JSON.stringify(runs[0])}; the last answers: ${JSON.stringify(answers.slice(-5))}; gave up: ${gaveUp.slice(-10).join(' ')}`,
        { cause },
      );
    });
    const view = await store.ledger.run(runId);
    if (view === null) throw new Error(`The ledger does not know run ${runId}.`);
    return view;
  };
  return {
    coreapp,
    answers,
    counted,
    gaveUp,
    ended,
    async collect(deadlineMs) {
      await coreapp.startRun({ requestId: newId(), by: 'admin' });
      return ended(deadlineMs);
    },
  };
}

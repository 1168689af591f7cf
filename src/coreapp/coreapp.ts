import { Refusal, StoreError, wordsOf } from '../core/errors.js';
import { policyHash } from '../core/policy.js';
import type { StartAnswer, StartRequest } from '../core/ports.js';
import type { Run } from '../core/run.js';
import type { LiveProgress, RunView } from '../core/run-view.js';
import { mostWorkersOf } from '../core/pace.js';
import { jittered } from '../kit/backoff.js';
import type { Service } from '../kit/service.js';
import { Bell, sleep } from '../kit/sleep.js';
import { cancelRun } from './cancel-run.js';
import type { CoreappDeps } from './deps.js';
import { type Braked, firstRunBrake } from './first-run-brake.js';
import { standingOf } from './plan-run.js';
import { RunInHand } from './run-in-hand.js';
import { VitalSigns } from './vital-signs.js';
import { type Workplace, workOnce } from './worker.js';

/** An idle worker wakes by bell (a start, or a heartbeat that saw a run); this is only the longest it sleeps. */
const longestIdleMs = 60_000;
const leastLeaseMs = 15_000;

type Asked = { readonly requestId: string; readonly by: string };
export type RunRequest = Asked & {
  /** Whoever asks has seen what would go. */
  readonly confirmed: boolean;
};
export type RunAnswer = ({ readonly kind: 'started' } & StartAnswer) | Braked;

/**
 * The workshop: a heartbeat, and workers that sweep whatever run is active. Everything that it remembers may be lost;
 * rows are the state. `stop` ends the batches in hand, gives the spans back and leaves.
 */
export class Coreapp implements Service {
  readonly #deps: CoreappDeps;
  readonly #stopping = new AbortController();
  readonly #bell = new Bell();
  readonly #loops: Promise<void>[] = [];
  readonly #place: Workplace;
  readonly #policyHash: string;
  readonly #vitalSigns: VitalSigns;
  #hand: RunInHand | null = null;
  #leaseMs = 30_000;
  #heartbeatMs = 5_000;
  /** Live nodes, this one among them, as they were last counted. */
  #nodes = 1;
  #removed = 0;

  constructor(deps: CoreappDeps) {
    // Rows that went under this process, for --max-rows.
    this.#deps = {
      ...deps,
      watch: {
        ...watchOf(deps),
        deleted: (messages, dependents) => {
          this.#removed += messages;
          deps.watch.deleted(messages, dependents);
        },
        ended: (runId, outcome) => {
          // Nothing more is said of a run that is over.
          if (this.#hand?.id === runId) this.#letGo(this.#hand);
          deps.watch.ended(runId, outcome);
        },
      },
    };
    this.#policyHash = policyHash(deps.policy);
    this.#vitalSigns = new VitalSigns({
      ...deps,
      countNodes: (forSure) => this.#countNodes(forSure),
      onPaceChanged: () => this.wake(),
    });
    this.#place = {
      deps: this.#deps,
      signal: this.#stopping.signal,
      leaseMs: () => this.#leaseMs,
      workersTogether: (hand) => this.#nodes * hand.pace.workers,
      handOf: (run) => this.#handOf(run),
      beginWatch: (hand) => this.#vitalSigns.begin(hand),
      planning: { current: null },
      watching: { current: null },
      rowsLeft: () => (deps.maxRows === null ? Number.POSITIVE_INFINITY : deps.maxRows - this.#removed),
    };
  }

  /** Registers, which gives back what an earlier life of this node held, and begins to work. */
  async start(): Promise<void> {
    await this.#readIntervals();
    await this.#deps.store.ledger.register(this.#deps.node, this.#policyHash);
    await this.#countNodes();
    const { signal } = this.#stopping;
    const drop = (hand: RunInHand): void => this.#letGo(hand);
    this.#loops.push(
      this.#heartbeats(),
      this.#vitalSigns.keepWatch(() => this.#hand, drop, signal),
    );
    // As many as any profile has: it can be changed while a run is on, and who is not needed waits.
    const workers = this.#deps.engine.sessions === 1 ? 1 : mostWorkersOf(this.#deps.pace);
    for (let worker = 0; worker < workers; worker += 1) this.#loops.push(this.#work(worker));
  }

  async stop(): Promise<void> {
    if (this.#stopping.signal.aborted) return;
    this.#stopping.abort();
    await Promise.all(this.#loops);
    await this.#place.watching.current?.catch(() => undefined);
    await this.#deps.store.ledger.leave(this.#deps.node).catch((error: unknown) => {
      this.#deps.log.warn({}, `could not say that this node leaves: ${wordsOf(error)}`);
    });
  }

  /** As `startRun`, but the first run of a mapping is braked when it would delete nearly everything. */
  async askForRun({ confirmed, ...request }: RunRequest): Promise<RunAnswer> {
    // A run that is on was let through already.
    const joined = await this.#join(request);
    if (joined !== null) return { kind: 'started', ...joined };
    const braked = confirmed ? null : await firstRunBrake(this.#deps);
    if (braked !== null) return braked;
    await this.#overrule();
    return { kind: 'started', ...(await this.#start(request)) };
  }

  /**
   * A request must not join a run that goes by another policy: what it would be told is not what it asked for. A run
   * that nobody may go on with is ended here, and not by the first worker that meets it, so that the request makes its
   * own. Throws a Refusal while other nodes work by the other policy.
   */
  async #overrule(): Promise<void> {
    const run = await this.#deps.store.ledger.active();
    if (run === null || (await standingOf(this.#deps, run, this.#leaseMs)) !== 'theirs') return;
    throw new Refusal(
      'refused',
      `Run ${run.id} is going on under another store mapping or retention, on nodes that live. Wait for its end, or cancel it; then start again`,
    );
  }

  /**
   * T3: starts a run or joins the one that is on. Planning and work follow on their own. Asks for no confirmation.
   * Throws a Refusal while a run goes on by another policy.
   */
  async startRun(request: Asked): Promise<StartAnswer> {
    const joined = await this.#join(request);
    if (joined !== null) return joined;
    await this.#overrule();
    return this.#start(request);
  }

  /** Null: there is no run that the request could join without anything new beginning. */
  async #join(request: Asked): Promise<StartAnswer | null> {
    const runId = await this.#deps.store.ledger.join(this.#startRequest(request));
    return runId === null ? null : { runId, joined: true };
  }

  async #start(request: Asked): Promise<StartAnswer> {
    const answer = await this.#deps.store.ledger.start(this.#startRequest(request));
    this.wake();
    return answer;
  }

  #startRequest(request: Asked): StartRequest {
    const { form, node, engine, renderCallback } = this.#deps;
    return { ...request, form, node, policyHash: this.#policyHash, server: engine.server, renderCallback };
  }

  /** Ends the active run as failed, with its true count; null when none is active. */
  async cancel(by: string): Promise<string | null> {
    const { renderCallback, summary } = this.#deps;
    const cancelled = await cancelRun(this.#deps.store.ledger, by, { renderCallback, summary });
    if (cancelled === null) return null;
    const { runId, ended } = cancelled;
    if (ended) {
      this.#deps.log.info({ run: runId, by, outcome: 'failed', step: 'ended' }, 'the run was cancelled');
      this.#deps.watch.ended(runId, 'failed');
    }
    return runId;
  }

  /** What somebody steered is told from here on; the workers follow with their next look at the run's row. */
  steered({ id, state }: Pick<RunView, 'id' | 'state'>): void {
    if (this.#hand?.id === id) this.#hand.steered(state === 'paused');
  }

  /** Speed and reason, as far as this process knows; null for a run that it does not work on. */
  progress(runId: string): LiveProgress | null {
    return this.#hand?.id === runId ? this.#hand.live : null;
  }

  /** `--max-rows` is reached: nothing more is taken. */
  get isLimitReached(): boolean {
    return this.#place.rowsLeft() <= 0;
  }

  wake(): void {
    this.#bell.ring();
  }

  #handOf(run: Run): RunInHand {
    if (this.#hand?.id === run.id) return this.#hand;
    if (this.#hand !== null) this.#letGo(this.#hand);
    const { engine, clock, pace, choices } = this.#deps;
    this.#hand = new RunInHand(run, {
      clock,
      pace,
      choices,
      batchTargetMs: engine.batchTargetMs,
      gentleDuty: engine.gentleDuty,
      napMs: engine.napMs,
    });
    return this.#hand;
  }

  #letGo(hand: RunInHand): void {
    hand.isOver = true;
    if (this.#hand === hand) this.#hand = null;
  }

  async #work(worker: number): Promise<void> {
    const { signal } = this.#stopping;
    while (!signal.aborted) {
      try {
        if ((await workOnce(this.#place, worker)) === 'idle') await this.#bell.wait(longestIdleMs, signal);
      } catch (error) {
        const isStore = error instanceof StoreError;
        const facts = { worker, ...(isStore ? { kind: error.kind, code: error.nativeCode } : {}) };
        if (isStore) this.#deps.log.warn(facts, `the worker waits: ${error.message}`);
        else
          this.#deps.log.error(
            { ...facts, stack: error instanceof Error ? error.stack : undefined },
            `the worker met a defect: ${wordsOf(error)}`,
          );
        await sleep(jittered(1_000), signal);
      }
    }
  }

  /** T2, and how a node learns of a run that was started elsewhere. */
  async #heartbeats(): Promise<void> {
    const { signal } = this.#stopping;
    const { store, node, log } = this.#deps;
    while (!signal.aborted) {
      await sleep(this.#heartbeatMs, signal);
      if (signal.aborted) return;
      try {
        if (!(await store.ledger.beat(node))) {
          log.error({ node: node.name }, 'another process has taken the name of this node');
          this.#deps.onDisplaced();
          return;
        }
        await this.#readIntervals();
        await this.#countNodes();
        const run = await store.ledger.active();
        if (run === null) await store.ledger.forget(90, 100);
        else this.wake();
      } catch (error) {
        log.warn({ node: node.name }, `the heartbeat was not written: ${wordsOf(error)}`);
      }
    }
  }

  /**
   * What a node keeps of the work, and of a rate, depends on how many others want some. A single instance asks only when a
   * limit would be broken by a second one.
   */
  async #countNodes(forSure = false): Promise<number> {
    if (this.#deps.form === 'single' && !forSure) return this.#nodes;
    const { ledger } = this.#deps.store;
    this.#nodes = Math.max(1, (await ledger.nodes(this.#leaseMs)).length);
    return this.#nodes;
  }

  async #readIntervals(): Promise<void> {
    const { heartbeatMs, leaseMs } = await this.#deps.intervals();
    this.#heartbeatMs = heartbeatMs;
    // A lease must outlast a statement's limit and the server's idle limit (protocol: 10 s + 2 s), whatever is set.
    this.#leaseMs = Math.max(leastLeaseMs, leaseMs);
  }
}

function watchOf({ watch }: CoreappDeps): CoreappDeps['watch'] {
  return {
    swept: (batch) => watch.swept(batch),
    deleted: (messages, dependents) => watch.deleted(messages, dependents),
    gaveUp: (result) => watch.gaveUp(result),
    ended: (runId, outcome) => watch.ended(runId, outcome),
    paced: (now) => watch.paced(now),
  };
}

import type { Pace } from '../core/pace.js';
import type { Policy } from '../core/policy.js';
import type { ForetoldRun } from '../core/dry-run.js';
import type { SteerChange, Store } from '../core/ports.js';
import type { LiveProgress, RunView } from '../core/run-view.js';
import { steerRun } from '../coreapp/steer-run.js';
import type { Log } from '../kit/log.js';
import type { DeskAnswer, DeskHealth, RunDesk, StartAsked } from '../webapp/deps.js';
import { dryRunOf } from './dry-run.js';
import type { StoreKeeper } from './store-keeper.js';
import type { Workshop } from './workshop.js';

/** Where the front door meets the workshop of the same process; closed until the database is there. */
export class RunDeskOf implements RunDesk {
  readonly startWithinMs = 5_000;
  readonly #keeper: StoreKeeper;
  readonly #store: Store;
  readonly #policy: Policy;
  readonly #pace: Pace;
  readonly #workshop: Pick<Workshop, 'coreapp'>;
  readonly #log: Log;

  constructor(
    keeper: StoreKeeper,
    store: Store,
    policy: Policy,
    pace: Pace,
    workshop: Pick<Workshop, 'coreapp'>,
    log: Log,
  ) {
    this.#keeper = keeper;
    this.#store = store;
    this.#policy = policy;
    this.#pace = pace;
    this.#workshop = workshop;
    this.#log = log;
  }

  async start({ requestId, by, confirmed }: StartAsked): Promise<DeskAnswer> {
    if (this.#workshop.coreapp === null) throw this.#keeper.trouble;
    return this.#workshop.coreapp.askForRun({ requestId, by, confirmed });
  }

  async dryRun(): Promise<ForetoldRun> {
    if (this.#workshop.coreapp === null) throw this.#keeper.trouble;
    return dryRunOf(this.#store, this.#policy, this.#pace);
  }

  progress(runId: string): LiveProgress | null {
    return this.#workshop.coreapp?.progress(runId) ?? null;
  }

  async cancel(by: string): Promise<RunView | null> {
    if (this.#workshop.coreapp === null) throw this.#keeper.trouble;
    const runId = await this.#workshop.coreapp.cancel(by);
    return runId === null ? null : this.#store.ledger.run(runId);
  }

  async steer(change: SteerChange, by: string): Promise<RunView | null> {
    if (this.#workshop.coreapp === null) throw this.#keeper.trouble;
    const view = await steerRun(this.#store.ledger, change, by, this.#log);
    if (view !== null) this.#workshop.coreapp.steered(view);
    return view;
  }

  nodes(): null {
    return null;
  }

  nodesLastSeen(): null {
    return null;
  }

  health(): DeskHealth {
    const isConnected = this.#keeper.state === 'connected';
    return {
      gateway: this.#keeper.state,
      warnings: [],
      ready: isConnected && this.#workshop.coreapp !== null,
    };
  }
}

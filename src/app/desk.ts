import type { Pace } from '../core/pace.js';
import type { Policy } from '../core/policy.js';
import type { DryRun, Store } from '../core/ports.js';
import type { LiveProgress, RunView } from '../core/run-view.js';
import type { Coreapp } from '../coreapp/coreapp.js';
import type { DeskAnswer, DeskHealth, RunDesk, StartAsked } from '../webapp/deps.js';
import { dryRunOf } from './dry-run.js';
import type { StoreKeeper } from './store-keeper.js';

/** Where the front door meets the workshop of the same process; closed until the database is there. */
export class RunDeskOf implements RunDesk {
  readonly #keeper: StoreKeeper;
  readonly #store: Store;
  readonly #policy: Policy;
  readonly #pace: Pace;
  #coreapp: Coreapp | null = null;

  constructor(keeper: StoreKeeper, store: Store, policy: Policy, pace: Pace) {
    this.#keeper = keeper;
    this.#store = store;
    this.#policy = policy;
    this.#pace = pace;
  }

  open(coreapp: Coreapp): void {
    this.#coreapp = coreapp;
  }

  async close(): Promise<void> {
    await this.#coreapp?.stop();
  }

  async start(request: StartAsked): Promise<DeskAnswer> {
    if (this.#coreapp === null) throw this.#keeper.trouble;
    return this.#coreapp.askForRun(request);
  }

  async dryRun(): Promise<DryRun> {
    if (this.#coreapp === null) throw this.#keeper.trouble;
    return dryRunOf(this.#store, this.#policy, this.#pace);
  }

  progress(runId: string): LiveProgress | null {
    return this.#coreapp?.progress(runId) ?? null;
  }

  async cancel(by: string): Promise<RunView | null> {
    if (this.#coreapp === null) throw this.#keeper.trouble;
    const runId = await this.#coreapp.cancel(by);
    return runId === null ? null : this.#store.ledger.run(runId);
  }

  health(): DeskHealth {
    const isConnected = this.#keeper.state === 'connected';
    return {
      gateway: this.#keeper.state,
      warnings: [],
      ready: isConnected && this.#coreapp !== null,
    };
  }
}

import type { Config } from '../config/read-config.js';
import type { ExitReason } from '../core/errors.js';
import { wordsOf } from '../core/errors.js';
import { paceOf } from '../core/pace.js';
import type { EngineFacts, NodeIdentity, Store } from '../core/ports.js';
import type { RunForm } from '../core/run.js';
import { Coreapp } from '../coreapp/coreapp.js';
import { systemClock } from '../kit/clock.js';
import type { Log } from '../kit/log.js';
import type { Meters } from '../metrics/meters.js';
import { Dispatcher } from '../webhooks/dispatcher.js';
import { createSender } from '../webhooks/sender.js';
import { renderCallback } from '../wire/callback-body.js';
import { packageVersion } from '../wire/package-version.js';
import { type Gates, gatesOf } from './gates.js';
import { intervalsOf } from './intervals.js';
import { policyOf } from './policy.js';
import { Scheduler } from './scheduler.js';
import { Timetable } from './timetable.js';
import { watchFor } from './watch.js';

export type Finish = (end: { readonly reason: ExitReason; readonly words: string }) => void;

export type WorkshopDeps = {
  readonly config: Config;
  readonly store: Store;
  readonly meters: Meters;
  readonly log: Log;
  readonly form: RunForm;
  /** Called when the process cannot go on: another one has taken the node's name. */
  readonly finish: Finish;
};

/** The Coreapp of this process and the post room beside it: callbacks are sent by whoever works. */
export class Workshop {
  readonly #deps: WorkshopDeps;
  readonly #dispatcher: Dispatcher;
  readonly #timetable: Timetable;
  readonly #stopping = new AbortController();
  readonly #gates: Gates;
  #scheduling: Promise<void> = Promise.resolve();
  #coreapp: Coreapp | null = null;

  constructor(deps: WorkshopDeps) {
    this.#deps = deps;
    const { config, store, meters, log } = deps;
    this.#timetable = new Timetable({ store, clock: systemClock, log });
    this.#gates = gatesOf(config, log, [this.#timetable.gate]);
    this.#dispatcher = new Dispatcher({
      outbox: store.outbox,
      settings: () => store.home.settings(),
      sender: createSender(),
      clock: systemClock,
      log,
      version: packageVersion,
      requireHttps: config.requireHttps,
      onAttempt: (result) => meters.callback(result),
    });
  }

  /** Null until the database is there. */
  get coreapp(): Coreapp | null {
    return this.#coreapp;
  }

  /** Callbacks were written: they are due now. */
  wakePost(): void {
    this.#dispatcher.wake();
  }

  /** Callbacks that waited for a URL may be due, a slot too, and a window may have opened or closed. */
  settingsChanged(): void {
    this.wakePost();
    this.#timetable.wake();
  }

  /** Takes the node's name and begins to work. */
  async begin(node: NodeIdentity, engine: EngineFacts): Promise<void> {
    const { config, store, meters, log, form, finish } = this.#deps;
    const policy = policyOf(config);
    // Before anybody works: until then every window seems open.
    await this.#timetable.refresh();
    await this.#gates.open();
    const coreapp = new Coreapp({
      store,
      engine,
      node,
      form,
      policy,
      pace: paceOf(config),
      choices: config.signalChoices,
      gates: this.#gates.list,
      intervals: intervalsOf(store.home),
      renderCallback,
      summary: config.summaryCallback,
      clock: systemClock,
      log,
      watch: watchFor(meters, () => {
        this.wakePost();
        void store
          .tidyUp(policy)
          .catch((error: unknown) => log.warn({}, `could not tidy up after the run: ${wordsOf(error)}`));
      }),
      onDisplaced: () =>
        finish({
          reason: 'displaced',
          words: `another process runs under the name ${node.name}: give each its own COREAPP_HOSTNAME, MESSAGE_GC_CONTROL_LISTEN or MESSAGE_GC_NODE_ID`,
        }),
      maxRows: null,
    });
    await coreapp.start();
    this.#coreapp = coreapp;
    this.#scheduling = this.#keepSchedule(coreapp);
    await this.#dispatcher.start();
  }

  async #keepSchedule(coreapp: Coreapp): Promise<void> {
    const { store, log } = this.#deps;
    const timetable = this.#timetable;
    if (timetable.record === null) return;
    const scheduler = new Scheduler({ timetable, slots: store.slots, coreapp, log }, timetable.record);
    await timetable.keep(this.#stopping.signal, () => scheduler.act());
  }

  async stopWork(): Promise<void> {
    this.#stopping.abort();
    await this.#scheduling;
    await this.#coreapp?.stop();
    await this.#gates.close();
  }

  async stopPost(): Promise<void> {
    await this.#dispatcher.stop();
  }
}

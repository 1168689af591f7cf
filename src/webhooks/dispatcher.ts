/**
 * The post room: takes due callbacks from the outbox and sends them until the receiver answers 200. Promises: never
 * ends by an exception, never sends without a URL, holds no claim longer than `claimMs` after its end, leaves no timer
 * behind. The sender is closed with it.
 *
 *   wake or due ─▶ settings ─▶ claim up to the free slots ─▶ send, each on its own ─▶ record ─▶ wake
 */
import type { Callback, Outbox } from '../core/ports.js';
import type { ApplicationSettings } from '../core/settings.js';
import type { Service } from '../kit/service.js';
import { Bell, sleep } from '../kit/sleep.js';
import { claimMs, renewing } from './claim.js';
import { deliver } from './delivery.js';
import type { AttemptResult, DeliveryDeps } from './delivery.js';
import { StoreOutage } from './store-outage.js';

export type DispatcherDeps = DeliveryDeps & {
  /** Read at every turn, so that a new URL or step counts at once. */
  readonly settings: () => Promise<ApplicationSettings>;
  /** Decision 14: an `http://` URL is not used. */
  readonly requireHttps?: boolean;
};

/** How a foreground command's callbacks ended: `waiting` ones are sent later by whoever serves this store. */
export type DeliveryCounts = { readonly delivered: number; readonly waiting: number };

/** A little more than the sender's total limit: what became of an attempt is worth recording so long. */
const attemptMs = 35_000;
/** A receiver that takes its time holds one slot, not all of them. */
const mostAtOnce = 6;
/** Callbacks that other nodes wrote ring no bell here; nobody waits longer than this for them. */
const pollMs = 5_000;
/** What is due but claimed by another node looks due at once; without a floor that would be a busy loop. */
const leastPollMs = 250;
/** A receiver that answers at all answers within this; the rest is broken off when the process stops. */
const stopSendingMs = 2_000;
const stopRecordingMs = 3_000;

export class Dispatcher implements Service {
  readonly #deps: DispatcherDeps;
  readonly #outage: StoreOutage;
  readonly #bell = new Bell();
  readonly #inHand = new Map<string, Promise<AttemptResult>>();
  /** Ends the waiting; then no more is claimed. */
  readonly #ending = new AbortController();
  /** Breaks off what is being sent. */
  readonly #breaking = new AbortController();
  #loop: Promise<void> | null = null;
  #stopped: Promise<void> | null = null;
  /** The URL whose state the log tells; null: nothing said yet. */
  #saidOf: string | null = null;

  constructor(deps: DispatcherDeps) {
    this.#deps = deps;
    this.#outage = new StoreOutage(deps.log);
  }

  start(): Promise<void> {
    this.#loop ??= this.#run();
    return Promise.resolve();
  }

  /** A callback was written, or the settings changed: look now and not at the next poll. */
  wake(): void {
    this.#bell.ring();
  }

  stop(): Promise<void> {
    this.#stopped ??= this.#stop();
    return this.#stopped;
  }

  /**
   * For a foreground run, without `start`: sends until no callback of this run waits or the time is over. Whatever
   * else is due is sent too. Ends this dispatcher. Never throws for a store that is away: the counts are then the last known.
   */
  async deliverOnce(runId: string, deadlineMs: number): Promise<DeliveryCounts> {
    const { clock, outbox } = this.#deps;
    const until = clock.monotonicMs() + deadlineMs;
    let counts: DeliveryCounts = { delivered: 0, waiting: 0 };
    while (!this.#ending.signal.aborted) {
      const turn = await this.#turn();
      const waitMs = Math.min(turn.waitMs, until - clock.monotonicMs());
      const known = await this.#countsOf(outbox, runId);
      counts = known ?? counts;
      if (known?.waiting === 0 || turn.noUrl || waitMs <= 0) break;
      await this.#bell.wait(waitMs, this.#ending.signal);
    }
    await this.stop();
    return (await this.#countsOf(outbox, runId)) ?? counts;
  }

  async #run(): Promise<void> {
    while (!this.#ending.signal.aborted) {
      const { waitMs } = await this.#turn();
      await this.#bell.wait(waitMs, this.#ending.signal);
    }
  }

  /** Never throws: what failed is said once, and the wait grows. */
  async #turn(): Promise<{ readonly waitMs: number; readonly noUrl: boolean }> {
    const { outbox } = this.#deps;
    try {
      const settings = await this.#deps.settings();
      if (!(await this.#mayGoTo(settings.webhookUrl))) return { waitMs: pollMs, noUrl: true };
      const free = mostAtOnce - this.#inHand.size;
      // All slots taken: the next one that ends rings the bell.
      if (free <= 0) return { waitMs: pollMs, noUrl: false };
      const untilMs = this.#deps.clock.monotonicMs() + attemptMs;
      const claimed = this.#ending.signal.aborted
        ? []
        : await outbox.claimDue(free, claimMs, [...this.#inHand.keys()]);
      for (const callback of claimed) this.#take(callback, settings, untilMs);
      const dueMs = await outbox.nextDueMs();
      this.#outage.over();
      return { waitMs: Math.max(leastPollMs, Math.min(pollMs, dueMs ?? pollMs)), noUrl: false };
    } catch (error) {
      this.#outage.met(error, 'take the callbacks that are due');
      return { waitMs: this.#outage.pauseMs(), noUrl: false };
    }
  }

  #take(callback: Callback, settings: ApplicationSettings, untilMs: number): void {
    const limits = { untilMs, signal: this.#breaking.signal };
    const sending = renewing(
      () => this.#deps.outbox.renew(callback, claimMs),
      deliver(this.#deps, this.#outage, callback, settings, limits),
    )
      .catch((error: unknown): AttemptResult => {
        // A defect of ours in one callback must not stop the others; its claim runs out and it is tried again.
        this.#outage.met(error, `send callback ${callback.id}`);
        return 'refused';
      })
      .finally(() => {
        this.#inHand.delete(callback.id);
        this.#bell.ring();
      });
    this.#inHand.set(callback.id, sending);
  }

  /** Whether the URL may be used; what stands in the way is said once for each URL. */
  async #mayGoTo(url: string): Promise<boolean> {
    const { log, outbox, requireHttps } = this.#deps;
    const plain = url.toLowerCase().startsWith('http://');
    const usable = url !== '' && !(plain && requireHttps === true);
    if (this.#saidOf === url) return usable;
    if (url === '') {
      const waiting = await outbox.waiting();
      if (waiting === 0) return false;
      log.warn({ waiting }, 'callbacks wait: no webhooks.url is set (PATCH /v1/settings/application)');
      this.#saidOf = '';
      return false;
    }
    this.#saidOf = url;
    if (!usable) {
      log.error(
        {},
        'callbacks wait: webhooks.url is http:// and MESSAGE_GC_REQUIRE_HTTPS refuses it; set an https:// URL',
      );
    } else if (plain) {
      log.warn(
        {},
        'webhooks.url is http://: callbacks travel unencrypted; use https:// outside of a private network',
      );
    }
    return usable;
  }

  async #countsOf(outbox: Outbox, runId: string): Promise<DeliveryCounts | null> {
    try {
      const states = (await outbox.forRun(runId)).map(({ state }) => state);
      return {
        delivered: states.filter((state) => state === 'delivered').length,
        waiting: states.filter((state) => state === 'waiting').length,
      };
    } catch (error) {
      this.#outage.met(error, `count the callbacks of run ${runId}`);
      return null;
    }
  }

  async #stop(): Promise<void> {
    this.#ending.abort();
    // What the turn in hand has claimed already is sent too: left lying it would wait until its claim runs out.
    await within(stopSendingMs, [this.#loop]);
    await within(stopSendingMs, this.#inHand.values());
    this.#breaking.abort();
    await within(stopRecordingMs, this.#inHand.values());
    await this.#deps.sender.close();
  }
}

/** Waits for all of them, at most `ms`. */
async function within(ms: number, these: Iterable<unknown>): Promise<void> {
  const done = new AbortController();
  const all = Promise.all(these).then(() => done.abort());
  await Promise.race([all, sleep(ms, done.signal)]);
}

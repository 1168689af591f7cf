/**
 * One attempt to deliver one claimed callback: send, judge the answer, record it. Only 200 counts as received.
 *
 * The record is repeated for a while, because a 200 that is not written down means that the receiver gets the callback
 * again. After that the callback belongs to whoever claims it next, and nothing is lost either way.
 */
import { deliveryDelayMs } from '../core/delivery-schedule.js';
import type { Callback, Outbox } from '../core/ports.js';
import type { ApplicationSettings } from '../core/settings.js';
import { exponentialMs, jittered } from '../kit/backoff.js';
import type { Clock } from '../kit/clock.js';
import type { Log } from '../kit/log.js';
import { sleep } from '../kit/sleep.js';
import { callbackHeaders } from './callback-headers.js';
import { refusalWords } from './failure-words.js';
import type { Sender } from './sender.js';
import type { StoreOutage } from './store-outage.js';

export type AttemptResult = 'delivered' | 'refused';

export type DeliveryDeps = {
  readonly outbox: Outbox;
  readonly sender: Sender;
  readonly clock: Clock;
  readonly log: Log;
  readonly version: string;
  readonly onAttempt?: (result: AttemptResult) => void;
};

/** Until when this attempt may be recorded, on the monotonic clock, and what breaks it off. */
export type AttemptLimits = { readonly untilMs: number; readonly signal: AbortSignal };

export async function deliver(
  deps: DeliveryDeps,
  outage: StoreOutage,
  callback: Callback,
  settings: ApplicationSettings,
  limits: AttemptLimits,
): Promise<AttemptResult> {
  const { outbox, sender, clock, log, version } = deps;
  const began = clock.monotonicMs();
  const outcome = await sender.send(
    {
      url: settings.webhookUrl,
      body: callback.body,
      headers: callbackHeaders(callback, version, clock.now()),
    },
    limits.signal,
  );
  const facts = {
    callback: callback.id,
    run: callback.run,
    attempt: callback.attempts,
    tookMs: Math.round(clock.monotonicMs() - began),
  };
  if (outcome.kind === 'answered' && outcome.status === 200) {
    deps.onAttempt?.('delivered');
    log.info({ ...facts, status: 200 }, 'callback delivered');
    await record(() => outbox.delivered(callback.id, 200));
    return 'delivered';
  }

  const status = outcome.kind === 'answered' ? outcome.status : null;
  const words = outcome.kind === 'answered' ? refusalWords(outcome.status) : outcome.words;
  const againMs = deliveryDelayMs(
    callback.attempts,
    settings.callbackBackoffDelayMs,
    settings.maxCallbackBackoffDelayMs,
  );
  deps.onAttempt?.('refused');
  log.warn({ ...facts, status, words, againMs }, 'callback not accepted, it will be sent again');
  await record(() => outbox.refused(callback, againMs, status, words));
  return 'refused';

  async function record(write: () => Promise<void>): Promise<void> {
    for (let attempt = 1; ; attempt += 1) {
      try {
        await write();
        outage.over();
        return;
      } catch (error) {
        outage.met(error, `record that callback ${callback.id} was ${outcome.kind}`);
        const pauseMs = jittered(exponentialMs(attempt, 250, 4_000));
        if (limits.signal.aborted || clock.monotonicMs() + pauseMs >= limits.untilMs) {
          log.warn(facts, 'the result of this attempt could not be recorded; the callback is sent once more');
          return;
        }
        await sleep(pauseMs, limits.signal);
      }
    }
  }
}

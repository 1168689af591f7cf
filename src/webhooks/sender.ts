/**
 * Sends one callback once, over a connection of its own. Promises: never throws; follows no redirect; whatever the
 * receiver does, an answer or a failure is there within the total limit; of a response's headers 16 KiB are read and
 * of its body 64 KiB, never kept. Who decides what an answer means is `delivery.ts`.
 */
import { Agent, request } from 'undici';
import type { Dispatcher } from 'undici';
import { wordsOf } from '../core/errors.js';
import { failureWords } from './failure-words.js';

export type CallbackRequest = {
  readonly url: string;
  readonly body: string;
  readonly headers: Readonly<Record<string, string>>;
};
/** `answered`: the status line and the headers arrived, whatever became of the body. */
export type SendOutcome =
  | { readonly kind: 'answered'; readonly status: number }
  | { readonly kind: 'failed'; readonly words: string };

export interface Sender {
  /** The signal breaks the attempt off; it then counts as failed. */
  send(callback: CallbackRequest, signal?: AbortSignal): Promise<SendOutcome>;
  /** Destroys what is open; attempts in hand fail. */
  close(): Promise<void>;
}

export type SenderTimeouts = {
  readonly connectMs: number;
  /** From the first packet to the answer's headers. Must stay below the claim's time, or two nodes send at once. */
  readonly totalMs: number;
  /** How long the body of an answer is read and thrown away, so that a small one ends in a clean close. */
  readonly bodyMs: number;
};
export const senderTimeouts: SenderTimeouts = { connectMs: 10_000, totalMs: 30_000, bodyMs: 1_000 };

const mostHeaderBytes = 16 * 1024;
const mostBodyBytes = 64 * 1024;

export function createSender(timeouts: SenderTimeouts = senderTimeouts): Sender {
  const agent = new Agent({
    connect: { timeout: timeouts.connectMs },
    maxHeaderSize: mostHeaderBytes,
    // No keep-alive: callbacks are rare, and a connection that the receiver dropped meanwhile looks like a lost answer.
    pipelining: 0,
    // Off: the total limit is one timer of ours, and theirs start anew with every byte.
    headersTimeout: 0,
    bodyTimeout: 0,
  });

  return {
    async send(callback, signal) {
      const place = placeOf(callback.url);
      if (place === null) {
        return { kind: 'failed', words: 'webhooks.url is not an http:// or https:// URL. Set it anew' };
      }
      // An own timer and not AbortSignal.timeout inside AbortSignal.any: those hold each other weakly on Node 20.
      const limit = new AbortController();
      const breakOff = (): void => limit.abort();
      const timer = setTimeout(breakOff, timeouts.totalMs);
      signal?.addEventListener('abort', breakOff, { once: true });
      if (signal?.aborted === true) breakOff();
      try {
        const answer = await request(callback.url, {
          method: 'POST',
          headers: callback.headers,
          body: callback.body,
          dispatcher: agent,
          signal: limit.signal,
        });
        void discard(answer.body, timeouts.bodyMs);
        return { kind: 'answered', status: answer.statusCode };
      } catch (error) {
        if (!limit.signal.aborted) return { kind: 'failed', words: failureWords(error, place) };
        if (signal?.aborted === true) {
          return { kind: 'failed', words: `Broken off before ${place} answered, because this process stops` };
        }
        return { kind: 'failed', words: `No answer from ${place} within ${timeouts.totalMs / 1_000} s` };
      } finally {
        clearTimeout(timer);
        signal?.removeEventListener('abort', breakOff);
      }
    },
    close: () => agent.destroy(),
  };
}

/** Reads on for a moment and throws away. Nobody waits for it: the answer counts since its headers. */
async function discard(body: Dispatcher.ResponseData['body'], ms: number): Promise<string> {
  const limit = new AbortController();
  const timer = setTimeout(() => limit.abort(), ms);
  try {
    await body.dump({ limit: mostBodyBytes, signal: limit.signal });
    return '';
  } catch (error) {
    // A body that breaks or does not end changes nothing: it would not have been looked at.
    return wordsOf(error);
  } finally {
    clearTimeout(timer);
  }
}

/** `host:port` for words; null for what is no URL of a web server. */
function placeOf(url: string): string | null {
  if (!URL.canParse(url)) return null;
  const { protocol, hostname, port } = new URL(url);
  if (protocol !== 'http:' && protocol !== 'https:') return null;
  return `${hostname}:${port === '' ? (protocol === 'http:' ? '80' : '443') : port}`;
}

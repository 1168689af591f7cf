/**
 * The headers of one attempt (decision 15). `webhook-id` and `X-Request-ID` are the same at every attempt, so that a
 * receiver can drop what it has seen; `webhook-timestamp` is made anew, so that it can refuse what is stale.
 */
import type { Callback } from '../core/ports.js';

/** Ten thousand joined requests would make a header that receivers refuse, and the callback would never arrive. */
const mostJoined = 20;

export function callbackHeaders(callback: Callback, version: string, now: Date): Record<string, string> {
  return {
    'Content-Type': 'application/json',
    'User-Agent': `message-gc/${version}`,
    'X-Request-ID': callback.run,
    'webhook-id': callback.id,
    'webhook-timestamp': String(Math.floor(now.getTime() / 1_000)),
    ...(callback.joinedRequests.length === 0
      ? {}
      : { 'X-Joined-Request-ID': callback.joinedRequests.slice(0, mostJoined).join(',') }),
  };
}

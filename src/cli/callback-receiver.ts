/**
 * A receiver for callbacks, for the commands `listen` and `demo`: takes a POST, shows what arrived, answers 200.
 * Bounded in body, headers and time, because `listen` may stand on a network. It verifies nothing and keeps nothing.
 */
import { createServer } from 'node:http';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { Refusal, wordsOf } from '../core/errors.js';

export type Received = {
  /** ISO 8601, when the body was complete. */
  readonly at: string;
  /** Those of `shownHeaders` that came, by their name there. */
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
  /** The parsed body; null when it is no JSON. */
  readonly json: unknown;
};
export interface CallbackReceiver {
  /** Where to send: the address that was bound, with the port that was found. */
  readonly url: string;
  close(): Promise<void>;
}
export type ReceiverOptions = {
  readonly host: string;
  /** 0: any free port. */
  readonly port: number;
  /** What it throws is answered with 500, so that the callback is sent again. */
  readonly onCallback: (received: Received) => void;
};

/** What ties a callback to its PUT, and to its other attempts. */
const shownHeaders = [
  'Content-Type',
  'User-Agent',
  'X-Request-ID',
  'X-Joined-Request-ID',
  'webhook-id',
  'webhook-timestamp',
] as const;
/** A thousand times a real callback. */
const mostBodyBytes = 1024 * 1024;
const requestMs = 30_000;

/** Throws a Refusal when the address cannot be bound. */
export async function startReceiver(options: ReceiverOptions): Promise<CallbackReceiver> {
  const server = createServer(
    { requestTimeout: requestMs, headersTimeout: requestMs },
    (request, response) => {
      answer(request, response, options.onCallback);
    },
  );
  await new Promise<void>((resolve, reject) => {
    server.once('error', (cause) => {
      const place = `${options.host}:${options.port}`;
      reject(
        new Refusal(
          'configuration',
          `Listening for callbacks on ${place} failed: ${wordsOf(cause)}. Choose another address or port`,
          { cause },
        ),
      );
    });
    server.listen(options.port, options.host, resolve);
  });
  const bound = server.address();
  const port = bound !== null && typeof bound === 'object' ? bound.port : options.port;
  const host = options.host.includes(':') ? `[${options.host}]` : options.host;
  return {
    url: `http://${host}:${port}/`,
    close: () =>
      new Promise((resolve) => {
        // An error here says only that it is closed already.
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

function answer(
  request: IncomingMessage,
  response: ServerResponse,
  onCallback: (received: Received) => void,
): void {
  // A sender that goes away in the middle has no answer to get.
  request.on('error', () => response.destroy());
  if (request.method !== 'POST') {
    refuse(response, 405, 'Callbacks are sent with POST\n', { Allow: 'POST' });
    return;
  }
  const parts: Buffer[] = [];
  let size = 0;
  request.on('data', (part: Buffer) => {
    size += part.length;
    if (size <= mostBodyBytes) parts.push(part);
    else if (!response.headersSent) refuse(response, 413, 'A callback has at most 1 MiB\n', {});
  });
  request.on('end', () => {
    if (response.headersSent) return;
    const body = Buffer.concat(parts).toString('utf8');
    try {
      onCallback({ at: new Date().toISOString(), headers: chosen(request), body, json: parsed(body) });
    } catch (error) {
      refuse(response, 500, `${wordsOf(error)}\n`, {});
      return;
    }
    response.writeHead(200, { 'Content-Type': 'text/plain' }).end('ok\n');
  });
}

/** Answers, and cuts the connection: the rest of the request is not worth reading. */
function refuse(
  response: ServerResponse,
  status: number,
  words: string,
  headers: Readonly<Record<string, string>>,
): void {
  response.writeHead(status, { ...headers, 'Content-Type': 'text/plain', Connection: 'close' }).end(words);
}

function chosen(request: IncomingMessage): Readonly<Record<string, string>> {
  const all: Record<string, string> = {};
  for (const name of shownHeaders) {
    const value = request.headers[name.toLowerCase()];
    if (value !== undefined) all[name] = Array.isArray(value) ? value.join(',') : value;
  }
  return all;
}

function parsed(body: string): unknown {
  try {
    return JSON.parse(body) as unknown;
  } catch {
    // Shown as text: a receiver for looking at things refuses nothing.
    return null;
  }
}

/** What arrived, for a person: time, headers, then the body as it came, or indented if it is long JSON. */
export function formatReceived(received: Received): string {
  const headers = Object.entries(received.headers).map(([name, value]) => `  ${name}: ${printable(value)}`);
  const long = received.json !== null && received.body.length > 100;
  const body = long ? JSON.stringify(received.json, null, 2) : printable(received.body);
  return [
    `POST received at ${received.at}`,
    ...headers,
    '',
    ...body.split('\n').map((line) => `  ${line}`),
  ].join('\n');
}

/** Control characters could move the cursor or retitle the terminal of who looks; line feeds stay. */
function printable(text: string): string {
  return text.replaceAll(/[^\P{Cc}\n\t]/gu, '�');
}

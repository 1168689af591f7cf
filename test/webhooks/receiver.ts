/** A real HTTP server on the loopback address that does as the test says and keeps what arrived. */
import { createServer } from 'node:http';
import type { IncomingHttpHeaders, ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

export type Arrived = { readonly headers: IncomingHttpHeaders; readonly body: string };
export type Receiver = {
  readonly url: string;
  readonly arrived: readonly Arrived[];
  /** Resolves when so many requests have arrived in full. */
  count(requests: number): Promise<void>;
  [Symbol.asyncDispose](): Promise<void>;
};

/** `answer` gets the number of the request, from 1. */
export async function receiver(answer: (response: ServerResponse, nth: number) => void): Promise<Receiver> {
  const arrived: Arrived[] = [];
  const watchers = new Set<() => void>();
  const server = createServer((request, response) => {
    let body = '';
    request.setEncoding('utf8').on('data', (part: string) => (body += part));
    request.on('end', () => {
      arrived.push({ headers: request.headers, body });
      answer(response, arrived.length);
      for (const look of watchers) look();
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${port}/hook`,
    arrived,
    count: (requests) =>
      new Promise((resolve, reject) => {
        const deadline = setTimeout(
          () => reject(new Error(`${arrived.length} of ${requests} requests`)),
          5_000,
        );
        const look = (): void => {
          if (arrived.length < requests) return;
          clearTimeout(deadline);
          watchers.delete(look);
          resolve();
        };
        watchers.add(look);
        look();
      }),
    [Symbol.asyncDispose]: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

/** A port of the loopback address where nothing listens. */
export async function closedUrl(): Promise<string> {
  const gone = await receiver(() => undefined);
  await gone[Symbol.asyncDispose]();
  return gone.url;
}

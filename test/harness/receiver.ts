/**
 * A callback receiver with every bad habit. It keeps each delivery, also those that it refuses, because what a
 * refused attempt said must be what the accepted one says.
 */
import { createServer, type IncomingHttpHeaders, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { until } from './wait.js';

export type ReceiverMode =
  | 'ok'
  | 'fail500'
  /** Takes the body and never answers. */
  | 'hang'
  | 'redirect'
  /** Takes the body, then destroys the socket: the sender cannot know. */
  | 'dropAnswer'
  /** Answers 200 and a body without end. */
  | 'endless';

export type Delivery = {
  /** Header `webhook-id`; '' when there was none. */
  readonly id: string;
  readonly body: string;
  readonly headers: IncomingHttpHeaders;
  readonly mode: ReceiverMode;
  /** Monotonic milliseconds. */
  readonly at: number;
};

export class Receiver {
  readonly deliveries: Delivery[] = [];
  mode: ReceiverMode = 'ok';
  /** Called with each delivery before it is answered: a test can kill the sender here, or set the next mode. */
  onDelivery: (delivery: Delivery) => void = () => undefined;
  readonly #server: Server;
  readonly #streams = new Set<NodeJS.Timeout>();

  private constructor(server: Server) {
    this.#server = server;
  }

  /** `port` 0: any free one. Give a port to come back where an earlier receiver was. */
  static async start(port = 0): Promise<Receiver> {
    const server = createServer();
    const receiver = new Receiver(server);
    server.on('request', (request, response) => {
      const parts: Buffer[] = [];
      request.on('data', (part: Buffer) => parts.push(part));
      request.on('error', () => response.destroy());
      request.on('end', () => {
        const delivery: Delivery = {
          id: String(request.headers['webhook-id'] ?? ''),
          body: Buffer.concat(parts).toString('utf8'),
          headers: request.headers,
          mode: request.url === '/elsewhere' ? 'redirect' : receiver.mode,
          at: performance.now(),
        };
        receiver.deliveries.push(delivery);
        receiver.onDelivery(delivery);
        receiver.#answer(response, delivery.mode);
      });
    });
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject);
      server.listen(port, '127.0.0.1', resolve);
    });
    return receiver;
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  get url(): string {
    return `http://127.0.0.1:${this.port}/callbacks`;
  }

  /** The bodies that came, by webhook-id. More than one body under an id is a broken promise, so all are kept. */
  get byId(): Map<string, Set<string>> {
    const found = new Map<string, Set<string>>();
    for (const { id, body } of this.deliveries) found.set(id, (found.get(id) ?? new Set()).add(body));
    return found;
  }

  /** The deliveries that were answered with 200. */
  get accepted(): readonly Delivery[] {
    return this.deliveries.filter((delivery) => delivery.mode === 'ok');
  }

  async waitFor(count: number, deadlineMs = 20_000): Promise<readonly Delivery[]> {
    return until(`${count} deliveries (${this.deliveries.length} came)`, deadlineMs, () =>
      this.deliveries.length >= count ? this.deliveries : null,
    );
  }

  async waitForAccepted(count: number, deadlineMs = 20_000): Promise<readonly Delivery[]> {
    return until(`${count} accepted deliveries`, deadlineMs, () =>
      this.accepted.length >= count ? this.accepted : null,
    );
  }

  async close(): Promise<void> {
    for (const timer of this.#streams) clearInterval(timer);
    this.#server.closeAllConnections();
    await new Promise<void>((resolve) => {
      this.#server.close(() => resolve());
    });
  }

  #answer(response: ServerResponse, mode: ReceiverMode): void {
    switch (mode) {
      case 'ok':
        response.writeHead(200, { 'content-type': 'application/json' }).end('{}');
        return;
      case 'fail500':
        response.writeHead(500).end('no');
        return;
      case 'redirect':
        response.writeHead(302, { location: `http://127.0.0.1:${this.port}/elsewhere` }).end();
        return;
      case 'dropAnswer':
        response.socket?.destroy();
        return;
      case 'hang':
        return;
      case 'endless': {
        response.writeHead(200, { 'content-type': 'text/plain' });
        const timer = setInterval(() => response.write('x'.repeat(65_536)), 2);
        this.#streams.add(timer);
        response.on('close', () => {
          clearInterval(timer);
          this.#streams.delete(timer);
        });
        return;
      }
    }
  }
}

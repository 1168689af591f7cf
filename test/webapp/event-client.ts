/** Reads a stream of server-sent events as a client does: over a socket, as it comes. */
import { type ClientRequest, type IncomingMessage, request } from 'node:http';
import { until } from '../harness/wait.js';

export type Told = {
  readonly id: string | null;
  readonly name: string;
  readonly data: Record<string, unknown>;
};

export class EventClient {
  readonly events: Told[] = [];
  comments = 0;
  hasEnded = false;
  #rest = '';
  readonly response: IncomingMessage;
  readonly #outgoing: ClientRequest;

  private constructor(outgoing: ClientRequest, response: IncomingMessage, isReading: boolean) {
    this.#outgoing = outgoing;
    this.response = response;
    response.on('end', () => {
      this.hasEnded = true;
    });
    response.on('error', () => undefined);
    if (isReading) response.setEncoding('utf8').on('data', (part: string) => this.#take(part));
  }

  /** `reads: false`: takes the head of the answer and leaves the rest in the socket. */
  static open(
    url: string,
    authorization: string,
    options: { readonly lastEventId?: string; readonly reads?: boolean } = {},
  ): Promise<EventClient> {
    return new Promise((resolve, reject) => {
      const { lastEventId } = options;
      const headers = {
        authorization,
        ...(lastEventId === undefined ? {} : { 'last-event-id': lastEventId }),
      };
      const outgoing = request(url, { agent: false, headers }, (response) => {
        resolve(new EventClient(outgoing, response, options.reads !== false));
      });
      outgoing.on('error', reject);
      outgoing.end();
    });
  }

  names(): readonly string[] {
    return this.events.map(({ name }) => name);
  }

  async waitFor(what: string, is: (told: Told) => boolean, deadlineMs = 30_000): Promise<Told> {
    return until(`an event: ${what}`, deadlineMs, () => this.events.find(is));
  }

  close(): void {
    this.#outgoing.destroy();
  }

  #take(part: string): void {
    const pieces = (this.#rest + part).split('\n\n');
    this.#rest = pieces.pop() ?? '';
    for (const piece of pieces) {
      const fields = new Map(
        piece.split('\n').map((line) => [line.slice(0, line.indexOf(':')), line] as const),
      );
      const value = (name: string): string | null => fields.get(name)?.slice(name.length + 2) ?? null;
      if (fields.has('')) this.comments += 1;
      const name = value('event');
      if (name !== null)
        this.events.push({ id: value('id'), name, data: JSON.parse(value('data') ?? '{}') as Told['data'] });
    }
  }
}

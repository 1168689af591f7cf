/**
 * A proxy before a MariaDB server that reads what clients ask (COM_QUERY in plain text), so that a test can strike at
 * a statement: pass it, keep it back, or let it through and keep back the answer.
 */
import { createConnection, createServer, type AddressInfo, type Server, type Socket } from 'node:net';
import { within } from './wait.js';

export type MariadbTrap = {
  readonly match: (statement: string, link: MariadbLink) => boolean;
  /** Matching statements that pass before. */
  readonly skip?: number;
  /** `hold`: the statement stays here; `hold answer`: it goes on, and nothing comes back on that connection. */
  readonly action: 'pass' | 'hold' | 'hold answer';
  readonly onHit?: () => void;
  /** With `hold`: when the statement is let go after all. */
  readonly until?: Promise<unknown>;
};

export type ArmedMariadbTrap = { waitForHit(deadlineMs: number): Promise<void> };

/** What the proxy knows of one connection. */
export type MariadbLink = {
  /** Since the last BEGIN, ROLLBACK or COMMIT. */
  readonly inTransaction: readonly string[];
};

export const mariadbStatements = {
  /** The statement that deletes messages; in the form by keys it names the table with its alias, after that of the keys. */
  messageDelete: (text: string): boolean =>
    /\bDELETE (?:\/\*.*?\*\/ )?(?:m )?FROM (?:\(.*?\) AS message_gc_keys .*?STRAIGHT_JOIN )?`messages`/.test(
      text.replaceAll(/\s+/g, ' '),
    ),
  ending: (text: string): boolean => text.startsWith("update `message_gc_run` set `state` = 'ended'"),
  commitOfBatch: (text: string, link: MariadbLink): boolean =>
    text === 'COMMIT' && link.inTransaction.some(mariadbStatements.messageDelete),
};

type Setting = { readonly trap: MariadbTrap; left: number; readonly tell: () => void };
type Open = {
  readonly client: Socket;
  readonly server: Socket;
  inTransaction: string[];
  pending: Buffer;
  isHeld: boolean;
  isMute: boolean;
};

const comQuery = 3;

/** MySQL is sent the number of a query's attributes, 0, and of their sets, 1, before the text. */
function statementOf(packet: Buffer): string {
  const hasAttributes = packet[5] === 0 && packet[6] === 1;
  return packet.toString('utf8', hasAttributes ? 7 : 5);
}

export class MariadbProxy {
  readonly #server: Server;
  readonly #target: { readonly host: string; readonly port: number };
  readonly #links = new Set<Open>();
  readonly #settings = new Set<Setting>();
  readonly #slowed = new Set<{ readonly match: (statement: string) => boolean; readonly ms: number }>();
  #isRefusing = false;

  private constructor(server: Server, target: { readonly host: string; readonly port: number }) {
    this.#server = server;
    this.#target = target;
  }

  static async start(databaseUrl: string): Promise<MariadbProxy> {
    const url = new URL(databaseUrl);
    const server = createServer({ noDelay: true });
    const proxy = new MariadbProxy(server, {
      host: url.hostname,
      port: Number(url.port === '' ? 3306 : url.port),
    });
    server.on('connection', (socket) => {
      proxy.#accept(socket);
    });
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject);
      server.listen(0, '127.0.0.1', resolve);
    });
    return proxy;
  }

  urlFor(databaseUrl: string): string {
    const url = new URL(databaseUrl);
    url.hostname = '127.0.0.1';
    url.port = String((this.#server.address() as AddressInfo).port);
    return url.href;
  }

  arm(trap: MariadbTrap): ArmedMariadbTrap {
    let tell = (): void => undefined;
    const struck = new Promise<void>((resolve) => {
      tell = resolve;
    });
    this.#settings.add({ trap, left: trap.skip ?? 0, tell: () => tell() });
    return { waitForHit: (deadlineMs) => within("a statement of the proxy's trap", deadlineMs, struck) };
  }

  /** From now on every matching statement comes `ms` late; returns how to stop. */
  slow(match: (statement: string) => boolean, ms: number): () => void {
    const slowed = { match, ms };
    this.#slowed.add(slowed);
    return () => this.#slowed.delete(slowed);
  }

  /** Ends every connection, as a restarted server does; new ones are welcome unless `refuse` was called. */
  cutAll(): void {
    for (const link of this.#links) {
      link.client.destroy();
      link.server.destroy();
    }
  }

  refuse(): void {
    this.#isRefusing = true;
    this.cutAll();
  }

  heal(): void {
    this.#isRefusing = false;
  }

  async close(): Promise<void> {
    this.cutAll();
    await new Promise<void>((resolve) => {
      this.#server.close(() => resolve());
    });
  }

  #accept(client: Socket): void {
    if (this.#isRefusing) {
      client.destroy();
      return;
    }
    const server = createConnection({ ...this.#target, noDelay: true });
    const link: Open = {
      client,
      server,
      inTransaction: [],
      pending: Buffer.alloc(0),
      isHeld: false,
      isMute: false,
    };
    this.#links.add(link);
    const end = (): void => {
      this.#links.delete(link);
      client.destroy();
      server.destroy();
    };
    for (const socket of [client, server]) {
      socket.on('error', end);
      socket.on('close', end);
    }
    server.on('data', (data) => {
      if (!link.isMute) client.write(data);
    });
    client.on('data', (data) => {
      link.pending = Buffer.concat([link.pending, data]);
      this.#forward(link);
    });
  }

  /** Whole packets only: three bytes of length, one of sequence, then the command. */
  #forward(link: Open): void {
    for (;;) {
      if (link.pending.length < 4) return;
      const length = 4 + link.pending.readUIntLE(0, 3);
      if (link.pending.length < length || link.isHeld) return;
      const packet = link.pending.subarray(0, length);
      link.pending = link.pending.subarray(length);
      const isQuery = packet[3] === 0 && packet[4] === comQuery;
      if (isQuery && (this.#strike(link, packet) || this.#delay(link, packet))) return;
      link.server.write(packet);
    }
  }

  /** True: the statement goes on later. */
  #delay(link: Open, packet: Buffer): boolean {
    const text = statementOf(packet);
    const slowed = [...this.#slowed].find(({ match }) => match(text));
    if (slowed === undefined) return false;
    link.isHeld = true;
    setTimeout(() => {
      link.isHeld = false;
      link.server.write(packet);
      this.#forward(link);
    }, slowed.ms);
    return true;
  }

  /** True: the statement is kept back. */
  #strike(link: Open, packet: Buffer): boolean {
    const text = statementOf(packet);
    const setting = [...this.#settings].find(({ trap }) => trap.match(text, link));
    link.inTransaction = /^(commit|rollback)$/i.test(text)
      ? []
      : /^begin\b/i.test(text)
        ? [text]
        : [...link.inTransaction, text];
    if (setting === undefined) return false;
    if (setting.left > 0) {
      setting.left -= 1;
      return false;
    }
    this.#settings.delete(setting);
    link.isHeld = setting.trap.action === 'hold';
    link.isMute = setting.trap.action === 'hold answer';
    setting.trap.onHit?.();
    setting.tell();
    void setting.trap.until?.then(() => {
      link.isHeld = false;
      link.server.write(packet);
      this.#forward(link);
    });
    return link.isHeld;
  }
}

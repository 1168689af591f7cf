/**
 * A TCP proxy between the product and PostgreSQL that reads along and lets a test strike at a named point: hold a
 * statement or its answer, tell the test (which may kill -9 at that instant), cut, delay, or lose the whole network.
 *
 *   product ──bytes──▶ ClientReader ──statement──▶ trap? ──▶ PostgreSQL
 *   product ◀── trap? ◀──message of an open statement── ServerReader ◀── PostgreSQL
 *
 * A connection handles one statement after another, as the driver does; answers are matched to statements by counting
 * ReadyForQuery.
 */
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net';
import { Link, type Hit, type Seen, type Sprung } from './pg-link.js';
import { within } from './wait.js';

export type { Hit, Seen };

export type Trap = {
  /** `statement`: when the client asks; `answer`: when the server's answer to it begins to arrive. */
  readonly when: 'statement' | 'answer';
  /** By the SQL (and `values` where the SQL alone does not say it). */
  readonly match: RegExp | ((seen: Seen) => boolean);
  /** Matches that pass unharmed before the trap springs. */
  readonly skip?: number;
  /** `hold` keeps the bytes back until release or cut; `pass` forwards them, then tells; `cut` ends both connections. */
  readonly action: 'hold' | 'pass' | 'cut' | { readonly delayMs: number };
  /** Called in the same tick, so that a kill lands before anything else moves. */
  readonly onHit?: (hit: Hit) => void;
};
/** A trap that is set. It springs once. */
export type Armed = {
  waitForHit(deadlineMs: number): Promise<Hit>;
  readonly hasHit: () => boolean;
  disarm(): void;
};

type Setting = {
  readonly trap: Trap;
  left: number;
  hit: Hit | null;
  readonly tell: (hit: Hit) => void;
};

/** The classes of statements at which the crash tests strike, by what the SQL says whatever its quoting. */
export const statements = {
  messageDelete: (seen: Seen) => /\bDELETE\s+FROM\s+(?:"?\w+"?\.)?"?messages\b/i.test(seen.text),
  /** Alone, or as the last of a message with several statements. */
  commit: (seen: Seen) => /(?:^|;)\s*(\/\*.*?\*\/\s*)?COMMIT\b/is.test(seen.text),
  begin: (seen: Seen) => /^\s*(\/\*.*?\*\/\s*)?(BEGIN|START\s+TRANSACTION)\b/is.test(seen.text),
  /** Only the ending of a run writes its outcome. */
  ending: (seen: Seen) => /\bUPDATE\b[^;]*?\brun\b[^;]*?\bSET\b[^;]*?\boutcome\b/is.test(seen.text),
} as const;

/** The COMMIT of a transaction in which `what` was asked: on the same connection, since its BEGIN. */
export function commitOf(proxy: PgProxy, what: (seen: Seen) => boolean): (seen: Seen) => boolean {
  return (seen) => {
    if (!statements.commit(seen)) return false;
    const asked = proxy.seen.filter(({ connection }) => connection === seen.connection);
    const begun = asked.findLastIndex((statement) => statements.begin(statement));
    return begun >= 0 && asked.slice(begun).some((statement) => what(statement));
  };
}

/** The COMMIT of a transaction that deleted messages. */
export function commitOfBatch(proxy: PgProxy): (seen: Seen) => boolean {
  return commitOf(proxy, statements.messageDelete);
}

export class PgProxy {
  /** Every statement that passed, newest last; for the words of a failing test and for counting. */
  readonly seen: Seen[] = [];
  readonly #server: Server;
  readonly #target: { readonly host: string; readonly port: number };
  readonly #links = new Set<Link>();
  readonly #settings = new Set<Setting>();
  #network: 'up' | 'blackhole' | 'refused' = 'up';
  #count = 0;
  #refused = 0;

  private constructor(server: Server, target: { readonly host: string; readonly port: number }) {
    this.#server = server;
    this.#target = target;
  }

  /** A proxy before the server of `databaseUrl`. */
  static async start(databaseUrl: string): Promise<PgProxy> {
    const url = new URL(databaseUrl);
    const server = createServer({ noDelay: true });
    const proxy = new PgProxy(server, {
      host: url.hostname,
      port: Number(url.port === '' ? 5432 : url.port),
    });
    server.on('connection', (socket) => proxy.#accept(socket));
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject);
      server.listen(0, '127.0.0.1', resolve);
    });
    return proxy;
  }

  /** The same database, through the proxy. */
  urlFor(databaseUrl: string): string {
    const url = new URL(databaseUrl);
    url.hostname = '127.0.0.1';
    url.port = String((this.#server.address() as AddressInfo).port);
    // It reads what passes.
    url.searchParams.set('sslmode', 'disable');
    return url.href;
  }

  /** Connections that were asked for and refused. */
  get refused(): number {
    return this.#refused;
  }

  get connections(): number {
    return this.#links.size;
  }

  arm(trap: Trap): Armed {
    let tell: (hit: Hit) => void = () => undefined;
    const struck = new Promise<Hit>((resolve) => {
      tell = resolve;
    });
    const setting: Setting = { trap, left: trap.skip ?? 0, hit: null, tell };
    this.#settings.add(setting);
    return {
      waitForHit: (deadlineMs) =>
        within(`a ${trap.when} that the proxy's trap is set for`, deadlineMs, struck),
      hasHit: () => setting.hit !== null,
      disarm: () => {
        this.#settings.delete(setting);
      },
    };
  }

  /** Ends every connection, as a restarted server or a dropped route does; new ones are welcome. */
  cutAll(): void {
    for (const link of this.#links) link.cut();
  }

  /** Nothing moves any more and nobody is told, in both directions, for open and new connections, until `heal`. */
  blackhole(): void {
    this.#network = 'blackhole';
    for (const link of this.#links) link.stall();
  }

  /** Cuts everything and refuses new connections until `heal`. */
  refuse(): void {
    this.#network = 'refused';
    this.cutAll();
  }

  heal(): void {
    this.#network = 'up';
    for (const link of this.#links) link.goOn();
  }

  async close(): Promise<void> {
    this.#settings.clear();
    this.cutAll();
    await new Promise<void>((resolve) => {
      this.#server.close(() => resolve());
    });
  }

  /** The trap that springs on this, if any; counts down the ones that let it pass. */
  #spring(when: Trap['when'], seen: Seen): Sprung | null {
    for (const setting of this.#settings) {
      const { trap } = setting;
      if (trap.when !== when || !matches(trap.match, seen)) continue;
      if (setting.left > 0) {
        setting.left -= 1;
        continue;
      }
      this.#settings.delete(setting);
      return {
        action: trap.action,
        tell: (hit) => {
          setting.hit = hit;
          trap.onHit?.(hit);
          setting.tell(hit);
        },
      };
    }
    return null;
  }

  #accept(socket: Socket): void {
    if (this.#network === 'refused') {
      this.#refused += 1;
      socket.destroy();
      return;
    }
    this.#count += 1;
    const link = new Link(this.#count, socket, this.#target, {
      spring: (when, seen) => this.#spring(when, seen),
      note: (seen) => this.seen.push(seen),
      closed: () => this.#links.delete(link),
    });
    this.#links.add(link);
    if (this.#network === 'blackhole') link.stall();
  }
}

function matches(match: Trap['match'], seen: Seen): boolean {
  return match instanceof RegExp ? match.test(seen.text) : match(seen);
}

import type { ConnectionOptions } from 'mysql2';
import { StoreError } from '../../core/errors.js';
import { kindOf, translate } from './errors.js';
import { isLoopback, parseAddress, placesOf, type MysqlAddress, type Servers } from './address.js';
import { connect, type Session } from './session.js';

/**
 * Connections of a node: control statements never share one with the sweep, so that a heartbeat does not wait for a
 * batch. At most workers + 5, all to the same server of a cluster.
 */
export type Sessions = {
  readonly control: Pool;
  readonly sweep: Pool;
  /** Looks at the server's health, while a run is on. */
  readonly monitor: Pool;
  /** One connection, so that nothing of ours stands in the way of what it measures. */
  readonly canary: Pool;
  readonly database: string;
  readonly sessions: number;
  /** What the server calls them: those of this process that are open now. */
  ids(): readonly number[];
  /** Whether the server in use is reached on this machine: by its loopback or a socket. */
  isLocal(): boolean;
  close(): Promise<void>;
};

/** A frozen node must free its rows long before its lease is over, and an application must not wait for it. */
const idleInTransactionSeconds = { sweep: 2, control: 5, monitor: 2 };
const lockWaitSeconds = { sweep: 1, control: 5, monitor: 1 };
/** A look that takes longer is one that could not be made. */
const statementSeconds = { sweep: undefined, control: undefined, monitor: 1 };
type Use = keyof typeof statementSeconds;
/** One for a check of the operator's own that takes its second, and one for the others. */
const monitorSessions = 2;
/** Shorter than any server's own wait_timeout that an operator would choose. */
const idleMs = 8_000;

/** @param workers how many batches may run at once */
export function openServer(address: MysqlAddress, workers: number): Sessions {
  const servers = parseAddress(address);
  const turn = new Turn(servers);
  const control = new Pool(turn, 2, 'control');
  const sweep = new Pool(turn, workers, 'sweep');
  const monitor = new Pool(turn, monitorSessions, 'monitor');
  const canary = new Pool(turn, 1, 'monitor');
  const pools = [control, sweep, monitor, canary];
  return {
    control,
    sweep,
    monitor,
    canary,
    database: servers.database,
    sessions: workers + 2 + monitorSessions + 1,
    ids: () => pools.flatMap((pool) => pool.ids()),
    isLocal: () => turn.isLocal,
    async close() {
      await Promise.all(pools.map((pool) => pool.close()));
    },
  };
}

/** One session to another server, which is only looked at. `url` as in DATABASE_URL; throws a Refusal. */
export function openReplica(url: string): { readonly pool: Pool; readonly where: string } {
  const servers = parseAddress({ url }, 'MESSAGE_GC_REPLICAS');
  return { pool: new Pool(new Turn(servers), 1, 'monitor'), where: placesOf(servers) };
}

/** Which host of the address is in use. It changes only when that one cannot be used, for all pools together. */
class Turn {
  readonly servers: Servers;
  /** Hosts that speak no TLS. Asked once: a server counts broken-off connections, and blocks a host for many. */
  readonly #plain = new Set<number>();
  #at = 0;

  constructor(servers: Servers) {
    this.servers = servers;
  }

  get at(): number {
    return this.#at;
  }

  get options(): ConnectionOptions {
    const { hosts, options, database } = this.servers;
    const whole = { ...options, database, ...hosts[this.#at] };
    if (this.#plain.has(this.#at)) delete whole.ssl;
    return whole;
  }

  get isLocal(): boolean {
    const { hosts, options } = this.servers;
    return options.socketPath !== undefined || isLoopback(hosts[this.#at]?.host ?? '');
  }

  /** The host at `seen` speaks no TLS; true where it may then be spoken to without. Several may find out at once. */
  isPlain(seen: number): boolean {
    if (this.servers.mayBePlain) this.#plain.add(seen);
    return this.servers.mayBePlain;
  }

  /** The host at `seen` failed; unless somebody has moved on already, the next one's turn comes. */
  failed(seen: number): void {
    if (seen === this.#at) this.#at = (this.#at + 1) % this.servers.hosts.length;
  }
}

type Held = {
  readonly session: Session;
  readonly host: number;
  idleSince: number;
  /** Not handed on again. */
  isLast: boolean;
};

/** At most `max` sessions to the host in turn; who asks for more waits. Broken ones are closed, not handed on. */
export class Pool {
  readonly #turn: Turn;
  readonly #max: number;
  readonly #use: Use;
  readonly #idle: Held[] = [];
  readonly #waiting: (() => void)[] = [];
  readonly #held = new Map<Session, Held>();
  #open = 0;
  #closed = false;

  constructor(turn: Turn, max: number, use: Use) {
    this.#turn = turn;
    this.#max = max;
    this.#use = use;
  }

  async acquire(): Promise<Session> {
    for (;;) {
      if (this.#closed)
        throw new StoreError('unreachable', 'CLOSED', 'connect', 'the store is closed', undefined);
      const idle = this.#usable();
      if (idle !== null) return idle;
      if (this.#open < this.#max) break;
      await new Promise<void>((resolve) => this.#waiting.push(resolve));
    }
    this.#open += 1;
    try {
      return await this.#connect();
    } catch (error) {
      this.#open -= 1;
      this.#waiting.shift()?.();
      throw error;
    }
  }

  release(session: Session): void {
    const held = this.#held.get(session);
    this.#held.delete(session);
    if (
      held === undefined ||
      this.#closed ||
      session.isBroken ||
      held.isLast ||
      held.host !== this.#turn.at
    ) {
      if (session.isBroken && held !== undefined) this.#turn.failed(held.host);
      this.#discard(session);
    } else {
      held.idleSince = performance.now();
      this.#idle.push(held);
    }
    this.#waiting.shift()?.();
  }

  ids(): readonly number[] {
    return [...this.#held.values(), ...this.#idle].map(({ session }) => session.id);
  }

  /** Gives up every session, one that is in use when it comes back; who comes later gets a new one. */
  drain(): void {
    for (const held of this.#held.values()) held.isLast = true;
    for (const { session } of this.#idle.splice(0)) this.#discard(session);
  }

  async close(): Promise<void> {
    this.#closed = true;
    this.drain();
    for (const wake of this.#waiting.splice(0)) wake();
  }

  #usable(): Session | null {
    for (let held = this.#idle.pop(); held !== undefined; held = this.#idle.pop()) {
      const isFresh =
        performance.now() - held.idleSince < this.#idleMs(held.session) && held.host === this.#turn.at;
      if (isFresh && !held.session.isBroken) {
        this.#held.set(held.session, held);
        return held.session;
      }
      this.#discard(held.session);
    }
    return null;
  }

  /** Where the server ends any idle session soon, one is not used again shortly before. */
  #idleMs({ can }: Session): number {
    return can.idleTransactionTime ? idleMs : Math.min(idleMs, idleInTransactionSeconds[this.#use] * 750);
  }

  async #connect(): Promise<Session> {
    let last: unknown;
    for (let tries = this.#turn.servers.hosts.length; tries > 0; tries -= 1) {
      const host = this.#turn.at;
      const { options } = this.#turn;
      try {
        const session = await connect({
          options,
          idleInTransactionSeconds: idleInTransactionSeconds[this.#use],
          lockWaitSeconds: lockWaitSeconds[this.#use],
          statementSeconds: statementSeconds[this.#use],
        });
        this.#held.set(session, { session, host, idleSince: 0, isLast: false });
        return session;
      } catch (error) {
        last = error;
        const hadTls = options.ssl !== undefined;
        if (hadTls && error instanceof StoreError && error.kind === 'untrusted' && this.#turn.isPlain(host)) {
          tries += 1;
          continue;
        }
        if (kindOf(error).kind !== 'unreachable' && !isUnreachable(error)) throw error;
        this.#turn.failed(host);
      }
    }
    throw last;
  }

  #discard(session: Session): void {
    this.#open -= 1;
    if (session.isBroken) session.connection.destroy();
    // Ended politely, so that the server does not count an aborted connection; it may be gone already.
    else session.connection.end(() => undefined);
  }
}

function isUnreachable(error: unknown): boolean {
  return error instanceof StoreError && error.kind === 'unreachable';
}

/** One connection for one piece of work; destroyed when the work broke it, so that nobody inherits its state. */
export async function withSession<T>(pool: Pool, work: (session: Session) => Promise<T>): Promise<T> {
  const session = await pool.acquire();
  try {
    return await work(session);
  } catch (error) {
    const kind = error instanceof StoreError ? error.kind : kindOf(error).kind;
    if (kind === 'unreachable') session.isBroken = true;
    throw error;
  } finally {
    pool.release(session);
  }
}

/** `withSession` with the driver's error translated. */
export async function asking<T>(
  pool: Pool,
  doing: string,
  work: (session: Session) => Promise<T>,
): Promise<T> {
  try {
    return await withSession(pool, work);
  } catch (error) {
    throw translate(error, doing);
  }
}

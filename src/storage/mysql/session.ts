import { createConnection as createSocket, isIP, type Socket } from 'node:net';
import { type Connection, type ConnectionOptions, createConnection } from 'mysql2';
import { kindOf, translate } from './errors.js';
import { type Capabilities, capabilitiesOf, sessionSettings } from './capabilities.js';

/** One connection with our settings. Every method rejects with the driver's error. */
export class Session {
  readonly connection: Connection;
  readonly can: Capabilities;
  /** As the server counts its connections. Not the driver's number, which is that of a proxy where there is one. */
  readonly id: number;
  /** Its connection is gone, or it owes an answer: nobody may have it any more. */
  isBroken = false;
  #roundTrips = 0;

  constructor(connection: Connection, can: Capabilities, id: number) {
    this.connection = connection;
    this.can = can;
    this.id = id;
    // Its query rejects as well, which is handled; without a listener the process would end.
    connection.on('error', () => {
      this.isBroken = true;
    });
  }

  /** The rows of a SELECT, or of a DELETE … RETURNING. */
  async rows<Row extends object>(sql: string): Promise<readonly Row[]> {
    const answer = await this.#ask(sql);
    // A DELETE … RETURNING that can meet no row is answered as if it had no RETURNING.
    return Array.isArray(answer) ? (answer as readonly Row[]) : [];
  }

  /** How many rows a statement met (for an UPDATE: matched, changed or not). */
  async write(sql: string): Promise<number> {
    const answer = (await this.#ask(sql)) as { readonly affectedRows?: number };
    return answer.affectedRows ?? 0;
  }

  /**
   * Several statements in one round trip; the first that fails ends them. An answer for each. Never inside a
   * transaction that must be whole: see `writeSpan`.
   */
  async all(statements: readonly string[]): Promise<readonly unknown[]> {
    const answer = await this.#ask(statements.join(';\n'));
    return statements.length === 1 ? [answer] : (answer as readonly unknown[]);
  }

  /**
   * Nobody may have it any more. The driver would send nothing after a question that was never answered, so that the ROLLBACK
   * would wait for as long as the kernel believes in the connection.
   */
  abandon(): void {
    this.isBroken = true;
    this.connection.destroy();
  }

  /** Questions sent so far. */
  get roundTrips(): number {
    return this.#roundTrips;
  }

  #ask(sql: string): Promise<unknown> {
    this.#roundTrips += 1;
    return new Promise((resolve, reject) => {
      this.connection.query({ sql, timeout: answerLimitMs }, (error, answer) => {
        if (error === null) resolve(answer);
        else {
          if (kindOf(error).kind === 'unreachable') this.abandon();
          reject(error);
        }
      });
    });
  }
}

/** A black hole must not hold us for ever; longer than every limit of the server's, so that it answers first. */
export const answerLimitMs = 15_000;

export type ConnectTo = {
  readonly options: Parameters<typeof createConnection>[0];
  /** Seconds after which the server ends a session of ours that is idle inside a transaction. */
  readonly idleInTransactionSeconds: number;
  /** Seconds that a statement may wait for a lock. */
  readonly lockWaitSeconds: number;
  /** Seconds after which the server ends a statement; without it what a batch may take. */
  readonly statementSeconds?: number | undefined;
};

/**
 * The driver gives TLS no name for a host that is an address, and Node then compares the certificate with "localhost":
 * one for the address is refused, and one for localhost accepted. Node looks here for the name before it falls back.
 */
function streamFor({ ssl, host = '', port = 3306 }: ConnectionOptions): ConnectionOptions {
  if (typeof ssl !== 'object' || ssl.verifyIdentity !== true || isIP(host) === 0) return {};
  const open = (): Socket => {
    const socket = createSocket({
      host,
      port,
      noDelay: true,
      keepAlive: true,
      keepAliveInitialDelay: 10_000,
    });
    return Object.assign(socket, { _host: host });
  };
  return { stream: open };
}

/** Connects and settles the session; the connection is closed when that fails. */
export async function connect({
  options,
  idleInTransactionSeconds,
  lockWaitSeconds,
  statementSeconds,
}: ConnectTo): Promise<Session> {
  const connection = createConnection({
    ...(options as object),
    ...streamFor(options as ConnectionOptions),
    charset: 'utf8mb4_general_ci',
    timezone: 'Z',
    supportBigNumbers: true,
    multipleStatements: true,
    connectTimeout: 5_000,
    enableKeepAlive: true,
    keepAliveInitialDelay: 10_000,
    connectAttributes: { program_name: 'message-gc' },
  });
  // Until the Session listens; a failed connect rejects below.
  const early = (): void => undefined;
  connection.on('error', early);
  try {
    await new Promise<void>((resolve, reject) => {
      connection.connect((error) => {
        if (error === null) resolve();
        else reject(error);
      });
    });
    const { v, id } = await new Promise<{ v: string; id: number }>((resolve, reject) => {
      const sql = 'SELECT VERSION() AS v, CONNECTION_ID() AS id';
      connection.query({ sql, timeout: answerLimitMs }, (error, answer) => {
        if (error === null)
          resolve((answer as unknown as { v: string; id: number }[])[0] ?? { v: '', id: 0 });
        else reject(error);
      });
    });
    const session = new Session(connection, capabilitiesOf(v), Number(id));
    connection.off('error', early);
    await session.all(
      sessionSettings(session.can, idleInTransactionSeconds, lockWaitSeconds, statementSeconds),
    );
    return session;
  } catch (error) {
    connection.destroy();
    throw translate(error, 'connect');
  }
}

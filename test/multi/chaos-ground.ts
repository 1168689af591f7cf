/** What a chaos round stands on, in either family: a filled database, an oracle on its own connection, an application. */
import pg from 'pg';
import { onTestFinished } from 'vitest';
import { Application } from '../harness/application.js';
import { type Door, mariadbDoor, postgresDoor } from '../harness/cluster-world.js';
import { MariadbApplication } from '../harness/mariadb-application.js';
import { createMariadbDatabase } from '../harness/mariadb-database.js';
import { mariadbOracle } from '../harness/mariadb-world.js';
import { Oracle } from '../harness/oracle.js';
import { seed } from '../harness/processes.js';
import { Receiver } from '../harness/receiver.js';
import { createScratchDatabase } from '../harness/scratch-database.js';
import { until } from '../harness/wait.js';
import { type Hand, mariadbHand, postgresHand } from './chaos-writer.js';

export type Ground = {
  readonly databaseUrl: string;
  readonly oracle: Oracle;
  readonly receiver: Receiver;
  /** How late answers arrive at the nodes: so that a run lasts for several seconds. */
  readonly slowMs: number;
  readonly door: (databaseUrl: string) => Promise<Door>;
  readonly hand: (number: number) => Hand;
};

/** `databaseUrl`: an empty database of a private server; without it one is made on the server of the tests. */
export async function postgresGround(rows: number, databaseUrl?: string): Promise<Ground> {
  const url = databaseUrl ?? (await scratch(createScratchDatabase()));
  await seed({ DATABASE_URL: url }, rows);
  const asker = new LastingClient(url);
  onTestFinished(() => asker.end());
  return {
    databaseUrl: url,
    oracle: new Oracle(asker),
    receiver: await receiving(),
    slowMs: 25,
    door: postgresDoor,
    hand: (number) => {
      const application = new Application(url, number);
      onTestFinished(() => application.close());
      return postgresHand(application);
    },
  };
}

export async function mariadbGround(rows: number): Promise<Ground> {
  const url = await scratch(createMariadbDatabase());
  await seed({ DATABASE_URL: url }, rows);
  const closers: (() => Promise<unknown>)[] = [];
  const oracle = await mariadbOracle(url, closers);
  for (const close of closers) onTestFinished(async () => void (await close()));
  return {
    databaseUrl: url,
    oracle,
    receiver: await receiving(),
    slowMs: 10,
    door: mariadbDoor,
    hand: (number) => {
      const application = new MariadbApplication(url, number);
      onTestFinished(() => application.close());
      return mariadbHand(application);
    },
  };
}

async function scratch(made: Promise<{ readonly url: string; drop(): Promise<void> }>): Promise<string> {
  const database = await made;
  onTestFinished(() => database.drop());
  return database.url;
}

async function receiving(): Promise<Receiver> {
  const receiver = await Receiver.start();
  onTestFinished(() => receiver.close());
  return receiver;
}

/** A session that outlives its server: the oracle only reads, so what was lost is asked again. */
class LastingClient {
  readonly #url: string;
  #client: pg.Client | null = null;
  #connecting: Promise<pg.Client> | null = null;
  #isEnded = false;

  constructor(url: string) {
    this.#url = url;
  }

  query(sql: string, values: readonly unknown[] = []): Promise<{ readonly rows: readonly unknown[] }> {
    return until(`the database to answer: ${sql.slice(0, 80)}`, 30_000, async () => {
      try {
        const client = await this.#connected();
        return await client.query(sql, [...values]);
      } catch (cause) {
        const isWrong = cause instanceof pg.DatabaseError && !/^(57P|08)/.test(cause.code ?? '');
        if (isWrong || this.#isEnded) throw cause;
        return null;
      }
    });
  }

  async end(): Promise<void> {
    this.#isEnded = true;
    await this.#client?.end();
  }

  async #connected(): Promise<pg.Client> {
    if (this.#client !== null) return this.#client;
    this.#connecting ??= this.#connect().finally(() => {
      this.#connecting = null;
    });
    return this.#connecting;
  }

  async #connect(): Promise<pg.Client> {
    const client = new pg.Client({ connectionString: this.#url, application_name: 'the test: oracle' });
    const lose = (): void => {
      if (this.#client === client) this.#client = null;
    };
    client.on('error', lose);
    client.on('end', lose);
    await client.connect();
    this.#client = client;
    return client;
  }
}

/** What a chaos round stands on, in either family: a filled database, an oracle on its own connection, an application. */
import pg from 'pg';
import { onTestFinished } from 'vitest';
import { Application } from '../harness/application.js';
import { type Door, mariadbDoor, postgresDoor } from '../harness/cluster-world.js';
import { MariadbApplication } from '../harness/mariadb-application.js';
import { isMariadbsAnswer, isPostgresAnswer, lastingClient } from '../harness/lasting-client.js';
import { createMariadbDatabase, mariadbConnection } from '../harness/mariadb-database.js';
import { mariadbOracleOver } from '../harness/mariadb-world.js';
import { Oracle } from '../harness/oracle.js';
import { seed } from '../harness/processes.js';
import { Receiver } from '../harness/receiver.js';
import { createScratchDatabase } from '../harness/scratch-database.js';
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
  const asker = lastingClient(async () => {
    const client = new pg.Client({ connectionString: url, application_name: 'the test: oracle' });
    await client.connect();
    return {
      query: (sql, values) => client.query(sql, [...values]),
      end: () => client.end(),
      onLoss: (lose) => {
        client.on('error', lose);
        client.on('end', lose);
      },
    };
  }, isPostgresAnswer);
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

/** `databaseUrl` as for PostgreSQL. */
export async function mariadbGround(rows: number, databaseUrl?: string): Promise<Ground> {
  const url = databaseUrl ?? (await scratch(createMariadbDatabase()));
  await seed({ DATABASE_URL: url }, rows);
  const asker = lastingClient(async () => {
    const connection = await mariadbConnection(url);
    return {
      query: async (sql, values) => {
        const [found] = await connection.query(sql, [...values]);
        return { rows: Array.isArray(found) ? found : [] };
      },
      end: () => connection.end(),
      onLoss: (lose) => {
        connection.on('error', lose);
        connection.on('end', lose);
      },
    };
  }, isMariadbsAnswer);
  onTestFinished(() => asker.end());
  return {
    databaseUrl: url,
    oracle: mariadbOracleOver(asker),
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

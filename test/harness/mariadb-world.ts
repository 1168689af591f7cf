/**
 * The world of one black-box test on MariaDB: a scratch database that the product's own `seed` filled, the proxy
 * before it, a callback receiver, an oracle on its own connection. Everything is closed when the test is over.
 */
import type mysql from 'mysql2/promise';
import { onTestFinished } from 'vitest';
import { Instance, type Role } from './instance.js';
import { MariadbApplication } from './mariadb-application.js';
import {
  createMariadbDatabase,
  inMariadb,
  type MariadbDatabase,
  mariadbClient,
  mariadbConnection,
} from './mariadb-database.js';
import { MariadbProxy } from './mariadb-proxy.js';
import { type Asker, type Keys, Oracle } from './oracle.js';
import { type Environment, seed } from './processes.js';
import { Receiver } from './receiver.js';
import { until } from './wait.js';
import { closeAll } from './world.js';

export type MariadbWorld = {
  readonly database: MariadbDatabase;
  readonly proxy: MariadbProxy;
  readonly receiver: Receiver;
  readonly oracle: Oracle;
  /** A session of the application's own, beside the proxy. */
  readonly client: mysql.Connection;
  readonly before: Keys;
  readonly eligible: Keys;
  readonly receiptsBefore: number;
  application(seed?: number): MariadbApplication;
  /** Starts `serve` behind the proxy, logged in, with the receiver as webhook. */
  start(env?: Environment, role?: Role): Promise<Instance>;
  restart(instance: Instance): Promise<Instance>;
  /** Waits until no session of the product is left, so that what a killed process had open is rolled back. */
  sessionsGone(): Promise<void>;
};

export async function mariadbWorld(rows: number): Promise<MariadbWorld> {
  const closers: (() => Promise<unknown>)[] = [];
  const instances: Instance[] = [];
  onTestFinished(async ({ task }) => {
    if (task.result?.state === 'fail') {
      for (const instance of instances) console.error(`--- instance ${instance.url}\n${instance.describe()}`);
    }
    await closeAll(closers);
  });
  const database = await createMariadbDatabase();
  closers.push(() => database.drop());
  await seed({ DATABASE_URL: database.url }, rows);
  const client = await mariadbConnection(database.url);
  closers.push(() => client.end());
  const oracle = await mariadbOracle(database.url, closers);
  const proxy = await MariadbProxy.start(database.url);
  closers.push(() => proxy.close());
  const receiver = await Receiver.start();
  closers.push(() => receiver.close());
  const keep = (instance: Instance): Instance => {
    instances.push(instance);
    closers.push(() => instance.close());
    return instance;
  };
  return {
    database,
    proxy,
    receiver,
    oracle,
    client,
    before: await oracle.allKeys(),
    eligible: await oracle.eligibleKeys(),
    receiptsBefore: await oracle.receipts(),
    application: (number) => {
      const application = new MariadbApplication(database.url, number);
      closers.push(() => application.close());
      return application;
    },
    start: async (env = {}, role = 'single') => {
      const instance = keep(
        await Instance.start({ DATABASE_URL: proxy.urlFor(database.url), ...env }, undefined, role),
      );
      if (role !== 'coreapp') await instance.setWebhook(receiver.url);
      return instance;
    },
    restart: async (instance) => keep(await instance.restart()),
    sessionsGone: async () => {
      await until('the transactions of the product to be gone', 10_000, async () => {
        const [rows_] = await client.query(
          `SELECT count(*) AS n FROM information_schema.INNODB_TRX t JOIN information_schema.PROCESSLIST p
             ON p.ID = t.trx_mysql_thread_id WHERE p.DB = DATABASE() AND p.ID <> CONNECTION_ID()`,
        );
        return (rows_ as { n: number }[])[0]?.n === 0;
      });
    },
  };
}

/**
 * The oracle's questions, in this family's words, on a connection of its own.
 * @param settings a statement for that connection: on a cluster it must wait for what other machines have committed
 */
export async function mariadbOracle(
  url: string,
  closers: (() => Promise<unknown>)[],
  settings: string | null = null,
): Promise<Oracle> {
  const asker = await mariadbClient(url);
  closers.push(() => asker.end());
  if (settings !== null) await asker.query(settings);
  return mariadbOracleOver(asker);
}

/** The same over a session of the caller's. */
export function mariadbOracleOver(asker: Asker): Oracle {
  return new Oracle({
    async query(sql) {
      const asked = inMariadb(sql)
        .replaceAll('clock_timestamp()', 'CURRENT_TIMESTAMP(6)')
        .replaceAll('(SELECT FROM', '(SELECT 1 FROM');
      const { rows } = await asker.query(asked);
      return {
        rows: (rows as Record<string, unknown>[]).map((row) =>
          'id' in row ? { ...row, id: String(row['id']) } : row,
        ),
      };
    },
  });
}

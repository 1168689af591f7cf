/**
 * The world of one black-box test on PostgreSQL: a scratch database that the product's own `seed` filled, the proxy
 * before it, a callback receiver, an oracle on its own connection. Everything is closed when the test is over.
 */
import pg from 'pg';
import { onTestFinished } from 'vitest';
import { Application } from './application.js';
import { Instance, type Role } from './instance.js';
import { type Keys, Oracle } from './oracle.js';
import { type WaitsWatch, watchLockWaits } from './lock-waits.js';
import { PgProxy } from './pg-proxy.js';
import { type Environment, seed } from './processes.js';
import { Receiver } from './receiver.js';
import { createScratchDatabase, type ScratchDatabase } from './scratch-database.js';
import { until } from './wait.js';

export type World = {
  readonly database: ScratchDatabase;
  readonly proxy: PgProxy;
  readonly receiver: Receiver;
  readonly oracle: Oracle;
  /** A session of the application's own, beside the proxy. */
  readonly client: pg.Client;
  readonly before: Keys;
  readonly eligible: Keys;
  readonly receiptsBefore: number;
  /** The application, beside the proxy; ended with the test at the latest. */
  application(seed?: number): Application;
  /** Looks who waits for whom until stopped; stopped with the test at the latest. */
  watchLockWaits(): Promise<WaitsWatch>;
  /** Starts `serve` behind the proxy, logged in, with the receiver as webhook (a Coreapp has no such door). */
  start(env?: Environment, role?: Role): Promise<Instance>;
  /** Starts the same command again at the same address, without a PUT. */
  restart(instance: Instance): Promise<Instance>;
  /** Waits until no session but the test's own is left, so that what a killed process had open is rolled back. */
  sessionsGone(): Promise<void>;
};

/** Databases that `seed` filled, by rows: copying one takes a tenth of the time of filling it. */
const templates = new Map<number, Promise<ScratchDatabase>>();

function seededTemplate(rows: number): Promise<ScratchDatabase> {
  const known = templates.get(rows);
  if (known !== undefined) return known;
  const made = (async () => {
    const database = await createScratchDatabase();
    try {
      await seed({ DATABASE_URL: database.url }, rows);
    } catch (cause) {
      await database.drop();
      throw cause;
    }
    return database;
  })();
  templates.set(rows, made);
  return made;
}

/** For afterAll: drops the databases that worlds were copied from. */
export async function dropTemplates(): Promise<void> {
  const made = [...templates.values()];
  templates.clear();
  for (const template of await Promise.allSettled(made)) {
    if (template.status === 'fulfilled') await template.value.drop();
  }
}

/** Newest first; one that fails does not keep the others from being closed. */
export async function closeAll(closers: (() => Promise<unknown>)[]): Promise<void> {
  const failures: unknown[] = [];
  for (const close of closers.reverse()) {
    try {
      await close();
    } catch (cause) {
      failures.push(cause);
    }
  }
  if (failures.length > 0) throw new AggregateError(failures, 'What the test opened could not be closed.');
}

export async function postgresWorld(rows: number): Promise<World> {
  const closers: (() => Promise<unknown>)[] = [];
  const instances: Instance[] = [];
  onTestFinished(async ({ task }) => {
    if (task.result?.state === 'fail') {
      for (const instance of instances) console.error(`--- instance ${instance.url}\n${instance.describe()}`);
    }
    await closeAll(closers);
  });

  const database = await createScratchDatabase({ template: (await seededTemplate(rows)).name });
  closers.push(() => database.drop());
  const client = new pg.Client({ connectionString: database.url, application_name: 'the test' });
  await client.connect();
  closers.push(() => client.end());
  // The oracle may not wait behind a transaction that the test itself holds open.
  const asker = new pg.Client({ connectionString: database.url, application_name: 'the test: oracle' });
  await asker.connect();
  closers.push(() => asker.end());
  const oracle = new Oracle({
    query: (sql, values) => asker.query(sql, values === undefined ? [] : [...values]),
  });
  const proxy = await PgProxy.start(database.url);
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
      const application = new Application(database.url, number);
      closers.push(() => application.close());
      return application;
    },
    watchLockWaits: async () => {
      const watch = await watchLockWaits(database.url);
      closers.push(() => watch.stop());
      return watch;
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
      await until('the sessions of the product to be gone', 10_000, async () => {
        const { rows: left } = await client.query<{ n: number }>(
          `SELECT count(*)::int AS n FROM pg_stat_activity
           WHERE datname = current_database() AND application_name NOT LIKE 'the test%'`,
        );
        return left[0]?.n === 0;
      });
    },
  };
}

/**
 * A PostgreSQL server of the tests' own, so that what others do on a shared one is no part of what is measured, and on
 * it for each test a seeded database whose rows take their time to be deleted, until the test lets go.
 */
import { randomBytes } from 'node:crypto';
import pg from 'pg';
import { onTestFinished } from 'vitest';
import { findPrograms, type PrivateServer } from '../../bench/kit/private-server.mjs';
import { waitForEnd, waitForRun, type RunShape } from '../harness/collection.js';
import { Instance } from '../harness/instance.js';
import { type Keys, Oracle } from '../harness/oracle.js';
import { PgProxy } from '../harness/pg-proxy.js';
import { type Environment, seed, signalsBut } from '../harness/processes.js';
import { within } from '../harness/wait.js';
import { closeAll } from '../harness/world.js';

/** Null when a server can be started here, else what is missing. */
export function whyNoServer(): string | null {
  try {
    findPrograms();
    return null;
  } catch (error) {
    return (error as Error).message;
  }
}

export type SignalWorld = {
  readonly url: string;
  readonly proxy: PgProxy;
  readonly client: pg.Client;
  readonly oracle: Oracle;
  readonly before: Keys;
  readonly eligible: Keys;
  /** A session of the application's own. */
  session(): Promise<pg.Client>;
  /** Starts `serve` behind the proxy, and a run that has deleted something. `signals`: those that are on. */
  collecting(
    signals: readonly string[],
    more?: { readonly choices?: string; readonly env?: Environment },
  ): Promise<{ readonly instance: Instance; readonly run: string }>;
  /** Nothing takes its time any more: the run must end complete, with exactly `eligible` gone. */
  expectExactEnd(instance: Instance, run: string, except?: readonly string[]): Promise<void>;
};

/** Rows that a run needs about ten seconds for, at a millisecond a row. */
const rows = 6_000;

export async function signalWorld(server: PrivateServer): Promise<SignalWorld> {
  const closers: (() => Promise<unknown>)[] = [];
  const instances: Instance[] = [];
  onTestFinished(async ({ task }) => {
    if (task.result?.state === 'fail') {
      for (const instance of instances) console.error(`--- instance ${instance.url}\n${instance.describe()}`);
    }
    await closeAll(closers);
  });
  const name = `chat_${randomBytes(4).toString('hex')}`;
  const admin = new pg.Client({ connectionString: server.url });
  await admin.connect();
  await admin.query(`CREATE DATABASE ${name}`);
  closers.push(async () => {
    await admin.query(`DROP DATABASE ${name} WITH (FORCE)`);
    await admin.end();
  });
  const url = new URL(server.url);
  url.pathname = `/${name}`;
  await seed({ DATABASE_URL: url.href }, rows);
  const session = async (words = 'application'): Promise<pg.Client> => {
    const client = new pg.Client({ connectionString: url.href, application_name: `the test: ${words}` });
    client.on('error', () => undefined);
    await client.connect();
    closers.push(() => client.end());
    return client;
  };
  const client = await session('eye');
  const oracle = new Oracle({ query: (sql, values) => client.query(sql, [...(values ?? [])]) });
  const before = await oracle.allKeys();
  const eligible = await oracle.eligibleKeys();
  await client.query(`
    CREATE FUNCTION linger() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN PERFORM pg_sleep(0.001); RETURN OLD; END$$;
    CREATE TRIGGER linger BEFORE DELETE ON messages FOR EACH ROW EXECUTE FUNCTION linger()`);
  const proxy = await PgProxy.start(url.href);
  closers.push(() => proxy.close());
  return {
    url: url.href,
    proxy,
    client,
    oracle,
    before,
    eligible,
    session,
    async collecting(signals, { choices = '', env = {} } = {}) {
      const instance = await Instance.start({
        DATABASE_URL: proxy.urlFor(url.href),
        MESSAGE_GC_SIGNALS: [signalsBut(...signals), choices].filter((part) => part !== '').join(','),
        ...env,
      });
      instances.push(instance);
      closers.push(() => instance.close());
      const run = await instance.collect();
      await waitForRun(instance, run, 'at work', 20_000, (seen) => seen.messages_deleted > 0);
      return { instance, run };
    },
    async expectExactEnd(instance, run, except = []) {
      await client.query(
        `CREATE OR REPLACE FUNCTION linger() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN RETURN OLD; END$$`,
      );
      const gone = new Set([...eligible].filter((key) => !except.includes(key)));
      const ended = await waitForEnd(instance, run, 60_000);
      const { state, messages_deleted, errors } = ended;
      if (state !== 'complete' || messages_deleted !== gone.size) {
        throw new Error(
          `Expected complete with ${gone.size}; ${JSON.stringify({ state, messages_deleted, errors })}`,
        );
      }
      await oracle.expectGone({ before, gone });
    },
  };
}

/** The run's reason names this signal; answers the run as it was seen. */
export function reasonToBe(
  instance: Instance,
  run: string,
  code: string,
  signal: string,
  deadlineMs = 15_000,
): Promise<RunShape> {
  return waitForRun(
    instance,
    run,
    `${code} by ${signal}`,
    deadlineMs,
    ({ reason }) => reason?.code === code && reason.signal === signal,
  );
}

/** Seconds from `fact` (a moment of this machine's clock) until the run had its reason. */
export function secondsUntil({ reason }: RunShape, fact: Date): number {
  return (Date.parse(reason?.since ?? '') - fact.getTime()) / 1_000;
}

/** Sessions that compute without a pause, until stopped. */
export async function busySessions(world: SignalWorld, count: number): Promise<{ stop(): Promise<void> }> {
  let isOver = false;
  const loops = await Promise.all(
    Array.from({ length: count }, async () => {
      const client = await world.session();
      return async () => {
        while (!isOver) await client.query('SELECT sum(n) FROM generate_series(1, 300000) n');
      };
    }),
  );
  const ended = Promise.all(loops.map((loop) => loop()));
  const stop = async (): Promise<void> => {
    isOver = true;
    await within('the busy sessions to end', 20_000, ended);
  };
  onTestFinished(stop);
  return { stop };
}

/**
 * The world of one guard's test: a scratch database that the product prepared, a store over it (through a proxy where
 * the test wants to strike at a statement), and an eye on a connection that the store knows nothing of. Closed, dropped
 * and forgotten with the test.
 */
import { randomBytes } from 'node:crypto';
import pg from 'pg';
import { onTestFinished } from 'vitest';
import { ownMapping } from '../../src/core/mapping.js';
import type { Policy } from '../../src/core/policy.js';
import type { EngineFacts, Store } from '../../src/core/ports.js';
import { silentLog } from '../../src/kit/log.js';
import { openStore } from '../../src/storage/open-store.js';
import { sqlWorld } from '../conformance/sql-world.js';
import type { World } from '../conformance/world.js';
import { PgProxy } from '../harness/pg-proxy.js';
import { createScratchDatabase, postgresBase, type ScratchDatabase } from '../harness/scratch-database.js';
import { closeAll } from '../harness/world.js';

export type GuardWorld = World & {
  readonly url: string;
  readonly facts: EngineFacts;
  /** Retention of an hour, over our own tables. */
  readonly policy: Policy;
  /** A statement by the eye; what it sees is committed. */
  ask<Row extends object>(sql: string, values?: readonly unknown[]): Promise<readonly Row[]>;
  /** Messages that a run which began now would have to delete. */
  eligibleKeys(): Promise<ReadonlySet<string>>;
  /** The application: a session of its own, ended with the test. */
  session(): Promise<pg.Client>;
  /** Another store over the same database, as another user or through a proxy; prepared. */
  openAgain(url: string): Promise<{ readonly store: Store; readonly facts: EngineFacts }>;
  proxy(): Promise<PgProxy>;
  /** A user of the server who is no superuser and may work on our tables; the URL logs in as him. */
  plainUser(): Promise<{ readonly name: string; readonly url: string }>;
};

let template: Promise<ScratchDatabase> | null = null;

/** A database that was prepared once: copying it takes a fraction of the time that migrating takes. */
function preparedTemplate(): Promise<ScratchDatabase> {
  template ??= (async () => {
    const database = await createScratchDatabase();
    const store = openStore({
      database: { engine: 'postgresql', url: database.url },
      workers: 1,
      log: silentLog,
    });
    try {
      await store.prepare({ migrate: true });
    } catch (cause) {
      await database.drop();
      throw cause;
    } finally {
      await store.close();
    }
    return database;
  })();
  return template;
}

/** For afterAll. */
export async function dropTemplate(): Promise<void> {
  const made = template;
  template = null;
  await (await made)?.drop();
}

export async function guardWorld(): Promise<GuardWorld> {
  const closers: (() => Promise<unknown>)[] = [];
  onTestFinished(() => closeAll(closers));
  const database = await createScratchDatabase({ template: (await preparedTemplate()).name });
  closers.push(() => database.drop());
  const connect = async (name: string): Promise<pg.Client> => {
    const client = new pg.Client({ connectionString: database.url, application_name: `the test: ${name}` });
    client.on('error', () => undefined);
    await client.connect();
    closers.push(() => client.end());
    return client;
  };
  const eye = await connect('eye');
  const openAgain = async (url: string) => {
    const store = openStore({ database: { engine: 'postgresql', url }, workers: 2, log: silentLog });
    closers.push(() => store.close());
    return { store, facts: await store.prepare({ migrate: true }) };
  };
  const { store, facts } = await openAgain(database.url);
  const world = await sqlWorld(store, (text, values) => eye.query(text, [...(values ?? [])]));
  const ask = async <Row extends object>(
    sql: string,
    values: readonly unknown[] = [],
  ): Promise<readonly Row[]> => (await eye.query<Row>(sql, [...values])).rows;
  return {
    ...world,
    url: database.url,
    facts,
    policy: { mapping: ownMapping, retentionSeconds: 3_600 },
    ask,
    eligibleKeys: async () =>
      new Set(
        (
          await ask<{ id: string }>(
            `SELECT id::text AS id FROM messages WHERE processed_at <= clock_timestamp() - interval '1 hour'`,
          )
        ).map(({ id }) => id),
      ),
    session: () => connect('application'),
    openAgain,
    async proxy() {
      const proxy = await PgProxy.start(database.url);
      closers.push(() => proxy.close());
      return proxy;
    },
    async plainUser() {
      const name = `mgc_plain_${randomBytes(5).toString('hex')}`;
      await eye.query(`CREATE ROLE ${name} LOGIN PASSWORD 'plain'`);
      closers.push(async () => {
        // Privileges on parameters belong to the server, not to the database that is dropped.
        await eye.query(`DROP OWNED BY ${name}`);
        await eye.query(`DROP ROLE ${name}`);
      });
      await eye.query(`GRANT USAGE ON SCHEMA message_gc TO ${name}`);
      await eye.query(`GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA message_gc TO ${name}`);
      await eye.query(`GRANT SELECT, UPDATE, DELETE ON messages, message_receipts TO ${name}`);
      const url = new URL(database.url);
      url.username = name;
      url.password = 'plain';
      return { name, url: url.href };
    },
  };
}

/** Whether the server lets a superuser hand out a single parameter (PostgreSQL 15 and newer). */
export async function hasParameterGrants(): Promise<boolean> {
  const client = new pg.Client({ connectionString: postgresBase().href });
  await client.connect();
  try {
    const { rows } = await client.query<{ n: number }>(
      `SELECT current_setting('server_version_num')::int AS n`,
    );
    return (rows[0]?.n ?? 0) >= 150_000;
  } finally {
    await client.end();
  }
}

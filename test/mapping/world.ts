/**
 * Somebody else's database: a scratch one whose tables the test makes, a store that was prepared without tables of
 * ours, and an eye on a connection of its own. Dropped with the test.
 */
import pg from 'pg';
import { onTestFinished } from 'vitest';
import type { Mapping } from '../../src/core/mapping.js';
import type { Policy } from '../../src/core/policy.js';
import type { EngineFacts, Store } from '../../src/core/ports.js';
import { silentLog } from '../../src/kit/log.js';
import { openStore } from '../../src/storage/open-store.js';
import { type Options, type Workshop, workshop } from '../guards/collect.js';
import { PgProxy } from '../harness/pg-proxy.js';
import { createScratchDatabase } from '../harness/scratch-database.js';
import { closeAll } from '../harness/world.js';

export type MappingWorld = {
  readonly url: string;
  readonly store: Store;
  readonly facts: EngineFacts;
  ask<Row extends object>(sql: string, values?: readonly unknown[]): Promise<readonly Row[]>;
  /** The values of an expression over the rows of a table, as a set of texts. */
  keys(table: string, expression?: string, where?: string): Promise<ReadonlySet<string>>;
  session(): Promise<pg.Client>;
  proxy(): Promise<PgProxy>;
  openAgain(url: string): Promise<{ readonly store: Store; readonly facts: EngineFacts }>;
  shop(mapping: Mapping, options?: Partial<Options>): Promise<Workshop>;
};

/** @param tables the tables of the application, made before ours */
export async function mappingWorld(tables: string): Promise<MappingWorld> {
  const closers: (() => Promise<unknown>)[] = [];
  onTestFinished(() => closeAll(closers));
  const database = await createScratchDatabase();
  closers.push(() => database.drop());
  const connect = async (name: string): Promise<pg.Client> => {
    const client = new pg.Client({ connectionString: database.url, application_name: `the test: ${name}` });
    client.on('error', () => undefined);
    await client.connect();
    closers.push(() => client.end());
    return client;
  };
  const eye = await connect('eye');
  await eye.query(tables);
  const openAgain = async (url: string) => {
    const store = openStore({ database: { engine: 'postgresql', url }, workers: 2, log: silentLog });
    closers.push(() => store.close());
    return { store, facts: await store.prepare({ migrate: true, ownTables: false }) };
  };
  const { store, facts } = await openAgain(database.url);
  const ask = async <Row extends object>(
    sql: string,
    values: readonly unknown[] = [],
  ): Promise<readonly Row[]> => (await eye.query<Row>(sql, [...values])).rows;
  return {
    url: database.url,
    store,
    facts,
    ask,
    keys: async (table, expression = 'id', where = 'true') =>
      new Set(
        (await ask<{ k: string }>(`SELECT (${expression})::text AS k FROM ${table} WHERE ${where}`)).map(
          ({ k }) => k,
        ),
      ),
    session: () => connect('application'),
    async proxy() {
      const proxy = await PgProxy.start(database.url);
      closers.push(() => proxy.close());
      return proxy;
    },
    openAgain,
    shop: (mapping, options = {}) =>
      workshop({ store, facts, policy: anHour(mapping), size: 25, ...options }),
  };
}

export function anHour(mapping: Mapping): Policy {
  return { mapping, retentionSeconds: 3_600 };
}

/** A mapping of the table `letters` with key `id` and age `at`, changed as the test needs it. */
export function lettersMapping(change: Partial<Mapping> = {}): Mapping {
  return {
    store: 'letters',
    table: { schema: null, name: 'letters' },
    key: ['id'],
    age: { column: 'at', unit: 'timestamptz', zone: null },
    processed: 'true',
    holds: [],
    holdList: null,
    dependents: [],
    foreignKeys: 'checked',
    walk: null,
    ...change,
  };
}

export function minus(all: ReadonlySet<string>, gone: ReadonlySet<string>): ReadonlySet<string> {
  return new Set([...all].filter((key) => !gone.has(key)));
}

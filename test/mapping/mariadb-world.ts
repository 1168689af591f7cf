/**
 * A database with somebody else's tables in it: made by the test, collected through a mapping, and asked by an oracle
 * on a connection of its own, which compares sets of keys.
 */
import { expect, onTestFinished } from 'vitest';
import type { Mapping } from '../../src/core/mapping.js';
import type { EngineFacts, Planner, Store } from '../../src/core/ports.js';
import type { RunView } from '../../src/core/run-view.js';
import { silentLog } from '../../src/kit/log.js';
import { openStore } from '../../src/storage/open-store.js';
import { type Options, workshop, type Workshop } from '../guards/collect.js';
import { createMariadbDatabase, type MariadbClient, mariadbClient } from '../harness/mariadb-database.js';

export type MappedWorld = {
  readonly url: string;
  readonly client: MariadbClient;
  readonly store: Store;
  readonly facts: EngineFacts;
  /** The first column of each row, as text. */
  keys(sql: string): Promise<ReadonlySet<string>>;
  count(sql: string): Promise<number>;
  workshop(mapping: Mapping, options?: Partial<Options>): Promise<Workshop>;
  collect(mapping: Mapping, options?: Partial<Options>): Promise<RunView>;
  plan(mapping: Mapping): ReturnType<Planner['plan']>;
  /** Collects, and compares what is left with what the oracle says must stay. */
  expectCollected(mapping: Mapping, key: string, stays: string, options?: Partial<Options>): Promise<RunView>;
};

/** An hour; `mapped` ages in these tests are days or minutes. */
export const retentionSeconds = 3_600;

/** @param through the address by which the store connects, when it is not the database's own (a proxy before it) */
export async function mappedWorld(
  ddl: readonly string[],
  through: (url: string) => Promise<string> = async (url) => url,
): Promise<MappedWorld> {
  const database = await createMariadbDatabase();
  onTestFinished(() => database.drop());
  const client = await mariadbClient(database.url);
  onTestFinished(() => client.end());
  for (const statement of ddl) await client.query(statement);
  const store = openStore({
    database: { engine: 'mysql', url: await through(database.url) },
    workers: 2,
    log: silentLog,
  });
  onTestFinished(() => store.close());
  const facts = await store.prepare({ migrate: true, ownTables: false });
  const world: MappedWorld = {
    url: database.url,
    client,
    store,
    facts,
    async keys(sql) {
      const { rows } = await client.query(sql);
      return new Set((rows as Record<string, unknown>[]).map((row) => String(Object.values(row)[0])));
    },
    async count(sql) {
      const { rows } = await client.query(sql);
      return Number(Object.values((rows as Record<string, unknown>[])[0] ?? {})[0] ?? 0);
    },
    workshop: (mapping, options = {}) =>
      workshop({ store, facts, policy: { mapping, retentionSeconds }, size: 10, ...options }),
    collect: async (mapping, options) => (await world.workshop(mapping, options)).collect(),
    plan: (mapping) => store.planner.plan({ mapping, retentionSeconds }),
    async expectCollected(mapping, key, stays, options) {
      const every = `SELECT ${key} FROM (SELECT * FROM ${quotedTable(mapping)}) m`;
      const before = await world.keys(every);
      const staying = await world.keys(`${every} WHERE ${stays}`);
      expect(staying.size, 'rows that stay').toBeGreaterThan(0);
      expect(staying.size, 'rows that go').toBeLessThan(before.size);
      const run = await world.collect(mapping, options);
      expect(run.errors).toEqual([]);
      expect(await world.keys(every)).toEqual(staying);
      expect(run).toMatchObject({ state: 'complete', messagesDeleted: before.size - staying.size });
      return run;
    },
  };
  return world;
}

/** A mapping of `Message`, by `id`, as old as `at` says in epoch seconds. */
export function mapped(change: Partial<Mapping> = {}): Mapping {
  return {
    store: 'chat',
    table: { schema: null, name: 'Message' },
    key: ['id'],
    age: { column: 'at', unit: 'epoch_s', zone: null },
    processed: 'true',
    holds: [],
    holdList: null,
    dependents: [],
    foreignKeys: 'messages_first',
    walk: null,
    ...change,
  };
}

/** Epoch seconds of two hours and of a minute ago. */
export const old = '(UNIX_TIMESTAMP() - 7200)';
export const young = '(UNIX_TIMESTAMP() - 60)';

/** `n` from 0 to 299 as rows of a table `s`. */
export const numbers = `(SELECT CAST(a.d * 100 + b.d * 10 + c.d AS SIGNED) AS n FROM ${digits()} a, ${digits()} b, ${digits()} c WHERE a.d < 3) s`;

function digits(): string {
  return `(${Array.from({ length: 10 }, (_, d) => `SELECT ${d} AS d`).join(' UNION ALL ')})`;
}

function quotedTable({ table }: Mapping): string {
  return `${table.schema === null ? '' : `\`${table.schema}\`.`}\`${table.name}\``;
}

import type pg from 'pg';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import {
  createOwnTables,
  ownCounts,
  ownTablesState,
  readOwnTablesRecord,
} from '../../src/storage/postgres/own-tables.js';
import { seedOwnTables } from '../../src/storage/postgres/seed.js';
import { PgliteWorld } from './pglite-world.js';
import { ScratchDatabase } from './postgres-scratch.js';

const world = new PgliteWorld();
const scratch = new ScratchDatabase();
let embedded: pg.Pool;
beforeAll(async () => {
  await scratch.create();
  await world.prepare();
  embedded = (await world.open()).pool;
}, 60_000);
afterAll(async () => {
  await world.end();
  await scratch.drop();
});

let schemas = 0;
/** One session with a default schema of its own, so that each test has its own tables. */
async function session(pool: pg.Pool): Promise<pg.PoolClient> {
  const client = await pool.connect();
  schemas += 1;
  await client.query(`CREATE SCHEMA test_${schemas}`);
  await client.query(`SET search_path = test_${schemas}`);
  return client;
}

describe.each([
  ['PostgreSQL', () => scratch.pool],
  ['PGlite', () => embedded],
] as const)('on %s', (_engine, pool) => {
  const withSession = async (work: (client: pg.PoolClient) => Promise<void>): Promise<void> => {
    const client = await session(pool());
    try {
      await work(client);
    } finally {
      client.release(true);
    }
  };

  test('tables that were made are known again by their record, also after it was kept as JSON', () =>
    withSession(async (q) => {
      expect(await ownTablesState(q, null)).toBe('absent');
      const record = await createOwnTables(q);
      expect(await createOwnTables(q, record)).toBe(record);
      expect(record.table).toBe(`test_${schemas}.messages`);
      const kept = readOwnTablesRecord(JSON.parse(JSON.stringify(record)));
      expect(await ownTablesState(q, kept)).toBe('ours');
      expect(await ownTablesState(q, null)).toBe('foreign');
    }));

  test('indexes of an operator change nothing, another column or key does', () =>
    withSession(async (q) => {
      const record = await createOwnTables(q);
      await q.query('CREATE INDEX ON messages (state)');
      expect(await ownTablesState(q, record)).toBe('ours');
      await q.query('ALTER TABLE messages ADD COLUMN mine int');
      expect(await ownTablesState(q, record)).toBe('foreign');
      await q.query('ALTER TABLE messages DROP COLUMN mine');
      expect(await ownTablesState(q, record)).toBe('ours');
      await q.query('ALTER TABLE messages DROP CONSTRAINT messages_pkey CASCADE');
      expect(await ownTablesState(q, record)).toBe('foreign');
    }));

  test.each([
    ['a table', 'CREATE TABLE messages (id bigint PRIMARY KEY, processed_at timestamptz)'],
    ['a view', 'CREATE VIEW messages AS SELECT 1 AS id'],
    ['a table of receipts', 'CREATE TABLE message_receipts (id int)'],
  ])('%s that somebody else made is foreign, and nothing is made beside it', (_what, statement) =>
    withSession(async (q) => {
      await q.query(statement);
      expect(await ownTablesState(q, null)).toBe('foreign');
      await expect(createOwnTables(q)).rejects.toMatchObject({ reason: 'refused' });
      const made = await q.query(
        'SELECT count(*)::int AS n FROM pg_class WHERE relnamespace = current_schema()::regnamespace AND relname ~ $1',
        ['^message(s|_receipts)$'],
      );
      expect(made.rows).toEqual([{ n: 1 }]);
    }),
  );

  test('a table in another schema does not count', () =>
    withSession(async (q) => {
      const record = await createOwnTables(q);
      await q.query(`CREATE SCHEMA other_${schemas}; SET search_path = other_${schemas}`);
      expect(await ownTablesState(q, record)).toBe('absent');
      await q.query(`CREATE TABLE messages (LIKE test_${schemas}.messages INCLUDING ALL)`);
      expect(await ownTablesState(q, record)).toBe('foreign');
    }));

  test(
    'a seed answers what is there afterwards, with the share that was asked for',
    () =>
      withSession(async (q) => {
        await createOwnTables(q);
        const seen: number[] = [];
        const answer = await seedOwnTables(q, {
          rows: 60_000,
          processed: 0.6,
          onProgress: (n) => seen.push(n),
        });
        expect(seen).toEqual([50_000, 60_000]);
        expect(answer.messages).toBe(60_000);
        expect(await ownCounts(q)).toEqual(answer);
        expect(answer.processed / answer.messages).toBeCloseTo(0.6, 1);
        expect(answer.receipts / answer.messages).toBeGreaterThan(0.8);
        expect(answer.receipts / answer.messages).toBeLessThan(1.2);
        const { rows: wrong } = await q.query(
          `SELECT count(*) FILTER (WHERE processed_at IS NOT NULL AND state IN ('pending', 'sent'))::int AS "tooEarly",
                count(*) FILTER (WHERE processed_at > clock_timestamp() OR created_at > clock_timestamp())::int AS future,
                count(*) FILTER (WHERE processed_at < created_at)::int AS before,
                count(*) FILTER (WHERE created_at < clock_timestamp() - interval '91 days')::int AS old
           FROM messages`,
        );
        expect(wrong).toEqual([{ tooEarly: 0, future: 0, before: 0, old: 0 }]);
        const { rows: order } = await q.query(
          `SELECT count(*)::int AS n FROM (
           SELECT created_at < lag(created_at) OVER (ORDER BY id) AS back FROM messages) AS t WHERE back`,
        );
        expect(order).toEqual([{ n: 0 }]);
        const { rows: states } = await q.query('SELECT DISTINCT state FROM messages ORDER BY 1');
        expect(states.map((row) => row.state)).toEqual([
          'deleted',
          'delivered',
          'failed',
          'pending',
          'read',
          'received',
          'sent',
        ]);
        const { rows: size } = await q.query(`SELECT pg_relation_size('messages')::int / 60000 AS bytes`);
        expect(size[0].bytes).toBeGreaterThan(230);
        expect(size[0].bytes).toBeLessThan(370);
      }),
    60_000,
  );

  test('the same seed makes the same rows, and a second one adds to the first', () =>
    withSession(async (q) => {
      await createOwnTables(q);
      const options = { rows: 2_000, processed: 0.5, onProgress: () => undefined };
      const once = await seedOwnTables(q, options);
      const content = `SELECT md5(string_agg(concat(direction, state, contact, network_id, body, processed_at IS NULL), '|'
                                             ORDER BY id)) AS sum
                         FROM messages WHERE id > $1 AND id <= $1 + 2000`;
      const first = await q.query(content, [0]);
      expect(await seedOwnTables(q, options)).toMatchObject({ messages: 2_000, processed: once.processed });
      expect((await q.query(content, [2_000])).rows).toEqual(first.rows);
      expect((await ownCounts(q)).messages).toBe(4_000);
    }));

  test('shares of none and all are kept exactly', () =>
    withSession(async (q) => {
      await createOwnTables(q);
      const options = { rows: 1_000, onProgress: () => undefined };
      expect((await seedOwnTables(q, { ...options, processed: 0 })).processed).toBe(0);
      expect((await seedOwnTables(q, { ...options, processed: 1 })).processed).toBe(1_000);
    }));
});

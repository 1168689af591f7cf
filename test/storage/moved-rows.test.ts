import pg from 'pg';
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import type { Plan } from '../../src/core/run.js';
import { nothingMoved, readMoves } from '../../src/storage/postgres/moved-rows.js';
import { describePostgres } from '../engines.js';
import { createScratchDatabase, type ScratchDatabase } from '../harness/scratch-database.js';

/** Whether a walk by heap blocks needs a look after it: only if an UPDATE may have moved a row. */
describePostgres('rows that moved since the plan', () => {
  let database: ScratchDatabase;
  /** As the store connects: its own sessions move no rows. */
  let ours: pg.Client;
  let oid: string;
  let plan: Plan;

  beforeAll(async () => {
    database = await createScratchDatabase();
    ours = await connect('message-gc');
    await ours.query('CREATE TABLE letters (id int PRIMARY KEY, body text NOT NULL)');
    await ours.query('ALTER TABLE letters ALTER body SET STORAGE PLAIN');
    const { rows } = await ours.query(`SELECT 'letters'::regclass::oid::text AS oid`);
    oid = rows[0].oid;
  });

  afterAll(async () => {
    await ours?.end();
    await database?.drop();
  });

  beforeEach(async ({ skip }) => {
    const { rows } = await ours.query(`SELECT current_setting('server_version_num')::int AS version`);
    skip(rows[0].version < 150_000, 'before PostgreSQL 15 no count is believed');
    await application([
      'TRUNCATE letters',
      `INSERT INTO letters SELECT g, repeat('x', 1800) FROM generate_series(1, 400) g`,
    ]);
    plan = { guards: { oids: JSON.stringify([oid]), moves: await readMoves(ours, oid) } } as unknown as Plan;
    expect(plan.guards['moves']).toBeTypeOf('string');
  });

  async function connect(name: string): Promise<pg.Client> {
    const client = new pg.Client({ connectionString: database.url, application_name: name });
    await client.connect();
    return client;
  }

  /** Another session, which is over when this returns: the server has its counts, and nobody is left in the list. */
  async function application(statements: readonly string[]): Promise<void> {
    const client = await connect('shop');
    const { rows } = await client.query('SELECT pg_backend_pid() AS pid');
    for (const statement of statements) await client.query(statement);
    await client.end();
    for (;;) {
      const left = await ours.query('SELECT 1 FROM pg_stat_activity WHERE pid = $1', [rows[0].pid]);
      if (left.rowCount === 0) return;
    }
  }

  test('are none while the table is at rest, though its rows are deleted and added to', async () => {
    await application(['DELETE FROM letters WHERE id <= 100', `INSERT INTO letters VALUES (1000, 'new')`]);
    expect(await nothingMoved(ours, plan)).toBe(true);
  });

  test('are suspected after an UPDATE that found no room in the block', async () => {
    await application([`UPDATE letters SET body = body WHERE id <= 100`]);
    expect(await nothingMoved(ours, plan)).toBe(false);
  });

  test('are suspected while another session was active within the time in which counts are on their way', async () => {
    const shop = await connect('shop');
    await shop.query('SELECT 1');
    expect(await nothingMoved(ours, plan)).toBe(false);
    await shop.query('BEGIN');
    expect(await nothingMoved(ours, plan)).toBe(false);
    await shop.end();
  });

  test('are suspected where the counts were reset, or were not kept when the plan was made', async () => {
    expect(await nothingMoved(ours, { ...plan, guards: { oids: plan.guards['oids'] ?? '' } })).toBe(false);
    await ours.query('SELECT pg_stat_reset()');
    expect(await nothingMoved(ours, plan)).toBe(false);
  });

  test('are suspected by a user who may not see what others do', async () => {
    const name = `message_gc_test_${process.pid}`;
    await ours.query(`CREATE ROLE ${name} LOGIN`);
    const url = new URL(database.url);
    url.username = name;
    const plain = new pg.Client({ connectionString: url.href, application_name: 'message-gc' });
    const shop = await connect('shop');
    try {
      await plain.connect();
      await shop.query('SELECT 1');
      expect(await nothingMoved(plain, plan)).toBe(false);
    } finally {
      await plain.end();
      await shop.end();
      await ours.query(`DROP ROLE ${name}`);
    }
  });
});

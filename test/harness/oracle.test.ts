import pg from 'pg';
import { expect, onTestFinished, test } from 'vitest';
import { Oracle } from './oracle.js';
import { createScratchDatabase } from './scratch-database.js';
import { describePostgres } from '../engines.js';

/** The oracle judges the product; so it is judged first, on tables that this file makes and breaks. */
async function world(): Promise<{ client: pg.Client; oracle: Oracle }> {
  const database = await createScratchDatabase();
  const client = new pg.Client({ connectionString: database.url });
  await client.connect();
  onTestFinished(async () => {
    await client.end();
    await database.drop();
  });
  await client.query(`
    CREATE TABLE messages (id bigint PRIMARY KEY, processed_at timestamptz);
    CREATE TABLE message_receipts (id bigserial PRIMARY KEY, message_id bigint NOT NULL);
    INSERT INTO messages SELECT g, CASE WHEN g <= 40 THEN now() - interval '1 hour'
      WHEN g <= 50 THEN now() + interval '1 hour' END FROM generate_series(1, 100) g;
    INSERT INTO message_receipts (message_id) SELECT id FROM messages`);
  return { client, oracle: new Oracle(client) };
}

describePostgres('the oracle', () => {
  test('only processed messages of the past are eligible', async () => {
    const { oracle } = await world();
    const eligible = await oracle.eligibleKeys();
    expect(eligible.size).toBe(40);
    expect(eligible.has('41')).toBe(false);
  });

  test('a wrong row gone and a right one kept is seen although the counts agree', async () => {
    const { client, oracle } = await world();
    const before = await oracle.allKeys();
    const gone = await oracle.eligibleKeys();
    await client.query('DELETE FROM messages WHERE id BETWEEN 2 AND 41');
    await expect(oracle.expectGone({ before, gone })).rejects.toThrow(
      'Eligible but kept — 1: 1. Not eligible but gone — 1: 41.',
    );
  });

  test('exactly the eligible ones gone is accepted, and touched ones may be gone or not', async () => {
    const { client, oracle } = await world();
    const before = await oracle.allKeys();
    const gone = await oracle.eligibleKeys();
    await client.query('DELETE FROM messages WHERE id BETWEEN 2 AND 40');
    const found = await oracle.expectGone({ before, gone, either: new Set(['1']) });
    expect(found.size).toBe(39);
  });

  test('receipts without their message are counted', async () => {
    const { client, oracle } = await world();
    await oracle.expectNoOrphans();
    await client.query('DELETE FROM messages WHERE id <= 3');
    expect(await oracle.orphans()).toBe(3);
  });
});

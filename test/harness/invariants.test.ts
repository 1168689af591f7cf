import pg from 'pg';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { invariants } from './invariants.js';
import { Oracle } from './oracle.js';
import { createScratchDatabase, type ScratchDatabase } from './scratch-database.js';
import { describePostgres } from '../engines.js';

describePostgres('the invariants of the ledger', () => {
  /** Each rule is broken once, on ledger tables of this file's own: a query that can never answer a row guards nothing. */
  let database: ScratchDatabase;
  let client: pg.Client;

  beforeAll(async () => {
    database = await createScratchDatabase();
    client = new pg.Client({ connectionString: database.url });
    await client.connect();
    await client.query(`
    CREATE SCHEMA message_gc;
    CREATE TABLE message_gc.run (id text, active int, state text, outcome text, form text, round int, spans int,
      low_key text, high_key text, deleted bigint);
    CREATE TABLE message_gc.span (run text, no int, round int, kind text, low_key text, high_key text, cursor_key text,
      state text, owner text, boot text, fence int, lease_until timestamptz, deleted bigint);
    CREATE TABLE message_gc.tally (run text, span int, node text, deleted bigint);
    CREATE TABLE message_gc.outbox (id text, run text, node text);
    -- An ended run over (0, 20] in two spans, and one in the middle of its work.
    INSERT INTO message_gc.run VALUES
      ('over', NULL, 'ended', 'complete', 'single', 0, 2, '["0"]', '["20"]', 9),
      ('now', 1, 'running', NULL, 'single', 0, 2, '["0"]', '["20"]', 0);
    INSERT INTO message_gc.span VALUES
      ('over', 1, 0, 'walk', '["0"]', '["10"]', '["10"]', 'done', 'n', 'b', 1, now(), 4),
      ('over', 2, 0, 'walk', '["10"]', '["20"]', '["20"]', 'done', 'n', 'b', 1, now(), 5),
      ('now', 1, 0, 'walk', '["0"]', '["10"]', '["3"]', 'leased', 'n', 'b', 1, now(), 2),
      ('now', 2, 0, 'walk', '["10"]', '["20"]', '["10"]', 'open', NULL, NULL, 0, NULL, 0);
    INSERT INTO message_gc.tally VALUES
      ('over', 0, 'n', 0), ('over', 1, 'n', 4), ('over', 2, 'n', 5), ('now', 0, 'n', 0), ('now', 1, 'n', 2);
    INSERT INTO message_gc.outbox VALUES ('o1', 'over', '')`);
  });
  afterAll(async () => {
    await client.end();
    await database.drop();
  });

  const breaks: Readonly<Record<string, string>> = {
    'the flag "active" is set exactly while a run is unfinished': `UPDATE message_gc.run SET active = NULL WHERE id = 'now'`,
    'at most one run is unfinished': `INSERT INTO message_gc.run VALUES ('two', 1, 'running', NULL, 'single', 0, 0, NULL, NULL, 0)`,
    "an ended run's total is the sum of its tallies": `UPDATE message_gc.run SET deleted = 8 WHERE id = 'over'`,
    "a span's count is the sum of its tallies": `UPDATE message_gc.tally SET deleted = 1 WHERE run = 'now' AND span = 1`,
    'an ended run has no work open': `UPDATE message_gc.span SET state = 'open' WHERE run = 'over' AND no = 1`,
    'a complete run of one round was not cut short': `UPDATE message_gc.span SET state = 'closed' WHERE run = 'over' AND no = 1`,
    'a walk that is done was walked to its end': `UPDATE message_gc.span SET cursor_key = '["9"]' WHERE run = 'over' AND no = 1`,
    'a leased span has its owner, boot, lease and fence': `UPDATE message_gc.span SET lease_until = NULL WHERE run = 'now' AND no = 1`,
    "round 0 leaves no gap: every low is the run's low or another span's high": `UPDATE message_gc.span SET low_key = '["11"]' WHERE run = 'over' AND no = 2`,
    'round 0 walks nothing twice: no low is shared': `UPDATE message_gc.span SET low_key = '["0"]' WHERE run = 'over' AND no = 2`,
    "round 0 reaches the run's high exactly once": `UPDATE message_gc.run SET high_key = '["30"]' WHERE id = 'over'`,
    'everyone who took part in an ended run of several nodes is told': `UPDATE message_gc.run SET form = 'multi' WHERE id = 'over'`,
    'nobody is told before the end': `INSERT INTO message_gc.outbox VALUES ('o2', 'now', '')`,
    'a run of a single instance has one callback at most': `INSERT INTO message_gc.outbox VALUES ('o2', 'over', '')`,
    'no span has a number beyond the counter': `UPDATE message_gc.run SET spans = 1 WHERE id = 'now'`,
    'no tally is of a span that is not there': `INSERT INTO message_gc.tally VALUES ('now', 7, 'n', 0)`,
  };

  test('a ledger in order breaks no rule', async () => {
    expect(await new Oracle(client).violations()).toEqual([]);
  });

  test.each(invariants.map(({ rule }) => rule))('a ledger that breaks it is seen: %s', async (rule) => {
    const broken = breaks[rule];
    if (broken === undefined) throw new Error(`This file has no ledger that breaks: ${rule}`);
    await client.query('BEGIN');
    try {
      await client.query(broken);
      const found = await new Oracle(client).violations();
      expect(found.map((violation) => violation.rule)).toContain(rule);
    } finally {
      await client.query('ROLLBACK');
    }
  });
});

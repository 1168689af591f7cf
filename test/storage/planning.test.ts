import pg from 'pg';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { ownMapping } from '../../src/core/mapping.js';
import type { Plan } from '../../src/core/run.js';
import { collectableInRangeSql, collectableSql } from '../../src/storage/postgres/held.js';
import { Parameters } from '../../src/storage/postgres/range.js';
import { describePostgres } from '../engines.js';
import { createScratchDatabase, type ScratchDatabase } from '../harness/scratch-database.js';
import { until } from '../harness/wait.js';

/** Planning a batch must cost nothing that grows with what the batches before it have deleted. */
describePostgres('the planning of a batch behind a walk', () => {
  let database: ScratchDatabase;
  let client: pg.Client;

  beforeAll(async () => {
    database = await createScratchDatabase();
    client = new pg.Client({ connectionString: database.url });
    await client.connect();
    // Ages in the order of the keys; the walk has come through the older half, and nobody has vacuumed.
    await client.query(`CREATE TABLE letters (id int PRIMARY KEY, at timestamptz, seconds bigint, body text NOT NULL)
      WITH (autovacuum_enabled = false)`);
    await client.query(`INSERT INTO letters SELECT g, '2026-01-01'::timestamptz + g * interval '1 minute', g, repeat('x', 400)
      FROM generate_series(1, 20000) g`);
    await client.query('CREATE INDEX ON letters (at); CREATE INDEX ON letters (seconds); ANALYZE letters');
    await client.query('DELETE FROM letters WHERE id <= 10000');
    const { rows } = await client.query('SELECT pg_snapshot_xmax(pg_current_snapshot())::text AS next');
    // As long as anybody on the server, in any database, is in a transaction that began before, the rows are not dead
    // to everybody, and the planner takes the first of them for the lowest age.
    await until('the deleted rows to be dead to everybody', 50_000, async () => {
      const seen = await client.query(
        'SELECT pg_snapshot_xmin(pg_current_snapshot())::text::bigint >= $1::bigint AS dead',
        [rows[0].next],
      );
      return seen.rows[0].dead === true;
    });
  });

  afterAll(async () => {
    await client?.end();
    await database?.drop();
  });

  async function blocksRead(condition: (parameters: Parameters) => string): Promise<number> {
    const parameters = new Parameters();
    const statement = `EXPLAIN (BUFFERS, FORMAT JSON) DELETE FROM letters m WHERE m.id > 12000 AND m.id <= 12100 AND ${condition(parameters)}`;
    // The first time the session reads the catalogue, too.
    await client.query(statement, parameters.values);
    const { rows } = await client.query(statement, parameters.values);
    const { Planning: planning } = rows[0]['QUERY PLAN'][0];
    return planning['Shared Hit Blocks'] + planning['Shared Read Blocks'];
  }

  test.each([
    ['timestamptz', 'at'],
    ['epoch_s', 'seconds'],
  ] as const)('does not look for the lowest age (%s) among dead entries', async (unit, column) => {
    const mapping = { ...ownMapping, age: { column, unit, zone: null } };
    const policy = { mapping, retentionSeconds: 0 };
    const plan = { walk: 'key', horizon: '2026-01-10T00:00:00.000000Z', guards: {} } as unknown as Plan;
    const held = { key: false, contact: false };
    const withProcessed = { ...policy, mapping: { ...mapping, processed: 'true', holds: [] } };
    // What a walk by age must ask: then the planner reads what the walk left behind.
    expect(await blocksRead((given) => collectableSql(withProcessed, plan, held, given))).toBeGreaterThan(80);
    expect(await blocksRead((given) => collectableInRangeSql(withProcessed, plan, held, given))).toBeLessThan(
      30,
    );
  });
});

import pg from 'pg';
import { expect, onTestFinished, test } from 'vitest';
import { startForeground } from '../../bench/gentleness/foreground.mjs';
import { nowMs } from '../../bench/kit/monotonic.mjs';
import { describePostgres } from '../engines.js';
import { createScratchDatabase } from '../harness/scratch-database.js';
import { pause, until } from '../harness/wait.js';
import { closeAll } from '../harness/world.js';

const perSecond = 200;
const connections = 4;
const rows = 100;

async function world() {
  const closers: (() => Promise<unknown>)[] = [];
  onTestFinished(() => closeAll(closers));
  const database = await createScratchDatabase();
  closers.push(() => database.drop());
  const client = new pg.Client({ connectionString: database.url });
  await client.connect();
  closers.push(() => client.end());
  await client.query(`CREATE TABLE bench_messages (id bigint PRIMARY KEY, direction text, state text, contact text, body text,
    created_at timestamptz, updated_at timestamptz, processed_at timestamptz)`);
  await client.query('INSERT INTO bench_messages (id) SELECT generate_series(1, $1::int)', [rows]);
  const load = await startForeground({
    engine: 'postgresql',
    url: database.url,
    perSecond,
    connections,
    liveIds: Array.from({ length: rows }, (_, place) => place + 1),
    firstId: rows,
  });
  closers.push(async () => load.kill());
  const count = async (sql: string): Promise<number> =>
    Number((await client.query<{ count: string }>(`SELECT count(*) AS count FROM ${sql}`)).rows[0]?.count);
  return { client, load, count };
}

describePostgres('the load beside which collectors are measured', () => {
  test('a stall lengthens every request that was due in it, also those that nobody could send', async () => {
    const { client, load, count } = await world();
    await client.query('BEGIN');
    await client.query('LOCK TABLE bench_messages IN ACCESS EXCLUSIVE MODE');
    const from = nowMs();
    await until(
      'every connection of the load to wait',
      10_000,
      async () =>
        (await count(
          `pg_locks l JOIN pg_database d ON d.oid = l.database WHERE NOT l.granted AND d.datname = current_database()`,
        )) === connections,
    );
    await pause(300);
    const to = nowMs();
    await client.query('COMMIT');
    const { due, took, errors } = await load.stop();
    expect(errors).toEqual({});
    const stalled = [...due.keys()].filter((at) => Number(due[at]) > from && Number(due[at]) < to);
    // A load that waits for its answers would have sent no more than one on each connection.
    expect(stalled.length).toBeGreaterThan(((to - from) / 1_000) * perSecond - 3);
    for (const at of stalled) expect(Number(due[at]) + Number(took[at])).toBeGreaterThanOrEqual(to);
  });

  test('says how many rows it inserted, exactly', async () => {
    const { load, count } = await world();
    await until('rows of the load', 10_000, async () => (await count('bench_messages')) > rows + 20);
    const { inserted, errors } = await load.stop();
    expect(errors).toEqual({});
    expect(await count('bench_messages')).toBe(rows + inserted);
  });

  test('a live row that is gone is an error, for reads and for updates', async () => {
    const { client, load, count } = await world();
    await client.query('DELETE FROM bench_messages WHERE id <= $1', [rows]);
    await until('rows of the load', 10_000, async () => (await count('bench_messages')) > 20);
    const { errors } = await load.stop();
    expect(errors['read of a row found 0']).toBeGreaterThan(0);
    expect(errors['update of a row found 0']).toBeGreaterThan(0);
  });
});

import { randomBytes } from 'node:crypto';
import type { PoolClient } from 'pg';
import type { Mapping } from '../../../core/mapping.js';
import { canaryLoop } from '../../signals/canary-loop.js';
import type { Watcher } from '../../signals/gather.js';
import { readTableFacts } from '../catalogue.js';
import { kindOf, translate } from '../errors.js';
import { quoted, quotedTable } from '../names.js';
import { Parameters } from '../range.js';
import type { Sessions } from '../session.js';
import { askPrepared } from './prepared.js';

/** The row that is read is looked for no longer than this; without one the read finds nothing. */
const findKeyMs = 150;
/**
 * Every write leaves a version behind. While somebody's old transaction keeps them all, the canary's own row would
 * become slow to find, and say of the server what is true of itself: so it moves to a new row now and then.
 */
const writesPerRow = 200;

/**
 * What a small request of the application would take now: a message read by its key and one row written and
 * committed, durably, as the server's settings have it; on a session of its own.
 */
export function canary(sessions: Sessions, mapping: Mapping): Watcher {
  let session: PoolClient | null = null;
  let read = { sql: '', values: [] as readonly unknown[] };
  let row = newRow();

  const connected = async (): Promise<PoolClient> => {
    if (session !== null) return session;
    const client = await sessions.monitor.connect();
    // A connection that breaks between two probes: the next one meets it.
    client.on('error', () => undefined);
    session = client;
    return client;
  };
  const disconnect = (): void => {
    session?.release(true);
    session = null;
  };
  /** A session that failed once is thrown away. */
  const asking = async (ask: (client: PoolClient) => Promise<unknown>): Promise<void> => {
    try {
      await ask(await connected());
    } catch (error) {
      disconnect();
      throw translate(error, 'probe the server');
    }
  };
  const probe = async (client: PoolClient): Promise<void> => {
    try {
      await askPrepared(sessions.monitor, client, read.sql, read.values);
      await askPrepared(sessions.monitor, client, writeSql, [row.id]);
    } catch (error) {
      // Its time was over (statement_timeout): no trouble, but as slow as a probe can be.
      if (kindOf(error).kind !== 'slow') throw error;
    }
    row.writes += 1;
  };
  const moveOn = async (client: PoolClient): Promise<void> => {
    if (row.writes < writesPerRow) return;
    await client.query(forgetSql, [row.id]);
    row = newRow();
  };
  const loop = canaryLoop(
    () => asking(probe),
    () => asking(moveOn),
  );

  return {
    signal: 'canary',
    async probe() {
      await asking(async (client) => {
        await client.query(forgetOldSql);
        read = await readOf(client, mapping);
      });
      await loop.begin();
      return null;
    },
    read: async () => loop.read(),
    async close() {
      if (await loop.stop()) await session?.query(forgetSql, [row.id]).catch(() => undefined);
      disconnect();
    },
  };
}

function newRow(): { readonly id: string; writes: number } {
  return { id: randomBytes(8).toString('hex'), writes: 0 };
}

const writeSql = `INSERT INTO message_gc.canary (id, at) VALUES ($1, clock_timestamp())
  ON CONFLICT (id) DO UPDATE SET at = excluded.at`;
const forgetSql = 'DELETE FROM message_gc.canary WHERE id = $1';
/** Left behind by processes that were killed. */
const forgetOldSql = `DELETE FROM message_gc.canary WHERE at < clock_timestamp() - interval '1 hour'`;

/** One message by its key: the last one, which an application is most likely to ask for. */
async function readOf(
  client: PoolClient,
  mapping: Mapping,
): Promise<{ readonly sql: string; readonly values: readonly unknown[] }> {
  const { keyTypes } = await readTableFacts(client, mapping);
  const table = quotedTable(mapping.table);
  const columns = mapping.key.map((name) => `m.${quoted(name)}`);
  const texts = columns.map((column) => `${column}::text`).join(', ');
  const order = columns.map((column) => `${column} DESC`).join(', ');
  let key: readonly (string | null)[] = columns.map(() => null);
  await client.query(`BEGIN READ ONLY`);
  try {
    await client.query(`SET LOCAL statement_timeout = '${findKeyMs}ms'`);
    const last = `SELECT ARRAY[${texts}] AS key FROM ${table} m ORDER BY ${order} LIMIT 1`;
    const { rows } = await client.query<{ key: readonly string[] }>(last);
    key = rows[0]?.key ?? key;
  } catch (error) {
    if (kindOf(error).kind !== 'slow') throw error;
  } finally {
    await client.query('ROLLBACK');
  }
  const parameters = new Parameters();
  const same = columns.map(
    (column, place) => `${column} = ${parameters.add(key[place], keyTypes[place] ?? 'text')}`,
  );
  return { sql: `SELECT ${texts} FROM ${table} m WHERE ${same.join(' AND ')}`, values: parameters.values };
}

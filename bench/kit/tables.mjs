// The table that is measured: rows of about 300 bytes, three indexes, a given share of it processed, ages in the
// order of the rows. Optionally receipts (0, 1 or 2 a message, one on average) with a foreign key. Everything but
// uuid keys follows from the row's number, so that two runs measure the same table.
import { openStore } from '../../dist/storage/open-store.js';
import { silentLog } from '../../dist/kit/log.js';
import { settle, withClient } from './server.mjs';

/**
 * @typedef {object} TableKind
 * @property {'bigint' | 'uuid'} key
 * @property {boolean} receipts
 * @property {number} rows
 * @property {number} processed  share, 0 to 1
 */

const insertRows = 250_000;

/** Names of the measured tables, and of the product's own. */
export const benchTables = { messages: 'bench_messages', receipts: 'bench_receipts' };
export const ownTables = { messages: 'messages', receipts: 'message_receipts' };

/**
 * Makes the product's own tables (our runs need their ledger) and the measured one in an empty database.
 * @param {string} url
 * @param {TableKind} kind
 */
export async function makeTables(url, kind) {
  await makeLedger(url);
  await withClient(url, async (client) => {
    const isUuid = kind.key === 'uuid';
    await client.query(`CREATE TABLE bench_messages (
      id ${isUuid ? 'uuid' : 'bigint'} NOT NULL, direction text NOT NULL, state text NOT NULL, contact text NOT NULL,
      body text NOT NULL, created_at timestamptz NOT NULL, updated_at timestamptz NOT NULL, processed_at timestamptz)`);
    for (let first = 1; first <= kind.rows; first += insertRows) {
      const last = Math.min(kind.rows, first + insertRows - 1);
      // 90 days, evenly; the hash decides who is processed, so that victims and others alternate as they do in life.
      await client.query(
        `INSERT INTO bench_messages
         SELECT ${isUuid ? 'gen_random_uuid()' : 'i'}, CASE WHEN i % 2 = 0 THEN 'inbound' ELSE 'outbound' END, 'delivered',
           '4915' || lpad((hashint8extended(i, 1) & 9999999)::text, 8, '0'),
           rpad('', 140 + (hashint8extended(i, 2) & 127)::int, md5(i::text)),
           made, made + interval '5 minutes',
           CASE WHEN (hashint8extended(i, 3) & 1048575) < $3::float8 * 1048576 THEN made + interval '10 minutes' END
         FROM (SELECT i, now() - interval '1 day' - interval '90 days' * (1 - i / $4::float8) AS made
               FROM generate_series($1::bigint, $2::bigint) i) numbers`,
        [first, last, kind.processed, kind.rows],
      );
    }
    await client.query('ALTER TABLE bench_messages ADD PRIMARY KEY (id)');
    await client.query('CREATE INDEX ON bench_messages (contact, created_at)');
    await client.query('CREATE INDEX ON bench_messages (processed_at)');
    if (kind.receipts) await makeReceipts(client);
  });
  await settle(url);
}

/** @param {import('pg').Client} client */
async function makeReceipts(client) {
  await client.query(
    `CREATE TABLE bench_receipts AS
     SELECT row_number() OVER ()::bigint AS id, m.id AS message_id, 'read'::text AS status, m.updated_at AS at
     FROM bench_messages m CROSS JOIN LATERAL generate_series(1, ((hashint8extended(m.id, 4) & 1023) % 3)::int)`,
  );
  await client.query('ALTER TABLE bench_receipts ALTER message_id SET NOT NULL, ADD PRIMARY KEY (id)');
  await client.query('CREATE INDEX ON bench_receipts (message_id)');
  await client.query(
    'ALTER TABLE bench_receipts ADD FOREIGN KEY (message_id) REFERENCES bench_messages (id)',
  );
}

/** @param {string} url */
export async function makeLedger(url) {
  const store = openStore({ database: { engine: 'postgresql', url }, workers: 1, log: silentLog });
  try {
    await store.prepare({ migrate: true });
  } finally {
    await store.close();
  }
}

/**
 * Fills the product's own tables as the command `seed` does; 70 % processed.
 * @param {string} url
 * @param {number} rows
 */
export async function seedOwnTables(url, rows) {
  const store = openStore({ database: { engine: 'postgresql', url }, workers: 1, log: silentLog });
  try {
    await store.prepare({ migrate: true });
    await store.ownTables.seed({ rows, processed: 0.7, onProgress: () => undefined });
  } finally {
    await store.close();
  }
  await settle(url);
}

/**
 * @param {{ receipts: boolean, foreignKeys?: 'messages_first' | 'checked' }} kind
 * @returns {import('../../dist/core/policy.js').Policy}
 */
export function policyFor({ receipts, foreignKeys = 'messages_first' }) {
  return {
    retentionSeconds: 0,
    mapping: {
      store: 'default',
      table: { schema: null, name: 'bench_messages' },
      key: ['id'],
      age: { column: 'processed_at', unit: 'timestamptz', zone: null },
      processed: 'true',
      holds: [],
      holdList: null,
      walk: null,
      dependents: receipts
        ? [
            {
              table: { schema: null, name: 'bench_receipts' },
              match: [{ column: 'message_id', message: 'id' }],
              action: 'delete',
            },
          ]
        : [],
      foreignKeys,
    },
  };
}

/**
 * The independent count: another connection, no statement of the product.
 * @param {string} url
 * @param {{ messages: string, receipts: string | null }} [tables]
 */
export async function countRows(url, tables = { ...benchTables, receipts: null }) {
  return withClient(url, async (client) => {
    const { rows } = await client.query(
      `SELECT count(*) AS messages, count(*) FILTER (WHERE processed_at <= clock_timestamp()) AS eligible,
         ${tables.receipts === null ? '0::bigint' : `(SELECT count(*) FROM ${tables.receipts})`} AS receipts,
         ${tables.receipts === null ? '0::bigint' : `(SELECT count(*) FROM ${tables.receipts} r WHERE NOT EXISTS (SELECT FROM ${tables.messages} m WHERE m.id = r.message_id))`} AS orphans
       FROM ${tables.messages}`,
    );
    return /** @type {{ messages: number, eligible: number, receipts: number, orphans: number }} */ (rows[0]);
  });
}

/** @param {string} url */
export async function tableFacts(url) {
  return withClient(url, async (client) => {
    const { rows } = await client.query(
      `SELECT c.relname AS name, c.reltuples::bigint AS rows, pg_relation_size(c.oid) AS bytes, pg_indexes_size(c.oid) AS "indexBytes",
         (SELECT count(*) FROM pg_index i WHERE i.indrelid = c.oid) AS indexes,
         round((pg_relation_size(c.oid) / greatest(1, c.reltuples))::numeric)::int AS "bytesPerRow"
       FROM pg_class c WHERE c.relkind = 'r' AND c.relname IN ('bench_messages', 'bench_receipts', 'messages', 'message_receipts')
         AND c.reltuples > 0 ORDER BY c.relname`,
    );
    return rows;
  });
}

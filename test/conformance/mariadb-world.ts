import { ownMapping } from '../../src/core/mapping.js';
import { newId } from '../../src/core/node-name.js';
import type { Store } from '../../src/core/ports.js';
import { invariants } from '../harness/invariants.js';
import { inMariadb, type MariadbClient } from '../harness/mariadb-database.js';
import type { OutboxRecord, World } from './world.js';

/** Every table but those that say which schema this is and that the messages are ours. */
const emptied = [
  'message_receipts',
  'messages',
  ...['run', 'request', 'span', 'tally', 'outbox', 'node', 'user', 'revoked_token'].map(
    (table) => `message_gc_${table}`,
  ),
];

/** A prepared store over our own tables, emptied. Closing the world leaves the store open: the file closes it. */
export async function mariadbWorld(store: Store, client: MariadbClient): Promise<World> {
  const ask = async <Row>(sql: string, values?: readonly unknown[]): Promise<readonly Row[]> =>
    (await client.query(sql, values)).rows as readonly Row[];
  const { server } = await store.prepare({ migrate: false });
  for (const table of emptied) await ask(`DELETE FROM ${table}`);
  await ask(`DELETE FROM message_gc_setting WHERE name <> 'own_tables'`);
  await ask('UPDATE message_gc_ledger SET cluster = NULL');
  const count = async (sql: string): Promise<number> => Number((await ask<{ n: number }>(sql))[0]?.n ?? 0);
  return {
    store,
    server,
    policy: { mapping: ownMapping, retentionSeconds: 3_600 },
    node: (name = `node-${newId().slice(0, 6)}:000000000000`) => ({
      name,
      boot: newId(),
      address: '127.0.0.1:6252',
    }),
    async insertMessages(rows) {
      if (rows.length === 0) return [];
      const top = await count('SELECT coalesce(max(id), 0) AS n FROM messages');
      // The keys that the table gives are dense; every fifth is given away, as where the application deletes too.
      const keys = rows.map((_, place) => String(top + place + 1 + Math.floor((place + 1) / 5)));
      const messages = rows.map(
        ({ processedAgoSeconds: ago }, place) =>
          `(${keys[place]}, 'outbound', 'read', '4912345', 'text', ${
            ago === null ? 'NULL' : `UTC_TIMESTAMP(6) - INTERVAL ${Math.round(ago * 1_000_000)} MICROSECOND`
          })`,
      );
      await ask(
        `INSERT INTO messages (id, direction, state, contact, body, processed_at) VALUES ${messages.join(',')}`,
      );
      const receipts = rows.flatMap((row, place) => Array.from({ length: row.receipts }, () => keys[place]));
      if (receipts.length > 0) {
        await ask(
          `INSERT INTO message_receipts (message_id, status) VALUES ${receipts.map((key) => `(${key}, 'read')`).join(',')}`,
        );
      }
      if (rows.length >= 1_000) await ask('ANALYZE TABLE messages');
      return keys;
    },
    async messageKeys() {
      return new Set((await ask<{ id: number }>('SELECT id FROM messages')).map((row) => String(row.id)));
    },
    receiptCount: () => count('SELECT count(*) AS n FROM message_receipts'),
    orphanReceipts: () =>
      count(
        `SELECT count(*) AS n FROM message_receipts r
         WHERE NOT EXISTS (SELECT 1 FROM messages m WHERE m.id = r.message_id)`,
      ),
    async expireLease({ run, no }) {
      await ask(
        `UPDATE message_gc_span SET lease_until = UTC_TIMESTAMP(6) - INTERVAL 1 SECOND
         WHERE run = ? AND no = ? AND state = 'leased'`,
        [run, no],
      );
    },
    async expireClaims() {
      await ask(
        'UPDATE message_gc_outbox SET claimed_until = UTC_TIMESTAMP(6) - INTERVAL 1 SECOND WHERE claimed_until IS NOT NULL',
      );
    },
    async cluster() {
      const [row] = await ask<{ cluster: string | null }>('SELECT cluster FROM message_gc_ledger');
      return row?.cluster ?? null;
    },
    outboxRows: () =>
      ask<OutboxRecord>('SELECT id, run, node, state, body FROM message_gc_outbox ORDER BY run, node'),
    async invariants() {
      const broken: string[] = [];
      for (const { rule, sql } of invariants) {
        const rows = await ask(inMariadb(sql));
        if (rows.length > 0) broken.push(`${rule}: ${JSON.stringify(rows)}`);
      }
      return broken;
    },
    async close() {},
  };
}

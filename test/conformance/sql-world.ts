import { ownMapping } from '../../src/core/mapping.js';
import { newId } from '../../src/core/node-name.js';
import type { Store } from '../../src/core/ports.js';
import { invariants } from '../harness/invariants.js';
import type { World } from './world.js';

/** A connection that is not the store's: what it sees is committed. (The embedded database has one for all.) */
export type Query = (
  text: string,
  values?: readonly unknown[],
) => Promise<{ readonly rows: readonly unknown[] }>;

/** Every table but those that say which schema this is and that the messages are ours. */
const emptied = `
  TRUNCATE messages, message_receipts, message_gc.run, message_gc.request, message_gc.span, message_gc.tally,
    message_gc.outbox, message_gc.node, message_gc."user", message_gc.revoked_token`;

/** A prepared store over our own tables, emptied. Closing the world leaves the store open: the file closes it. */
export async function sqlWorld(store: Store, query: Query): Promise<World> {
  const ask = async <Row>(sql: string, values?: readonly unknown[]): Promise<readonly Row[]> =>
    (await query(sql, values)).rows as readonly Row[];
  const { server } = await store.prepare({ migrate: false });
  await ask(emptied);
  await ask(`DELETE FROM message_gc.setting WHERE name <> 'own_tables'`);
  await ask('UPDATE message_gc.ledger SET cluster = NULL');
  const count = async (sql: string): Promise<number> => {
    const [row] = await ask<{ n: number }>(sql);
    return row?.n ?? 0;
  };
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
      // The keys that the table gives are dense; every fifth is given away, as where the application deletes too.
      const inserted = await ask<{ id: string }>(
        `WITH new AS (
           INSERT INTO messages (id, direction, state, contact, body, processed_at)
           SELECT (SELECT coalesce(max(id), 0) FROM messages) + place + place / 5, 'outbound', 'read', '4912345', 'text',
             clock_timestamp() - age * interval '1 second'
           FROM unnest($1::float8[]) WITH ORDINALITY AS row (age, place) RETURNING id),
         placed AS (SELECT id, row_number() OVER (ORDER BY id) AS place FROM new)
         SELECT id::text AS id FROM placed ORDER BY place`,
        [rows.map((row) => row.processedAgoSeconds)],
      );
      const keys = inserted.map((row) => row.id);
      await ask(
        `INSERT INTO message_receipts (message_id, status)
         SELECT key, 'read' FROM unnest($1::bigint[], $2::int[]) AS row (key, receipts), generate_series(1, receipts)`,
        [keys, rows.map((row) => row.receipts)],
      );
      // As autovacuum does for a table that grew: how a span is cut depends on how dense its keys are known to be.
      if (rows.length >= 1_000) await ask('ANALYZE messages');
      return keys;
    },
    async messageKeys() {
      const rows = await ask<{ id: string }>('SELECT id::text AS id FROM messages');
      return new Set(rows.map((row) => row.id));
    },
    receiptCount: () => count('SELECT count(*)::int AS n FROM message_receipts'),
    orphanReceipts: () =>
      count(
        `SELECT count(*)::int AS n FROM message_receipts r
         WHERE NOT EXISTS (SELECT FROM messages m WHERE m.id = r.message_id)`,
      ),
    async expireLease({ run, no }) {
      await ask(
        `UPDATE message_gc.span SET lease_until = clock_timestamp() - interval '1 second'
         WHERE run = $1 AND no = $2 AND state = 'leased'`,
        [run, no],
      );
    },
    async expireClaims() {
      await ask(
        `UPDATE message_gc.outbox SET claimed_until = clock_timestamp() - interval '1 second'
         WHERE claimed_until IS NOT NULL`,
      );
    },
    async cluster() {
      const [row] = await ask<{ cluster: string | null }>('SELECT cluster FROM message_gc.ledger');
      return row?.cluster ?? null;
    },
    outboxRows: () => ask('SELECT id, run, node, state, body FROM message_gc.outbox ORDER BY run, node'),
    async invariants() {
      const broken: string[] = [];
      for (const { rule, sql } of invariants) {
        const rows = await ask(sql);
        if (rows.length > 0) broken.push(`${rule}: ${JSON.stringify(rows)}`);
      }
      return broken;
    },
    async close() {},
  };
}

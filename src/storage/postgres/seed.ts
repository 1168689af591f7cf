/**
 * Fills our own tables with a believable mix, fast, for `seed`, `demo` and measurements.
 *
 * - Everything follows from the row's number by hash functions of the server, so that the same call makes the same
 *   rows (but for the day on which it runs). No `random()`.
 * - `processed_at` obeys the rule of the product: set for outbound messages that are delivered, read, failed or
 *   deleted, and for received ones; never for pending ones or for sent ones that wait for a receipt; never in the
 *   future. Rows of these states without it stand for callbacks that nobody has acknowledged yet.
 * - Rows come in chunks, each a transaction: bounded memory, progress, and a killed seed leaves whole chunks.
 *
 * The caller makes sure that the tables are ours (own-tables.ts).
 */
import type { SeedAnswer, SeedOptions } from '../../core/ports.js';
import type { Queryable } from './own-tables.js';
import { seedTexts } from '../seed-texts.js';

/** About a second of work per chunk; larger ones were not faster. */
const chunkRows = 50_000;
/** Read by position for every row: twice as many cost a tenth of the time more. */
const textCount = 240;

/**
 * $1 first number, $2 last number, $3 all numbers, $4 share processed, $5 texts, $6 the newest time.
 * Uniform numbers in [0, 1) come from the top of a 64-bit hash with a seed per use, so that they are independent.
 */
const insertChunk = `
WITH numbers AS (
  SELECT i,
         (hashint8extended(i, 1) & 1048575) / 1048576.0::float8 AS u_processed,
         (hashint8extended(i, 2) & 1048575) / 1048576.0::float8 AS u_direction,
         (hashint8extended(i, 3) & 1048575) / 1048576.0::float8 AS u_state,
         (hashint8extended(i, 4) & 1048575) / 1048576.0::float8 AS u_contact,
         (hashint8extended(i, 5) & 1048575) / 1048576.0::float8 AS u_text,
         (hashint8extended(i, 6) & 1048575) / 1048576.0::float8 AS u_delay,
         $6::timestamptz - interval '90 days' * (1 - i::float8 / ($3::float8 + 1)) AS created_at
    FROM generate_series($1::bigint, $2::bigint) AS i
), chosen AS (
  SELECT *, u_processed < $4::float8 AS is_processed,
         CASE WHEN u_direction < 0.45 THEN 'outbound' ELSE 'inbound' END AS direction,
         CASE
           WHEN u_direction >= 0.45 THEN 'received'
           WHEN u_processed < $4::float8 THEN
             CASE WHEN u_state < 0.33 THEN 'delivered' WHEN u_state < 0.88 THEN 'read'
                  WHEN u_state < 0.94 THEN 'failed' ELSE 'deleted' END
           ELSE
             CASE WHEN u_state < 0.15 THEN 'pending' WHEN u_state < 0.50 THEN 'sent'
                  WHEN u_state < 0.80 THEN 'delivered' ELSE 'read' END
         END AS state
    FROM numbers
), added AS (
  INSERT INTO messages (direction, state, contact, network_id, type, body, media_id,
                        created_at, updated_at, processed_at)
  SELECT direction, state,
         -- The cube gives a few busy contacts and many that wrote once.
         (491500000000 + floor(u_contact * u_contact * u_contact * greatest(50, $3::float8 / 25))::bigint * 7919)::text,
         'wamid.' || to_hex(hashint8extended(i, 7)) || to_hex(hashint8extended(i, 8)),
         CASE WHEN u_text < 0.06 THEN 'image' ELSE 'text' END,
         ($5::text[])[1 + floor(u_text * ${textCount})::int],
         CASE WHEN u_text < 0.06 THEN to_hex(hashint8extended(i, 9)) END,
         created_at,
         least(created_at + interval '20 minutes' * u_delay, $6::timestamptz),
         CASE WHEN is_processed THEN least(created_at + interval '1 hour' * u_delay, $6::timestamptz) END
    -- In the order of the numbers without saying so: a sort would go over the disk.
    FROM chosen
  RETURNING id, direction, state, created_at, updated_at, processed_at
), receipts AS (
  INSERT INTO message_receipts (message_id, status, at)
  SELECT added.id, r.status, added.created_at + (added.updated_at - added.created_at) * r.part
    FROM added
    JOIN (VALUES ('outbound', 'sent', 'sent', 0.1),
                 ('outbound', 'delivered', 'sent', 0.1), ('outbound', 'delivered', 'delivered', 0.5),
                 ('outbound', 'read', 'sent', 0.1), ('outbound', 'read', 'delivered', 0.5), ('outbound', 'read', 'read', 1),
                 ('outbound', 'failed', 'failed', 0.5),
                 ('outbound', 'deleted', 'sent', 0.1), ('outbound', 'deleted', 'deleted', 1),
                 ('inbound', 'received', 'read', 0.8)) AS r (direction, state, status, part)
      ON r.direction = added.direction AND r.state = added.state
   -- Received messages are seldom marked as read by the gateway's users.
   WHERE added.direction = 'outbound' OR added.id % 16 = 0
  RETURNING 1
)
SELECT (SELECT count(*) FROM added) AS messages,
       (SELECT count(*) FROM added WHERE processed_at IS NOT NULL) AS processed,
       (SELECT count(*) FROM receipts) AS receipts`;

/** Adds `rows` messages with about one receipt each; the answer counts what the statements inserted. */
export async function seedOwnTables(q: Queryable, options: SeedOptions): Promise<SeedAnswer> {
  const { rows: clock } = await q.query('SELECT clock_timestamp()::text AS now');
  const newest = String(clock[0]?.['now']);
  const texts = seedTexts(textCount);
  const sum = { messages: 0, processed: 0, receipts: 0 };
  for (let first = 1; first <= options.rows; first += chunkRows) {
    const last = Math.min(options.rows, first + chunkRows - 1);
    const { rows } = await q.query(insertChunk, [
      first,
      last,
      options.rows,
      options.processed,
      texts,
      newest,
    ]);
    const row = rows[0] ?? {};
    sum.messages += Number(row['messages']);
    sum.processed += Number(row['processed']);
    sum.receipts += Number(row['receipts']);
    options.onProgress(last);
  }
  // The planner chooses its walk by statistics, and nobody has made any yet. VACUUM also sets the hint bits that the
  // first sweep would otherwise pay for; it cannot run inside a transaction, so the caller must not open one.
  await q.query('VACUUM (ANALYZE) messages');
  await q.query('VACUUM (ANALYZE) message_receipts');
  return sum;
}

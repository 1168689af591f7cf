/**
 * Fills our own tables with a believable mix, fast, for `seed`, `demo` and measurements.
 *
 * - Everything follows from the row's number by hash functions of the server, so that the same call makes the same
 *   rows (but for the day on which it runs). No `RAND()`.
 * - `processed_at` obeys the rule of the product: set for outbound messages that are delivered, read, failed or
 *   deleted, and for received ones; never for pending ones or for sent ones that wait for a receipt; never in the
 *   future. Rows of these states without it stand for callbacks that nobody has acknowledged yet.
 * - Rows come in chunks, each a transaction: bounded memory, progress, and a killed seed leaves whole chunks.
 *
 * The caller makes sure that the tables are ours (own-tables.ts).
 */
import type { SeedAnswer, SeedOptions } from '../../core/ports.js';
import { seedTexts } from '../seed-texts.js';
import { textSql } from './names.js';
import type { Session } from './session.js';

/** About a second of work per chunk. */
const chunkRows = 20_000;
const textCount = 240;

/** Adds `rows` messages with about one receipt each; the answer counts what the statements inserted. */
export async function seedOwnTables(session: Session, options: SeedOptions): Promise<SeedAnswer> {
  // The session's limits are made for control statements; it is not handed back to anybody.
  session.isBroken = true;
  if (session.can.statementTime) await session.write('SET SESSION max_statement_time = 0');
  const clock = await session.rows<{ now: string; top: number | string | null }>(
    'SELECT CAST(CURRENT_TIMESTAMP(6) AS CHAR) AS now, (SELECT max(id) FROM messages) AS top',
  );
  const newest = textSql(clock[0]?.now ?? '');
  const base = BigInt(clock[0]?.top ?? 0);
  await makeTexts(session);
  const sum = { messages: 0, processed: 0, receipts: 0 };
  for (let first = 1; first <= options.rows; first += chunkRows) {
    const last = Math.min(options.rows, first + chunkRows - 1);
    const statements = chunkStatements({ first, last, base, newest, options });
    const answers = await session.all(['BEGIN', ...statements, 'COMMIT']);
    const [, messages, receipts, processed] = answers as [
      unknown,
      { affectedRows: number },
      { affectedRows: number },
      { n: number }[],
    ];
    sum.messages += messages.affectedRows;
    sum.receipts += receipts.affectedRows;
    sum.processed += Number(processed[0]?.n ?? 0);
    options.onProgress(last);
  }
  await session.rows('ANALYZE TABLE messages, message_receipts');
  return sum;
}

async function makeTexts(session: Session): Promise<void> {
  const rows = seedTexts(textCount).map((text, place) => `(${place}, ${textSql(text)})`);
  await session.all([
    'DROP TEMPORARY TABLE IF EXISTS message_gc_seed_texts',
    'CREATE TEMPORARY TABLE message_gc_seed_texts (place int PRIMARY KEY, body mediumtext) DEFAULT CHARSET=utf8mb4',
    `INSERT INTO message_gc_seed_texts VALUES ${rows.join(', ')}`,
  ]);
}

type Chunk = {
  readonly first: number;
  readonly last: number;
  /** The highest key before. */
  readonly base: bigint;
  readonly newest: string;
  readonly options: SeedOptions;
};

/** A uniform number in [0, 1), independent for each use. */
function uniform(use: number): string {
  return `(CONV(LEFT(SHA2(CONCAT(n.i, ':${use}'), 224), 8), 16, 10) / 4294967296)`;
}

/** The numbers first to last. Recursion is limited to 1,000 steps by default, so they are put together from digits. */
function numbers(first: number, last: number): string {
  const digits =
    '(SELECT 0 AS d UNION ALL SELECT 1 UNION ALL SELECT 2 UNION ALL SELECT 3 UNION ALL SELECT 4 UNION ALL SELECT 5 UNION ALL SELECT 6 UNION ALL SELECT 7 UNION ALL SELECT 8 UNION ALL SELECT 9)';
  const names = ['a', 'b', 'c', 'd', 'e'];
  const sum = names.map((name, power) => `${name}.d * ${10 ** power}`).join(' + ');
  return `SELECT ${first} + ${sum} AS i FROM ${names.map((name) => `${digits} ${name}`).join(' CROSS JOIN ')}
    WHERE ${sum} <= ${last - first}`;
}

function chunkStatements({ first, last, base, newest, options }: Chunk): readonly string[] {
  const range = `id > ${base + BigInt(first - 1)} AND id <= ${base + BigInt(last)}`;
  const contacts = Math.max(50, options.rows / 25);
  return [
    `INSERT INTO messages (id, direction, state, contact, network_id, type, body, media_id, created_at, updated_at, processed_at)
     SELECT ${base} + r.i, r.direction, r.state,
       -- The cube gives a few busy contacts and many that wrote once.
       CAST(491500000000 + FLOOR(POW(r.u_contact, 3) * ${contacts}) * 7919 AS CHAR),
       CONCAT('wamid.', LEFT(SHA2(CONCAT(r.i, ':7'), 224), 32)), IF(r.u_text < 0.06, 'image', 'text'), t.body,
       IF(r.u_text < 0.06, LEFT(SHA2(CONCAT(r.i, ':9'), 224), 16), NULL), r.created_at,
       LEAST(r.created_at + INTERVAL ROUND(1200000000 * r.u_delay) MICROSECOND, TIMESTAMP(${newest})),
       IF(r.is_processed, LEAST(r.created_at + INTERVAL ROUND(3600000000 * r.u_delay) MICROSECOND, TIMESTAMP(${newest})), NULL)
     FROM (
       SELECT c.*, IF(c.u_direction < 0.45, 'outbound', 'inbound') AS direction,
         CASE
           WHEN c.u_direction >= 0.45 THEN 'received'
           WHEN c.is_processed THEN CASE WHEN c.u_state < 0.33 THEN 'delivered' WHEN c.u_state < 0.88 THEN 'read'
             WHEN c.u_state < 0.94 THEN 'failed' ELSE 'deleted' END
           ELSE CASE WHEN c.u_state < 0.15 THEN 'pending' WHEN c.u_state < 0.50 THEN 'sent'
             WHEN c.u_state < 0.80 THEN 'delivered' ELSE 'read' END
         END AS state
       FROM (
         SELECT n.i, ${uniform(1)} < ${options.processed} AS is_processed, ${uniform(2)} AS u_direction,
           ${uniform(3)} AS u_state, ${uniform(4)} AS u_contact, ${uniform(5)} AS u_text, ${uniform(6)} AS u_delay,
           TIMESTAMP(${newest}) - INTERVAL ROUND(7776000000000 * (1 - n.i / ${options.rows + 1})) MICROSECOND AS created_at
         FROM (${numbers(first, last)}) n
       ) c
     ) r JOIN message_gc_seed_texts t ON t.place = FLOOR(r.u_text * ${textCount}) ORDER BY r.i`,
    `INSERT INTO message_receipts (message_id, status, at)
     SELECT m.id, r.status, m.created_at + INTERVAL ROUND(TIMESTAMPDIFF(MICROSECOND, m.created_at, m.updated_at) * r.part) MICROSECOND
     FROM messages m JOIN (
       SELECT 'outbound' AS direction, 'sent' AS state, 'sent' AS status, 0.1 AS part
       UNION ALL SELECT 'outbound', 'delivered', 'sent', 0.1 UNION ALL SELECT 'outbound', 'delivered', 'delivered', 0.5
       UNION ALL SELECT 'outbound', 'read', 'sent', 0.1 UNION ALL SELECT 'outbound', 'read', 'delivered', 0.5
       UNION ALL SELECT 'outbound', 'read', 'read', 1 UNION ALL SELECT 'outbound', 'failed', 'failed', 0.5
       UNION ALL SELECT 'outbound', 'deleted', 'sent', 0.1 UNION ALL SELECT 'outbound', 'deleted', 'deleted', 1
       UNION ALL SELECT 'inbound', 'received', 'read', 0.8
     ) r ON r.direction = m.direction AND r.state = m.state
     -- Received messages are seldom marked as read by the gateway's users.
     WHERE ${range.replaceAll('id', 'm.id')} AND (m.direction = 'outbound' OR m.id % 16 = 0) ORDER BY m.id`,
    `SELECT count(processed_at) AS n FROM messages WHERE ${range}`,
  ];
}

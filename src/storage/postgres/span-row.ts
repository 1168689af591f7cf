import type { PoolClient, QueryResult } from 'pg';
import { StoreError } from '../../core/errors.js';
import type { BatchRequest } from '../../core/ports.js';
import type { DependentCounts } from '../../core/run.js';
import type { Deleted } from '../sweep/deleted.js';
import { PlanChanged } from '../sweep/plan-changed.js';
import { added, type SeenSpan } from '../sweep/seen-span.js';
import type { WalkRange } from './batch-range.js';
import { type Held, heldSql } from './held.js';
import type { LockBudget } from './lock-budget.js';
import { tableGuards } from './plan-guards.js';
import { textSql } from './names.js';
import { textOf } from './range.js';
import type { Sessions } from './session.js';
import { idleInTransactionMs } from './start-up-options.js';
import type { Holder } from './waiters.js';

/** With what this engine reads beside it. */
export type Seen = SeenSpan & {
  /** Read after the span was locked: what `hold add` wrote before it had this span's lock is seen. */
  readonly held: Held;
  readonly holder: Holder;
};

/**
 * Begins the transaction and enters it at the span's row, in one round trip. Null: the span is not ours, or the run
 * has ended.
 *
 * The tally is locked as well because it is read: of a row that is not locked a statement that had to wait shows the
 * version from before the wait, and the dependents of a batch whose COMMIT was lost would be forgotten.
 */
export async function enterSpan(
  client: PoolClient,
  budget: LockBudget,
  sessions: Sessions,
  request: BatchRequest,
): Promise<Seen | null> {
  const { run, span, node, skipLocked } = request;
  const statements = settings(budget, sessions, request);
  // Who makes a span writes the run row first: parking what is skipped may make one.
  if (skipLocked) {
    statements.push(
      `UPDATE message_gc.run SET spans = spans + 1, version = version + 1 WHERE id = ${textSql(run.id)} AND state = 'running' RETURNING spans`,
    );
  }
  statements.push(
    `SELECT s.cursor_key AS cursor, s.low_key AS low, s.high_key AS high, s.deleted, s.batches, r.paused,
       r.max_rate AS "maxRate", t.dependents, pg_backend_pid() AS pid, pg_current_xact_id()::xid::text AS xid
     FROM message_gc.span s JOIN message_gc.run r ON r.id = s.run
       JOIN message_gc.tally t ON t.run = s.run AND t.span = s.no AND t.node = ${textSql(node.name)}
     WHERE s.run = ${textSql(run.id)} AND s.no = ${span.no} AND s.fence = ${span.fence} AND s.state = 'leased' AND r.state = 'running'
     FOR UPDATE OF s, t`,
    heldSql,
  );
  const answers = await inOneTrip(client, statements);
  const row = answers.at(-2)?.rows[0] as
    | (Omit<Seen, 'dependents' | 'holder'> & Holder & { readonly dependents: string })
    | undefined;
  const held = answers.at(-1)?.rows[0] as Held | undefined;
  if (row === undefined || held === undefined) return null;
  const reserved = skipLocked ? (answers.at(-3)?.rows[0] as { spans: number } | undefined) : undefined;
  const { pid, xid, ...state } = row;
  return {
    ...state,
    holder: { pid, xid },
    dependents: JSON.parse(row.dependents) as DependentCounts,
    parkedNo: reserved?.spans ?? null,
    held,
  };
}

/**
 * What a session writes is handed on to the disk in pieces of this size, as the server's own checkpoints do it. By default
 * (0) it lies in the kernel until the next checkpoint asks for all of it at once, and every COMMIT of the application waits
 * behind that: 0.25 s, every few seconds; with it 0.01 s. A run that has the server for itself does without.
 */
const flushAfter = '256kB';

function settings(budget: LockBudget, sessions: Sessions, { plan, alone }: BatchRequest): string[] {
  const list = ['BEGIN ISOLATION LEVEL READ COMMITTED'];
  if (sessions.hasTimeLimits) {
    list.push(
      // Waits for no disk: a crash of the server may undo the last batches, rows, tally and cursor together, and the
      // run goes on from there. The ending waits, and with it every batch before it is on disk (the log is one
      // sequence). Not for PGlite: it waits for no disk anyway, and has no process that writes the log in the
      // background, so that kill -9 would undo seconds of work.
      'SET LOCAL synchronous_commit = off',
      `SET LOCAL lock_timeout = '${budget.lockWaitMs}ms'`,
      `SET LOCAL statement_timeout = '${budget.totalMs}ms'`,
      `SET LOCAL idle_in_transaction_session_timeout = '${idleInTransactionMs}ms'`,
    );
  }
  if (sessions.hasTimeLimits && alone !== true) list.push(`SET LOCAL backend_flush_after = '${flushAfter}'`);
  if (plan.foreignKeys === 'messages_first') list.push('SET LOCAL session_replication_role = replica');
  return list;
}

export type SpanChange = {
  readonly cursor: string;
  readonly result: Deleted;
  /** Of a parked span that stays: how many are still held by others. */
  readonly skipped: number;
  readonly state: 'open' | 'leased' | 'done';
  /** What the tally said of dependents. */
  readonly before: DependentCounts;
};

/** 0.5 s doubling to 30 s: an application's transaction is over long before; one that is not costs little. */
const parkedWait = `least(30000, 500 * 2 ^ least(attempts, 10)) * interval '1 millisecond'`;

/**
 * Cursor, count, lease and tally are written and the transaction is committed, in one round trip: the server goes on
 * to COMMIT only when the statement before found exactly our rows, and (a walk by blocks) the table's own file. It
 * has no other way to stop than an error, so what is not as it must be becomes a word that is no number.
 */
export async function leaveSpan(
  client: PoolClient,
  budget: LockBudget,
  { run, span, node, plan, leaseMs }: BatchRequest,
  { cursor, result, skipped, state, before }: SpanChange,
): Promise<'committed' | 'lost'> {
  const stays = state === 'open';
  const guards = [`(SELECT count(*) FROM moved) = 1 AND (SELECT count(*) FROM counted) = 1 THEN 1`];
  guards.unshift(...tableGuards(plan));
  if (plan.walk === 'blocks') {
    // Read after the DELETE has taken the table's lock: a rewritten table has other blocks.
    const oid = Number((JSON.parse(plan.guards['oids'] ?? '[]') as string[])[0]);
    const file = `coalesce(pg_relation_filenode(${oid}::oid)::text, '')`;
    guards.unshift(`${file} <> ${textSql(plan.guards['file'] ?? '')} THEN ('file' || ${file} || '!')::int`);
  }
  const written = `WITH moved AS (
       UPDATE message_gc.span SET cursor_key = ${textSql(cursor)}, batches = batches + 1, deleted = deleted + ${result.deleted},
         attempts = ${stays ? 'attempts + 1' : '0'}, skipped = ${skipped},
         lease_until = clock_timestamp() + ${leaseMs} * interval '1 millisecond', state = '${state}'${
           stays ? `, due_at = clock_timestamp() + ${parkedWait}` : ''
         }
       WHERE run = ${textSql(run.id)} AND no = ${span.no} AND fence = ${span.fence} AND state = 'leased' RETURNING no),
     counted AS (
       UPDATE message_gc.tally SET deleted = deleted + ${result.deleted}, batches = batches + 1,
         busy_ms = busy_ms + ${Math.round(budget.heldMs())}, dependents = ${textSql(JSON.stringify(added(before, result.dependents)))}
       WHERE run = ${textSql(run.id)} AND span = ${span.no} AND node = ${textSql(node.name)} RETURNING span)
     SELECT CASE ${guards.map((guard) => `WHEN ${guard}`).join(' ')}
       ELSE ('lost' || (SELECT count(*) FROM moved))::int END`;
  try {
    await inOneTrip(client, [...budget.limits(), written, 'COMMIT']);
    return 'committed';
  } catch (error) {
    const word = isWordOfOurs(error);
    if (word === 'lost') return 'lost';
    if (word === 'shape')
      throw new PlanChanged(
        'the messages table was replaced, or a foreign key, trigger or rule of the tables was changed during the run',
      );
    if (word === 'file') throw new PlanChanged('the table was rewritten (VACUUM FULL, CLUSTER, TRUNCATE)');
    throw error;
  }
}

/** 22P02, invalid text representation: the server quotes the word in whatever language it speaks. */
function isWordOfOurs(error: unknown): 'lost' | 'file' | 'shape' | null {
  const { code, message } = error as { readonly code?: unknown; readonly message?: unknown };
  if (code !== '22P02' || typeof message !== 'string') return null;
  if (/"lost\d+"/.test(message)) return 'lost';
  if (/"shape\d*!"/.test(message)) return 'shape';
  return /"file\d*!"/.test(message) ? 'file' : null;
}

/** Statements of one message: the server stops at the first error, and answers with a result for each. */
async function inOneTrip(client: PoolClient, statements: readonly string[]): Promise<readonly QueryResult[]> {
  const answer: unknown = await client.query(statements.join('; '));
  return Array.isArray(answer) ? (answer as QueryResult[]) : [answer as QueryResult];
}

/** The range with the skipped rows becomes a span of its own, in the transaction that moves the cursor past them. */
export async function parkSpan(
  client: PoolClient,
  { run, span }: BatchRequest,
  range: WalkRange,
  no: number | null,
  { skipped }: Deleted,
): Promise<void> {
  if (no === null)
    throw new StoreError('conflict', '', 'park locked messages', 'the run has ended', undefined);
  await client.query(
    `INSERT INTO message_gc.span (run, no, round, kind, low_key, cursor_key, high_key, state, due_at, attempts, skipped)
     VALUES ($1, $2, $3, 'parked', $4, $4, $5, 'open', clock_timestamp() + interval '500 milliseconds', 0, $6)`,
    [run.id, no, span.round, textOf(range.from), textOf(range.to), skipped],
  );
}

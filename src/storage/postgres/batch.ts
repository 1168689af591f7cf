import type { PoolClient } from 'pg';
import { StoreError } from '../../core/errors.js';
import type { BatchAnswer, BatchRequest, Sweep } from '../../core/ports.js';
import type { DependentCounts } from '../../core/run.js';
import { nextRange, type WalkRange } from './batch-range.js';
import { deletePlain } from './delete-plain.js';
import type { Deleted } from '../sweep/deleted.js';
import { deleteSkippingLocked } from './delete-skipping-locked.js';
import { PlanChanged } from '../sweep/plan-changed.js';
import { translate } from './errors.js';
import { textOf } from './range.js';
import { idleInTransactionMs, type Sessions, withSession } from './session.js';
import { LockBudget } from './lock-budget.js';

/*
 * The one transaction that touches messages (T6):
 *
 *   BEGIN  ─ span row FOR UPDATE, run row read ─ range ─ DELETE … dependents … ─ span, tally ─ COMMIT
 *            fence and state are ours?                    └── message rows are locked ──┘
 *
 * The range starts at the cursor that was read under the span's lock, never at a remembered one: after a lost COMMIT
 * this read waits for the lost transaction and shows its outcome (a plain read was wrong 98 times of 100). Rows,
 * tally, cursor and lease renewal are one transaction, so a count that is seen is a count that happened.
 *
 * Statements are sent unnamed, so that each is planned for its own range: a generic plan falls to a sequential scan.
 * plan_cache_mode stays as it is: forced custom plans make the server's foreign-key triggers plan their query for
 * every row (34 k instead of 86 k rows/s).
 */
export function sweepOf(sessions: Sessions, deadlockTimeoutMs: () => number): Sweep {
  return {
    batch: (request) =>
      withSession(sessions, sessions.sweep, async (client) => {
        const budget = new LockBudget(client, sessions.hasTimeLimits, deadlockTimeoutMs());
        try {
          return await attempt(client, budget, sessions, request);
        } catch (error) {
          // After any error the next statement is ROLLBACK; a connection that cannot do it is destroyed by its owner.
          await client.query('ROLLBACK').catch(() => undefined);
          if (error instanceof PlanChanged) return { kind: 'plan_changed', words: error.message };
          const known = translate(error, 'delete a range of messages');
          const isLock = known.kind === 'conflict' && known.nativeCode === '55P03';
          if (isLock && !request.skipLocked) return { kind: 'locked' };
          throw known;
        }
      }),
  };
}

async function attempt(
  client: PoolClient,
  budget: LockBudget,
  sessions: Sessions,
  request: BatchRequest,
): Promise<BatchAnswer> {
  const { plan, skipLocked, tell } = request;
  const begunAt = performance.now();
  await begin(client, budget, sessions, plan.foreignKeys === 'messages_first');
  const roundTripMs = performance.now() - begunAt;
  // Who makes a span writes the run row first: parking what is skipped may make one.
  const parkedNo = skipLocked ? await reserveSpan(client, request) : null;
  const seen = await lockSpan(client, request);
  if (seen === null) return rollback(client, { kind: 'lost' });
  if (seen.paused) return rollback(client, { kind: 'paused' });
  const range = await nextRange(client, request, seen.cursor, seen.high);
  let result: Deleted = nothingDeleted;
  let workMs = 0;
  if (!range.isEmpty) {
    tell?.('deleting');
    budget.start();
    result = skipLocked
      ? await deleteSkippingLocked(client, budget, request, range)
      : await deletePlain(client, budget, request, range);
    workMs = Math.max(0, budget.heldMs() - budget.roundTrips * roundTripMs);
    tell?.('deleted');
  }
  const isDone = textOf(range.to) === seen.high;
  const stays =
    result.skipped > 0 && request.span.kind === 'parked' && isDone && textOf(range.from) === seen.low;
  if (result.skipped > 0 && !stays) await park(client, request, range, parkedNo, result);
  await budget.limit();
  const written = await client.query<{ spans: number; tallies: number }>(
    `WITH moved AS (
       UPDATE message_gc.span SET cursor_key = $4, batches = batches + 1, deleted = deleted + $5, attempts = ${stays ? 'attempts + 1' : '0'},
         skipped = $6, lease_until = clock_timestamp() + $7 * interval '1 millisecond', state = $8,
         due_at = CASE WHEN $8 = 'open' THEN clock_timestamp() + ${parkedWait('attempts')} ELSE due_at END
       WHERE run = $1 AND no = $2 AND fence = $3 AND state = 'leased' RETURNING no),
     counted AS (
       UPDATE message_gc.tally SET deleted = deleted + $5, batches = batches + 1, busy_ms = busy_ms + $9, dependents = $10
       WHERE run = $1 AND span = $2 AND node = $11 RETURNING span)
     SELECT (SELECT count(*) FROM moved)::int AS spans, (SELECT count(*) FROM counted)::int AS tallies`,
    [
      request.run.id,
      request.span.no,
      request.span.fence,
      stays ? seen.cursor : textOf(range.to),
      result.deleted,
      stays ? result.skipped : 0,
      request.leaseMs,
      stays ? 'open' : isDone ? 'done' : 'leased',
      Math.round(budget.heldMs()),
      JSON.stringify(added(seen.dependents, result.dependents)),
      request.node.name,
    ],
  );
  if (written.rows[0]?.spans !== 1 || written.rows[0].tallies !== 1)
    return rollback(client, { kind: 'lost' });
  tell?.('committing');
  await client.query('COMMIT');
  const lockedMs = budget.heldMs();
  tell?.('committed');
  return {
    kind: 'swept',
    deleted: result.deleted,
    dependents: result.dependents,
    skipped: result.skipped,
    walked: range.walked,
    spanDone: isDone,
    before: { deleted: seen.deleted, batches: seen.batches },
    lockedMs,
    workMs,
    maxRate: seen.maxRate,
  };
}

const nothingDeleted: Deleted = { deleted: 0, dependents: {}, skipped: 0 };

async function begin(
  client: PoolClient,
  budget: LockBudget,
  sessions: Sessions,
  withoutChecks: boolean,
): Promise<void> {
  const settings = ['BEGIN ISOLATION LEVEL READ COMMITTED'];
  if (sessions.hasTimeLimits) {
    settings.push(
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
  if (withoutChecks) settings.push('SET LOCAL session_replication_role = replica');
  await client.query(settings.join('; '));
}

async function rollback(client: PoolClient, answer: BatchAnswer): Promise<BatchAnswer> {
  await client.query('ROLLBACK');
  return answer;
}

type SeenSpan = {
  readonly cursor: string;
  readonly low: string;
  readonly high: string;
  readonly deleted: number;
  readonly batches: number;
  readonly paused: boolean;
  readonly maxRate: number | null;
  readonly dependents: DependentCounts;
};

/**
 * The tally is locked as well because it is read: of a row that is not locked a statement that had to wait shows the
 * version from before the wait, and the dependents of a batch whose COMMIT was lost would be forgotten.
 */
async function lockSpan(client: PoolClient, { run, span, node }: BatchRequest): Promise<SeenSpan | null> {
  const { rows } = await client.query<Omit<SeenSpan, 'dependents'> & { dependents: string }>(
    `SELECT s.cursor_key AS cursor, s.low_key AS low, s.high_key AS high, s.deleted, s.batches, r.paused,
       r.max_rate AS "maxRate", t.dependents
     FROM message_gc.span s JOIN message_gc.run r ON r.id = s.run
       JOIN message_gc.tally t ON t.run = s.run AND t.span = s.no AND t.node = $4
     WHERE s.run = $1 AND s.no = $2 AND s.fence = $3 AND s.state = 'leased' AND r.state = 'running'
     FOR UPDATE OF s, t`,
    [run.id, span.no, span.fence, node.name],
  );
  const row = rows[0];
  return row === undefined ? null : { ...row, dependents: JSON.parse(row.dependents) as DependentCounts };
}

async function reserveSpan(client: PoolClient, { run }: BatchRequest): Promise<number | null> {
  const { rows } = await client.query<{ spans: number }>(
    `UPDATE message_gc.run SET spans = spans + 1, version = version + 1 WHERE id = $1 AND state = 'running' RETURNING spans`,
    [run.id],
  );
  return rows[0]?.spans ?? null;
}

/** 0.5 s doubling to 30 s: an application's transaction is over long before; one that is not costs little. */
function parkedWait(attempts: string): string {
  return `least(30000, 500 * 2 ^ least(${attempts}, 10)) * interval '1 millisecond'`;
}

/** The range with the skipped rows becomes a span of its own, in the transaction that moves the cursor past them. */
async function park(
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

function added(before: DependentCounts, more: DependentCounts): DependentCounts {
  const sum: Record<string, number> = { ...before };
  for (const [table, count] of Object.entries(more)) sum[table] = (sum[table] ?? 0) + count;
  return sum;
}

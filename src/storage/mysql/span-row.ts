import { StoreError } from '../../core/errors.js';
import type { BatchRequest } from '../../core/ports.js';
import type { DependentCounts } from '../../core/run.js';
import type { Deleted } from '../sweep/deleted.js';
import { PlanChanged } from '../sweep/plan-changed.js';
import type { WalkRange } from './batch-range.js';
import type { RealTable } from './catalogue.js';
import { shapeSql } from './foreign-keys.js';
import { own, textSql } from './names.js';
import { textOf } from './range.js';
import type { Session } from './session.js';

export type SeenSpan = {
  readonly cursor: string;
  readonly low: string;
  readonly high: string;
  readonly deleted: number;
  readonly batches: number;
  readonly paused: boolean;
  readonly maxRate: number | null;
  readonly dependents: DependentCounts;
  /** The number for a parked span, taken before anything is locked; null unless locked rows are skipped. */
  readonly parkedNo: number | null;
};

/** Begins the transaction and enters it at the span's row. Null: the span is not ours, or the run has ended. */
export async function enterSpan(session: Session, request: BatchRequest): Promise<SeenSpan | null> {
  const { run, skipLocked } = request;
  const runIs = `id = ${textSql(run.id)} AND state = 'running'`;
  const answers = await session.all([
    'BEGIN',
    // Who makes a span writes the run row first: parking what is skipped may make one.
    ...(skipLocked
      ? [`UPDATE ${own('run')} SET spans = spans + 1, version = version + 1 WHERE ${runIs}`]
      : []),
    `SELECT cursor_key AS \`cursor\`, low_key AS low, high_key AS high, deleted, batches FROM ${own('span')}
     WHERE ${spanIs(request)} FOR UPDATE`,
    `SELECT spans, paused, max_rate AS maxRate FROM ${own('run')} WHERE ${runIs}`,
    `SELECT dependents FROM ${own('tally')} WHERE ${tallyIs(request)}`,
  ]);
  const [spans, runs, tallies] = answers.slice(-3) as [
    readonly Pick<SeenSpan, 'cursor' | 'low' | 'high' | 'deleted' | 'batches'>[],
    readonly { readonly spans: number; readonly paused: number; readonly maxRate: number | null }[],
    readonly { readonly dependents: string }[],
  ];
  const [mine, running, tally] = [spans[0], runs[0], tallies[0]];
  if (mine === undefined || running === undefined || tally === undefined) return null;
  return {
    ...mine,
    deleted: Number(mine.deleted),
    paused: Boolean(running.paused),
    maxRate: running.maxRate,
    dependents: JSON.parse(tally.dependents) as DependentCounts,
    parkedNo: skipLocked ? running.spans : null,
  };
}

function tallyIs({ run, span, node }: BatchRequest): string {
  return `run = ${textSql(run.id)} AND span = ${span.no} AND node = ${textSql(node.name)}`;
}

function spanIs({ run, span }: BatchRequest): string {
  return `run = ${textSql(run.id)} AND no = ${span.no} AND fence = ${span.fence} AND state = 'leased'`;
}

/** The range with the skipped rows becomes a span of its own, in the transaction that moves the cursor past them. */
export async function parkSpan(
  session: Session,
  { run, span }: BatchRequest,
  range: WalkRange,
  no: number | null,
  skipped: number,
): Promise<void> {
  if (no === null)
    throw new StoreError('conflict', '', 'park locked messages', 'the run has ended', undefined);
  const [from, to] = [textSql(textOf(range.from)), textSql(textOf(range.to))];
  await session.write(
    `INSERT INTO ${own('span')} (run, no, round, kind, low_key, cursor_key, high_key, state, due_at, attempts, skipped)
     VALUES (${textSql(run.id)}, ${no}, ${span.round}, 'parked', ${from}, ${from}, ${to}, 'open',
       UTC_TIMESTAMP(6) + INTERVAL 500000 MICROSECOND, 0, ${skipped})`,
  );
}

export type SpanChange = {
  readonly cursor: string;
  readonly result: Deleted;
  /** Of a parked span that stays: how many are still held by others. */
  readonly skipped: number;
  readonly state: 'open' | 'leased' | 'done';
  /** Milliseconds during which message rows were locked. */
  readonly busyMs: number;
  /** What the tally said of dependents. */
  readonly before: DependentCounts;
};

/** 0.5 s doubling to 30 s: an application's transaction is over long before; one that is not costs little. */
const parkedWait = 'INTERVAL LEAST(30000, 500 * POW(2, LEAST(attempts, 10))) * 1000 MICROSECOND';

/**
 * Cursor, count, lease and tally, and the plan's guard, which is read now that the statements before hold their
 * tables' definitions. False: the span is not ours any more. (A SET goes from left to right here: `attempts` is read
 * before it is written.)
 */
export async function writeSpan(
  session: Session,
  request: BatchRequest,
  change: SpanChange,
): Promise<boolean> {
  const { leaseMs, plan } = request;
  const { cursor, result, skipped, state } = change;
  const stays = state === 'open';
  const isGuarded = plan.foreignKeys === 'messages_first';
  const answers = await session.all([
    ...(isGuarded ? [shapeSql(session, JSON.parse(plan.guards['tables'] ?? '[]') as RealTable[])] : []),
    `UPDATE ${own('span')} SET cursor_key = ${textSql(cursor)}, batches = batches + 1, deleted = deleted + ${result.deleted},
       ${stays ? `due_at = UTC_TIMESTAMP(6) + ${parkedWait}, attempts = attempts + 1` : 'attempts = 0'},
       skipped = ${skipped}, lease_until = UTC_TIMESTAMP(6) + INTERVAL ${Math.round(leaseMs)}000 MICROSECOND, state = '${state}'
     WHERE ${spanIs(request)}`,
    `UPDATE ${own('tally')} SET deleted = deleted + ${result.deleted}, batches = batches + 1,
       busy_ms = busy_ms + ${Math.round(change.busyMs)}, dependents = ${textSql(JSON.stringify(added(change.before, result.dependents)))}
     WHERE ${tallyIs(request)}`,
  ]);
  const [moved, counted] = answers.slice(-2) as { readonly affectedRows: number }[];
  if (isGuarded) {
    const [row] = answers[0] as readonly { readonly shape: string | null }[];
    if ((row?.shape ?? '') !== plan.guards['shape']) {
      throw new PlanChanged('a foreign key or trigger of the tables was changed during the run');
    }
  }
  return moved?.affectedRows === 1 && counted?.affectedRows === 1;
}

function added(before: DependentCounts, more: DependentCounts): DependentCounts {
  const sum: Record<string, number> = { ...before };
  for (const [table, count] of Object.entries(more)) sum[table] = (sum[table] ?? 0) + count;
  return sum;
}

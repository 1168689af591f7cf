import { StoreError } from '../../core/errors.js';
import type { BatchRequest } from '../../core/ports.js';
import type { DependentCounts } from '../../core/run.js';
import type { Deleted } from '../sweep/deleted.js';
import { PlanChanged } from '../sweep/plan-changed.js';
import { added, type SeenSpan } from '../sweep/seen-span.js';
import type { WalkRange } from './batch-range.js';
import type { RealTable } from './catalogue.js';
import { readShape } from './foreign-keys.js';
import { own, textSql } from './names.js';
import { textOf } from './range.js';
import type { Session } from './session.js';

/** With what this engine reads beside it. */
export type Seen = SeenSpan & {
  /** Whether the hold list names anything. */
  readonly isHeld: boolean;
  /** The server's number of this connection. Behind a proxy it may be another one in the next transaction. */
  readonly connection: number;
  /** How long a statement took that is no work: the way to the server and back. */
  readonly roundTripMs: number;
};

/** Begins the transaction and enters it at the span's row. Null: the span is not ours, or the run has ended. */
export async function enterSpan(session: Session, request: BatchRequest): Promise<Seen | null> {
  const { run, skipLocked } = request;
  const begunAt = performance.now();
  await session.write('BEGIN');
  const roundTripMs = performance.now() - begunAt;
  // Who makes a span writes the run row first: parking what is skipped may make one.
  if (skipLocked) {
    await session.write(
      `UPDATE ${own('run')} SET spans = spans + 1, version = version + 1 WHERE id = ${textSql(run.id)} AND state = 'running'`,
    );
  }
  // Locked, and so read as they are now, are the rows of the outer tables alone: a subquery may be read before the wait for
  // their locks, while a COMMIT whose answer was lost is still under way.
  const rows = await session.rows<SpanRow>(
    `SELECT s.cursor_key AS \`cursor\`, s.low_key AS low, s.high_key AS high, s.deleted, s.batches,
       (SELECT CONCAT_WS(',', r.spans, r.paused, r.max_rate) FROM ${own('run')} r
         WHERE r.id = ${textSql(run.id)} AND r.state = 'running') AS run,
       t.dependents, EXISTS (SELECT 1 FROM ${own('hold')}) AS held, CONNECTION_ID() AS connection
     FROM ${own('span')} s STRAIGHT_JOIN ${own('tally')} t ON ${tallyIs(request, 't.')}
     WHERE ${spanIs(request, 's.')} FOR UPDATE`,
  );
  const found = rows[0];
  if (found === undefined || found.run === null) return null;
  // Without a rate there is no third.
  const [spans = 0, paused = 0, maxRate = null] = found.run.split(',').map(Number);
  return {
    cursor: found.cursor,
    low: found.low,
    high: found.high,
    deleted: Number(found.deleted),
    batches: found.batches,
    paused: Boolean(paused),
    maxRate,
    dependents: JSON.parse(found.dependents) as DependentCounts,
    isHeld: Number(found.held) === 1,
    connection: Number(found.connection),
    roundTripMs,
    parkedNo: skipLocked ? spans : null,
  };
}

type SpanRow = Pick<Seen, 'cursor' | 'low' | 'high' | 'deleted' | 'batches'> & {
  readonly run: string | null;
  readonly dependents: string;
  readonly held: number;
  readonly connection: number;
};

function tallyIs({ run, span, node }: BatchRequest, of: 't.' | '' = ''): string {
  return `${of}run = ${textSql(run.id)} AND ${of}span = ${span.no} AND ${of}node = ${textSql(node.name)}`;
}

function spanIs({ run, span }: BatchRequest, of: 's.' | '' = ''): string {
  return `${of}run = ${textSql(run.id)} AND ${of}no = ${span.no} AND ${of}fence = ${span.fence} AND ${of}state = 'leased'`;
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
  /** Whether the statements asked the hold list. */
  readonly isHeld: boolean;
};

/** 0.5 s doubling to 30 s: an application's transaction is over long before; one that is not costs little. */
const parkedWait = 'INTERVAL LEAST(30000, 500 * POW(2, LEAST(attempts, 10))) * 1000 MICROSECOND';

/**
 * Cursor, count, lease and tally, and the plan's guard, which is read now that the statements before hold their
 * tables' definitions. False: the span is not ours any more. (A SET goes from left to right here: `attempts` is read
 * before it is written.)
 *
 * One statement at a time, and only inside a transaction: on a Galera cluster the transaction may be undone between
 * two statements of one packet, and the server then says nothing and goes on with the next. A count was committed in
 * that way without its rows.
 */
export async function writeSpan(
  session: Session,
  request: BatchRequest,
  change: SpanChange,
): Promise<boolean> {
  const { leaseMs, plan } = request;
  const { cursor, result, skipped, state } = change;
  const stays = state === 'open';
  if (plan.foreignKeys === 'messages_first') {
    const tables = JSON.parse(plan.guards['tables'] ?? '[]') as RealTable[];
    if ((await readShape(session, tables)) !== plan.guards['shape']) {
      throw new PlanChanged('a foreign key or trigger of the tables was changed during the run');
    }
  }
  const inside = session.can.engine === 'mariadb' ? ' AND @@in_transaction = 1' : '';
  const moved = await session.write(
    `UPDATE ${own('span')} SET cursor_key = ${textSql(cursor)}, batches = batches + 1, deleted = deleted + ${result.deleted},
       ${stays ? `due_at = UTC_TIMESTAMP(6) + ${parkedWait}, attempts = attempts + 1` : 'attempts = 0'},
       skipped = ${skipped}, lease_until = UTC_TIMESTAMP(6) + INTERVAL ${Math.round(leaseMs)}000 MICROSECOND, state = '${state}'
     WHERE ${spanIs(request)}${inside}${change.isHeld ? '' : ` AND NOT EXISTS (SELECT 1 FROM ${own('hold')})`}`,
  );
  // The list was seen empty by the statement that took the span's lock, perhaps before it had it.
  if (moved !== 1 && !change.isHeld && (await hasHolds(session))) {
    throw new StoreError('conflict', '', 'end a batch', 'a hold was written meanwhile', undefined);
  }
  if (moved !== 1) return false;
  const counted = await session.write(
    `UPDATE ${own('tally')} SET deleted = deleted + ${result.deleted}, batches = batches + 1,
       busy_ms = busy_ms + ${Math.round(change.busyMs)}, dependents = ${textSql(JSON.stringify(added(change.before, result.dependents)))}
     WHERE ${tallyIs(request)}${inside}`,
  );
  return counted === 1;
}

async function hasHolds(session: Session): Promise<boolean> {
  return (await session.rows(`SELECT 1 FROM ${own('hold')} LIMIT 1`)).length > 0;
}

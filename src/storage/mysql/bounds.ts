import type { Mapping } from '../../core/mapping.js';
import type { Policy } from '../../core/policy.js';
import type { Chunk } from '../../core/ports.js';
import type { Plan } from '../../core/run.js';
import type { Bounds } from '../ledger/bounds.js';
import { eligibleSql } from './eligible.js';
import { kindOf } from './errors.js';
import { quoted, quotedTable } from './names.js';
import { asking, type Sessions } from './pool.js';
import {
  asText,
  type Bound,
  boundOf,
  columnTypes,
  isDense,
  rangeSql,
  textOf,
  walkColumns,
  walkOrder,
} from './range.js';
import type { Session } from './session.js';

/** An index probe for a pivot walks that many entries at most (about 20 ms); a chunk is then a little smaller. */
const farthestProbe = 50_000;

/** The walking order of a table of this family: its key, which InnoDB keeps its rows by, or an index on the age. */
export function boundsOf(sessions: Sessions): Bounds {
  return {
    pivot: ({ mapping }, plan, cursor, high, chunk) =>
      isDense(mapping, plan) && boundOf(cursor).length > 0
        ? Promise.resolve(addedPivot(boundOf(cursor), boundOf(high), chunk))
        : asking(sessions.sweep, 'choose where to split a span', (session) =>
            probedPivot(session, mapping, plan, cursor, high, chunk.units),
          ),
    anythingLeft: (policy, plan, limitMs) =>
      asking(sessions.sweep, 'look for what is left', (session) =>
        anythingLeft(session, policy, plan, limitMs),
      ),
    leftIn: (policy, plan, cursor, high, units) =>
      asking(sessions.sweep, 'look for what is left in a slice', (session) =>
        leftIn(session, policy, plan, cursor, high, units),
      ),
  };
}

/** Whole numbers of any size add and compare here as they do in the database. */
function addedPivot(from: Bound, to: Bound, { units, share, least }: Chunk): string | null {
  const low = BigInt(from[0] ?? '0');
  const high = BigInt(to[0] ?? '0');
  const part = BigInt(Math.ceil(Number(high - low) * share));
  const wanted = max(part, BigInt(Math.max(1, Math.round(least))));
  const most = BigInt(Math.max(1, Math.round(units)));
  const at = low + (wanted < most ? wanted : most);
  return at < high ? textOf([String(at)]) : null;
}

function max(a: bigint, b: bigint): bigint {
  return a > b ? a : b;
}

async function probedPivot(
  session: Session,
  mapping: Mapping,
  plan: Plan,
  cursor: string,
  high: string,
  units: number,
): Promise<string | null> {
  const to = await keyAfter(
    session,
    mapping,
    plan,
    boundOf(cursor),
    boundOf(high),
    Math.min(units, farthestProbe),
  );
  return to === null || textOf(to) === high ? null : textOf(to);
}

/** Columns of the message as text: `k0`, `k1`, … */
function columnsAsText(columns: readonly string[], plan: Plan): string {
  const types = columnTypes(plan);
  return columns
    .map((column, place) => `${asText(`m.${quoted(column)}`, types[column] ?? 'varchar')} AS k${place}`)
    .join(', ');
}

/** The place of a row in the walking order, as text columns `k0`, `k1`, … */
export function placeAsText(mapping: Mapping, plan: Plan): string {
  return columnsAsText(walkOrder(mapping, plan), plan);
}

export function boundFrom(row: Readonly<Record<string, unknown>>, mapping: Mapping, plan: Plan): Bound {
  return walkOrder(mapping, plan).map((_, place) => String(row[`k${place}`]));
}

/** The table by the index of its walking order, which no statistics may talk the server out of. */
export function walkedTable(mapping: Mapping, plan: Plan): string {
  const index = plan.walk === 'age' ? plan.guards['age_index'] : plan.guards['key_index'];
  return `${quotedTable(mapping.table)} AS m FORCE INDEX (${quoted(index ?? 'PRIMARY')})`;
}

/** The table by its key, whatever the walk: for rows that are named one by one. */
export function keyedTable(mapping: Mapping, plan: Plan): string {
  return `${quotedTable(mapping.table)} AS m FORCE INDEX (${quoted(plan.guards['key_index'] ?? 'PRIMARY')})`;
}

/** The place of the `count`-th row after `from` and not above `high`; null when there are fewer. */
export async function keyAfter(
  session: Session,
  mapping: Mapping,
  plan: Plan,
  from: Bound,
  high: Bound,
  count: number,
): Promise<Bound | null> {
  const rows = await session.rows<Record<string, unknown>>(
    `SELECT ${placeAsText(mapping, plan)} FROM ${walkedTable(mapping, plan)}
     WHERE ${rangeSql(mapping, plan, from, high)}
     ORDER BY ${walkColumns(mapping, plan).join(', ')} LIMIT 1 OFFSET ${Math.max(0, Math.round(count) - 1)}`,
  );
  return rows[0] === undefined ? null : boundFrom(rows[0], mapping, plan);
}

/** A SELECT that ends by itself after `ms`; null when it did. */
export async function limited<Row extends object>(
  session: Session,
  select: string,
  ms: number,
): Promise<readonly Row[] | null> {
  const least = Math.max(1, Math.round(ms));
  const statement = session.can.statementTime
    ? `SET STATEMENT max_statement_time = ${least / 1_000} FOR SELECT ${select}`
    : `SELECT /*+ MAX_EXECUTION_TIME(${least}) */ ${select}`;
  try {
    return await session.rows<Row>(statement);
  } catch (error) {
    if (kindOf(error).kind === 'slow') return null;
    throw error;
  }
}

async function anythingLeft(session: Session, policy: Policy, plan: Plan, limitMs: number) {
  const rows = await limited(
    session,
    `1 FROM ${walkedTable(policy.mapping, plan)} WHERE ${eligibleSql(policy, plan.horizon)} LIMIT 1`,
    limitMs,
  );
  return rows === null ? null : rows.length > 0;
}

/** A slice in walking order; its last one is open above. */
async function leftIn(
  session: Session,
  policy: Policy,
  plan: Plan,
  cursor: string,
  high: string,
  units: number,
) {
  const { mapping } = policy;
  const from = boundOf(cursor);
  const next = await keyAfter(session, mapping, plan, from, boundOf(high), units);
  const to = next ?? boundOf(high);
  const where = `${rangeSql(mapping, plan, from, next === null ? [] : to)} AND ${eligibleSql(policy, plan.horizon)}`;
  const columns = walkColumns(mapping, plan);
  const edge = (direction: 'ASC' | 'DESC') =>
    session.rows<Record<string, unknown>>(
      `SELECT ${placeAsText(mapping, plan)} FROM ${walkedTable(mapping, plan)} WHERE ${where}
       ORDER BY ${columns.map((column) => `${column} ${direction}`).join(', ')} LIMIT 1`,
    );
  const last = (await edge('DESC'))[0];
  return {
    to: textOf(to),
    end: next === null,
    // From the slice's own start: the bound before the first row left is exclusive, and a key has no predecessor.
    left: last === undefined ? null : { low: cursor, high: textOf(boundFrom(last, mapping, plan)) },
  };
}

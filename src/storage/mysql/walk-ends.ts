import { epochText } from '../../core/age.js';
import { type Mapping, nameOf } from '../../core/mapping.js';
import type { Plan } from '../../core/run.js';
import { boundFrom, limited, placeAsText, walkedTable } from './bounds.js';
import { unfit } from './catalogue.js';
import { edgeSql } from './eligible.js';
import { type Bound, boundOf, isCountable, rangeSql, walkColumns } from './range.js';
import type { Session } from './session.js';

/** The probe answers from an index in well under a millisecond; without an index it must not read the table. */
export const probeLimitMs = 250;

type KeyRange = { readonly high: Bound; readonly beforeFirst: Bound; readonly width: number };

/**
 * The highest key bounds the walk; null: the table is empty. Width: how many integers lie between the ends, 1 when it
 * cannot be said (right after a run the lowest key hides behind rows that were not purged yet, so that question is
 * bounded).
 */
export async function readKeyRange(session: Session, mapping: Mapping, plan: Plan): Promise<KeyRange | null> {
  const ask = (direction: 'ASC' | 'DESC'): string =>
    `${placeAsText(mapping, plan)} FROM ${walkedTable(mapping, plan)}
     ORDER BY ${walkColumns(mapping, plan)
       .map((column) => `${column} ${direction}`)
       .join(', ')} LIMIT 1`;
  const [highest] = await session.rows<Record<string, unknown>>(`SELECT ${ask('DESC')}`);
  if (highest === undefined) return null;
  const high = boundFrom(highest, mapping, plan);
  const lowest = (await limited<Record<string, unknown>>(session, ask('ASC'), probeLimitMs))?.[0];
  if (!isCountable(mapping, plan) || lowest === undefined) return { high, beforeFirst: [], width: 1 };
  const low = BigInt(boundFrom(lowest, mapping, plan)[0] ?? '0');
  return {
    high,
    // Below the type's least value it is a number still, which the server compares as it should.
    beforeFirst: [String(low - 1n)],
    width: Number(BigInt(high[0] ?? '0') - low) + 1,
  };
}

/** A walk by age begins after what is no age and ends with the horizon, as the column has it; ages alone, without a key. */
export async function ageEnds(
  session: Session,
  { age }: Mapping,
  horizon: string,
): Promise<{ readonly low: Bound; readonly high: Bound }> {
  const epoch = epochText(horizon, age.unit);
  if (epoch !== null) return { low: ['0'], high: [epoch] };
  const rows = await session.rows<{ edge: string }>(`SELECT CAST(${edgeSql(horizon, age)} AS CHAR) AS edge`);
  return { low: ['1000-01-01 00:00:00'], high: [rows[0]?.edge ?? ''] };
}

const fewRows = 100;

/**
 * What the server would do for a batch: it must go to a place in the walk's index. A comparison that it cannot use the
 * index for (another collation, another type) would read, and lock, the table from its start in every batch.
 */
export async function guardPlan(session: Session, mapping: Mapping, plan: Plan): Promise<void> {
  const [low, high] = [boundOf(plan.low), boundOf(plan.high)];
  const select = `SELECT ${placeAsText(mapping, plan)} FROM ${walkedTable(mapping, plan)}`;
  // From the last row on: a range that is the whole index would be read as such, and rightly.
  let from = high;
  if (plan.walk === 'age') {
    const order = walkColumns(mapping, plan).map((column) => `${column} DESC`);
    const last = await session.rows<Record<string, unknown>>(
      `${select} WHERE ${rangeSql(mapping, plan, low, high)} ORDER BY ${order.join(', ')} LIMIT 1`,
    );
    if (last[0] === undefined) return;
    from = boundFrom(last[0], mapping, plan);
  }
  const rows = await session.rows<{ type: string | null; key: string | null; rows: number | null }>(
    `EXPLAIN ${select} WHERE ${rangeSql(mapping, plan, from, [])}`,
  );
  const used = rows[0];
  // No type at all: the server saw that the range is empty.
  if (used === undefined || used.type === null || used.type === 'range') return;
  const index = plan.guards[plan.walk === 'age' ? 'age_index' : 'key_index'];
  // MySQL reads the whole of an index that it takes for as short as this.
  if (used.type === 'index' && used.key === index && Number(used.rows ?? 0) <= fewRows) return;
  throw unfit(
    'EXPLAIN',
    `The server would not use the index ${index} of ${nameOf(mapping.table)} to find a range of its order (EXPLAIN says ${used.type}, ${used.key ?? 'no index'})`,
  );
}

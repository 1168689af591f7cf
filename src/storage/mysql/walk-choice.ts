import { type Mapping, nameOf } from '../../core/mapping.js';
import { unfit } from './catalogue.js';
import { oldEnoughSql } from './eligible.js';
import { quoted, quotedTable } from './names.js';
import type { Session } from './session.js';
import type { TableFacts } from './table-facts.js';

export type WalkChoice = {
  readonly walk: 'key' | 'age';
  /** Rows between the ends, as the statistics say. */
  readonly units: number;
  readonly why: string;
};

/**
 * Below this share of old rows the walk goes along the age's index. Each of its rows is fetched by the key, one by one;
 * the key's order reads every row of the table, but in the order in which they lie. (100,000 rows, text keys, two
 * dependents each: with a tenth old 4.0 s by age and 8.4 s by key, with a fifth 20.0 s and 13.6 s.)
 */
const mostByAge = 0.1;

/**
 * Key order, in which InnoDB keeps its rows; the order of age where few rows are old enough. The operator's word counts
 * before both.
 */
export async function chooseWalk(
  session: Session,
  mapping: Mapping,
  facts: TableFacts,
  horizon: string,
): Promise<WalkChoice> {
  const { keyIndex, ageIndex } = facts;
  const rows = Math.max(1, facts.rows);
  const key: WalkChoice = {
    walk: 'key',
    units: rows,
    why: `key order: ${keyIndex === 'PRIMARY' ? 'InnoDB keeps its rows by it' : `by the index ${keyIndex}`}`,
  };
  if (mapping.walk === 'blocks') {
    throw unfit(
      'WALK',
      'The mapping asks for the walk by blocks, which only PostgreSQL knows: InnoDB keeps its rows in the order of the primary key. Say walk: key or age, or leave it out',
    );
  }
  if (mapping.walk === 'key') return { ...key, why: `${key.why}, and the mapping says so` };
  if (ageIndex === null) {
    if (mapping.walk === null) return key;
    const columns = [...new Set([mapping.age.column, ...mapping.key])];
    throw unfit(
      'WALK',
      `The mapping asks for the walk by age, but no index of ${nameOf(mapping.table)} has the order (${columns.join(', ')}): CREATE INDEX ${quoted(`${facts.messages.name}_${mapping.age.column}`)} ON ${quotedTable(mapping.table)} (${columns.map(quoted).join(', ')})`,
    );
  }
  const old = await estimateOld(session, mapping, ageIndex, horizon);
  const age: WalkChoice = {
    walk: 'age',
    units: Math.max(1, old),
    why: `order of age by the index ${ageIndex}: about ${old} of ${rows} rows are old enough`,
  };
  if (mapping.walk === 'age') return { ...age, why: `${age.why}, and the mapping says so` };
  return old < rows * mostByAge ? age : key;
}

/**
 * InnoDB looks at a few pages of the index between the two ends; the answer may be wrong by half, rarely by more. The index
 * is offered and not forced: where it is forced, MySQL does not look and answers 1 for any range.
 */
async function estimateOld(
  session: Session,
  mapping: Mapping,
  ageIndex: string,
  horizon: string,
): Promise<number> {
  const rows = await session.rows<{ rows: number | null }>(
    `EXPLAIN SELECT 1 FROM ${quotedTable(mapping.table)} AS m USE INDEX (${quoted(ageIndex)})
     WHERE ${oldEnoughSql(mapping, horizon)}`,
  );
  return Number(rows[0]?.rows ?? 0);
}

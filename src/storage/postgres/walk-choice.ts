import type { Policy } from '../../core/policy.js';
import type { Walk } from '../../core/run.js';
import { type Queryable, type TableFacts, unfit } from './catalogue.js';
import { oldEnoughSql } from './eligible.js';
import { quotedTable } from './names.js';
import { Parameters } from './range.js';
import { nameOf } from '../../core/mapping.js';

/** Below this the table's order is not the key's: a walk in key order then jumps between blocks (10 times slower). */
const orderedFrom = 0.9;

/** Tables smaller than 8 MB fit any cache: their order does not matter, and a key walk needs no look. */
const smallBlocks = 1_024;

/**
 * Up to this share of the table's rows a walk in the order of the age is the cheapest, even where the old messages are
 * spread over all blocks (uuid keys, rows of 300 bytes, beside busy neighbours): 2 % 1.2 s against 4.1 s by blocks, 5 %
 * 0.9 s against 2.6 s, 10 % 1.4 s against 1.1 s.
 */
const sparseShare = 0.05;

export type WalkChoice = { readonly walk: Walk; readonly why: string };

/** The order in which rows are visited: the mapping's, or what the statistics say is cheapest. */
export async function chooseWalk(
  client: Queryable,
  policy: Policy,
  facts: TableFacts,
  horizon: string,
): Promise<WalkChoice> {
  const { mapping } = policy;
  const hasIndex = await hasAgeIndex(client, policy, facts);
  if (mapping.walk !== null) {
    if (mapping.walk === 'blocks' && !facts.isPlainHeap)
      throw unfit(
        'WALK',
        `The mapping wants a walk by blocks, and ${nameOf(mapping.table)} has partitions, parents or children, or is no heap: write walk: key, or leave it out`,
      );
    if (mapping.walk === 'age' && !hasIndex)
      throw unfit(
        'WALK',
        `The mapping wants a walk by age, and no index of ${nameOf(mapping.table)} begins with ${mapping.age.column}, so every batch would read the whole table: CREATE INDEX CONCURRENTLY ON ${quotedTable(mapping.table)} ("${mapping.age.column.replaceAll('"', '""')}"), or write walk: key, or leave it out`,
      );
    const words = { key: 'key order', age: 'the order of the age', blocks: 'heap blocks' }[mapping.walk];
    return { walk: mapping.walk, why: `${words}: the mapping says so` };
  }
  if (facts.isPlainHeap && facts.blocks < smallBlocks)
    return { walk: 'key', why: 'key order: the table is small' };
  if (hasIndex && facts.rows > 0) {
    const few = await estimatedOldEnough(client, policy, horizon);
    const share = few / facts.rows;
    if (share <= sparseShare)
      return {
        walk: 'age',
        why: `the order of the age: about ${Math.round(few)} of ${Math.round(facts.rows)} messages are old enough, and an index finds them`,
      };
  }
  if (!facts.isPlainHeap)
    return { walk: 'key', why: 'key order: the table has partitions, parents or children' };
  const isNumber = facts.keyTypes.length === 1 && /^(smallint|integer|bigint)$/.test(facts.keyTypes[0] ?? '');
  if (facts.correlation === null) {
    return isNumber
      ? { walk: 'key', why: 'key order: an integer key, and no statistics yet' }
      : { walk: 'blocks', why: 'heap blocks: no statistics yet for a key that is no integer' };
  }
  const shown = facts.correlation.toFixed(2);
  return Math.abs(facts.correlation) >= orderedFrom
    ? { walk: 'key', why: `key order: the table follows it (correlation ${shown})` }
    : { walk: 'blocks', why: `heap blocks: the table does not follow the key (correlation ${shown})` };
}

async function hasAgeIndex(client: Queryable, { mapping }: Policy, facts: TableFacts): Promise<boolean> {
  const { rowCount } = await client.query(
    `SELECT FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid JOIN pg_am m ON m.oid = c.relam
       JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = i.indkey[0]
     WHERE i.indrelid = $1::oid AND a.attname = $2 AND i.indisvalid AND i.indpred IS NULL AND m.amname = 'btree' LIMIT 1`,
    [facts.oid, mapping.age.column],
  );
  return (rowCount ?? 0) > 0;
}

/** What the server's own statistics say; they look at the index's ends where the horizon lies beyond them. */
async function estimatedOldEnough(client: Queryable, { mapping }: Policy, horizon: string): Promise<number> {
  const parameters = new Parameters();
  const { rows } = await client.query<{
    'QUERY PLAN': readonly { readonly Plan: { readonly 'Plan Rows': number } }[];
  }>(
    `EXPLAIN (FORMAT JSON) SELECT 1 FROM ${quotedTable(mapping.table)} m WHERE ${oldEnoughSql(mapping, horizon, parameters)}`,
    parameters.values,
  );
  return rows[0]?.['QUERY PLAN'][0]?.Plan['Plan Rows'] ?? Number.POSITIVE_INFINITY;
}

import { StoreError } from '../../core/errors.js';
import { type Mapping, nameOf } from '../../core/mapping.js';
import type { Policy } from '../../core/policy.js';
import type { Planner } from '../../core/ports.js';
import type { Plan } from '../../core/run.js';
import { boundFrom, keyAsText, limited, walkedTable } from './bounds.js';
import { readTableFacts } from './catalogue.js';
import { eligibleSql } from './eligible.js';
import { chooseForeignKeyMode, readShape } from './foreign-keys.js';
import { quoted, quotedTable } from './names.js';
import { asking, type Sessions } from './pool.js';
import { type Bound, isCountable, keyColumns, rangeSql, textOf } from './range.js';
import type { Session } from './session.js';

/** The probe answers from an index in well under a millisecond; without an index it must not read the table. */
const probeLimitMs = 250;

export function plannerOf(sessions: Sessions): Planner {
  return {
    plan: (policy) => asking(sessions.sweep, 'plan the run', (session) => choose(session, policy)),
  };
}

/** InnoDB keeps rows in the order of the primary key, so the walk is by the key; nothing moves, and no look is due. */
async function choose(session: Session, policy: Policy) {
  const { mapping, retentionSeconds } = policy;
  const horizon = await readHorizon(session, retentionSeconds);
  const facts = await readTableFacts(session, mapping);
  const foreignKeys = await chooseForeignKeyMode(session, mapping, facts.tables);
  const rows = Math.max(1, facts.rows);
  const plan: Plan = {
    horizon,
    walk: 'key',
    low: '[]',
    high: '[]',
    foreignKeys: foreignKeys.mode,
    sparseness: 1,
    units: rows,
    look: false,
    guards: {
      key_types: JSON.stringify(facts.keyTypes),
      column_types: JSON.stringify(facts.columnTypes),
      key_index: facts.keyIndex,
      dependent_indexes: JSON.stringify(facts.dependentIndexes),
      tables: JSON.stringify(facts.tables),
      shape: foreignKeys.mode === 'messages_first' ? await readShape(session, facts.tables) : '',
    },
    why: `key order: ${facts.keyIndex === 'PRIMARY' ? 'InnoDB keeps its rows by it' : `by the index ${facts.keyIndex}`}; ${foreignKeys.why}`,
  };
  if ((await probe(session, policy, horizon)) === 'nothing') return { kind: 'nothing', plan } as const;
  const keys = await readKeyRange(session, mapping, plan);
  if (keys === null) return { kind: 'nothing', plan } as const;
  const found: Plan = {
    ...plan,
    low: textOf(keys.beforeFirst),
    high: textOf(keys.high),
    sparseness: Math.max(1, keys.width / rows),
  };
  await guardPlan(session, mapping, found, keys);
  return { kind: 'work', plan: found } as const;
}

/** Database time minus retention, with microseconds, as the text that every statement gets. */
export async function readHorizon(session: Session, retentionSeconds: number): Promise<string> {
  const rows = await session.rows<{ horizon: string }>(
    `SELECT DATE_FORMAT(UTC_TIMESTAMP(6) - INTERVAL ${Math.round(retentionSeconds * 1_000_000)} MICROSECOND,
       '%Y-%m-%dT%H:%i:%s.%fZ') AS horizon`,
  );
  return rows[0]?.horizon ?? '';
}

type KeyRange = { readonly high: Bound; readonly beforeFirst: Bound; readonly width: number };

/**
 * The highest key bounds the walk; null: the table is empty. Width: how many integers lie between the ends, 1 when it
 * cannot be said (right after a run the lowest key hides behind rows that were not purged yet, so that question is
 * bounded).
 */
async function readKeyRange(session: Session, mapping: Mapping, plan: Plan): Promise<KeyRange | null> {
  const ask = (direction: 'ASC' | 'DESC'): string =>
    `${keyAsText(mapping, plan)} FROM ${walkedTable(mapping, plan)}
     ORDER BY ${keyColumns(mapping)
       .map((column) => `${column} ${direction}`)
       .join(', ')} LIMIT 1`;
  const [highest] = await session.rows<Record<string, unknown>>(`SELECT ${ask('DESC')}`);
  if (highest === undefined) return null;
  const high = boundFrom(highest, mapping);
  const lowest = (await limited<Record<string, unknown>>(session, ask('ASC'), probeLimitMs))?.[0];
  if (!isCountable(plan) || lowest === undefined) return { high, beforeFirst: [], width: 1 };
  const low = BigInt(boundFrom(lowest, mapping)[0] ?? '0');
  return {
    high,
    beforeFirst: [String(low - 1n)],
    width: Number(BigInt(high[0] ?? '0') - low) + 1,
  };
}

/** Is anything eligible at all? `unknown` plans a normal run; it never means that there is nothing to do. */
async function probe(
  session: Session,
  policy: Policy,
  horizon: string,
): Promise<'something' | 'nothing' | 'unknown'> {
  const rows = await limited(
    session,
    `1 FROM ${quotedTable(policy.mapping.table)} AS m WHERE ${eligibleSql(policy, horizon)} ORDER BY m.${quoted(policy.mapping.age.column)} LIMIT 1`,
    probeLimitMs,
  );
  if (rows === null) return 'unknown';
  return rows.length === 0 ? 'nothing' : 'something';
}

/**
 * What the server would do for a batch: it must go to a place in the key's index. A comparison that it cannot use the
 * index for (another collation, another type) would read, and lock, the table from its start in every batch.
 */
async function guardPlan(
  session: Session,
  mapping: Mapping,
  plan: Plan,
  { beforeFirst, high }: KeyRange,
): Promise<void> {
  const from = beforeFirst.length > 0 ? beforeFirst : high;
  const rows = await session.rows<{ type: string | null; key: string | null }>(
    `EXPLAIN SELECT ${keyAsText(mapping, plan)} FROM ${walkedTable(mapping, plan)} WHERE ${rangeSql(mapping, plan, from, [])}`,
  );
  const used = rows[0];
  // No type at all: the server saw that the range is empty.
  if (used === undefined || used.type === null || used.type === 'range') return;
  throw new StoreError(
    'unfit',
    'EXPLAIN',
    'plan the run',
    `The server would not use the index ${plan.guards['key_index']} of ${nameOf(mapping.table)} to find a range of keys (EXPLAIN says ${used.type}, ${used.key ?? 'no index'})`,
    undefined,
  );
}

import { StoreError } from '../../core/errors.js';
import type { Mapping } from '../../core/mapping.js';
import type { Policy } from '../../core/policy.js';
import type { Planner } from '../../core/ports.js';
import type { Plan } from '../../core/run.js';
import { limited } from './bounds.js';
import { unfit } from './catalogue.js';
import { eligibleSql } from './eligible.js';
import { refuseForeignKeys } from './foreign-key-refusals.js';
import { chooseForeignKeyMode, readShape } from './foreign-keys.js';
import { losingTables } from './dependent-facts.js';
import { quoted, quotedTable } from './names.js';
import { isOwnMapping } from './own-tables.js';
import { asking, type Sessions } from './pool.js';
import { textOf } from './range.js';
import type { Session } from './session.js';
import { readTableFacts, type TableFacts } from './table-facts.js';
import { chooseWalk } from './walk-choice.js';
import { ageEnds, guardPlan, probeLimitMs, readKeyRange } from './walk-ends.js';

export function plannerOf(sessions: Sessions): Planner {
  return {
    plan: (policy) => asking(sessions.sweep, 'plan the run', (session) => choose(session, policy)),
  };
}

/** Nothing moves in either order of InnoDB that a walk may have, so no look is due. */
async function choose(session: Session, policy: Policy) {
  const { mapping, retentionSeconds } = policy;
  const horizon = await readHorizon(session, retentionSeconds);
  const facts = await factsOrWords(session, mapping);
  const unseen = await refuseForeignKeys(session, mapping, facts);
  const plan = await planFor(session, mapping, facts, horizon, unseen);
  if ((await probe(session, policy, horizon)) === 'nothing') return { kind: 'nothing', plan } as const;
  const found =
    plan.walk === 'age' ? await byAge(session, policy, plan) : await byKey(session, mapping, plan);
  if (found === null) return { kind: 'nothing', plan } as const;
  await guardPlan(session, mapping, found);
  return { kind: 'work', plan: found } as const;
}

async function planFor(
  session: Session,
  mapping: Mapping,
  facts: TableFacts,
  horizon: string,
  unseen: string | null,
): Promise<Plan> {
  const foreignKeys = await chooseForeignKeyMode(session, mapping, facts);
  const walk = await chooseWalk(session, mapping, facts, horizon);
  const tables = losingTables(facts.messages, facts.dependents);
  return {
    horizon,
    walk: walk.walk,
    low: '[]',
    high: '[]',
    foreignKeys: foreignKeys.mode,
    sparseness: 1,
    units: walk.units,
    look: false,
    guards: {
      column_types: JSON.stringify(
        Object.fromEntries(Object.entries(facts.columns).map(([name, { type }]) => [name, type])),
      ),
      key_index: facts.keyIndex,
      age_index: facts.ageIndex ?? '',
      dependents: JSON.stringify(facts.dependents.map(({ frozen }) => frozen)),
      tables: JSON.stringify(tables),
      shape: foreignKeys.mode === 'messages_first' ? await readShape(session, tables) : '',
    },
    why: [walk.why, foreignKeys.why, unseen].filter((words) => words !== null).join('; '),
  };
}

async function byKey(session: Session, mapping: Mapping, plan: Plan): Promise<Plan | null> {
  const keys = await readKeyRange(session, mapping, plan);
  if (keys === null) return null;
  return {
    ...plan,
    low: textOf(keys.beforeFirst),
    high: textOf(keys.high),
    sparseness: Math.max(1, keys.width / plan.units),
  };
}

async function byAge(session: Session, { mapping }: Policy, plan: Plan): Promise<Plan> {
  const { low, high } = await ageEnds(session, mapping, plan.horizon);
  return { ...plan, low: textOf(low), high: textOf(high) };
}

/** A name that the mapping has wrong is said, with the nearest right one; of our own tables none can be wrong. */
async function factsOrWords(session: Session, mapping: Mapping): Promise<TableFacts> {
  try {
    return await readTableFacts(session, mapping);
  } catch (error) {
    const isMisspelt = error instanceof StoreError && error.kind === 'missing' && !isOwnMapping(mapping);
    throw isMisspelt ? unfit('NAME', error.message) : error;
  }
}

/** Database time minus retention, with microseconds, as the text that every statement gets. */
export async function readHorizon(session: Session, retentionSeconds: number): Promise<string> {
  const rows = await session.rows<{ horizon: string }>(
    `SELECT DATE_FORMAT(UTC_TIMESTAMP(6) - INTERVAL ${Math.round(retentionSeconds * 1_000_000)} MICROSECOND,
       '%Y-%m-%dT%H:%i:%s.%fZ') AS horizon`,
  );
  return rows[0]?.horizon ?? '';
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

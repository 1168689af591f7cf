import { nameOf, type TableName } from '../../../core/mapping.js';
import type { Policy } from '../../../core/policy.js';
import { type FlatDependent, isSameTable } from '../../checks/flat-dependents.js';
import { type Counted, sampleKeys } from '../../preview/counted.js';
import { limited } from '../bounds.js';
import { eligibleSql } from '../eligible.js';
import { quoted, quotedTable } from '../names.js';
import type { Session } from '../session.js';
import { countedDependents, momentFrom } from '../../preview/counted-dependents.js';
import { ageText, candidateSql, heldSql } from './parts.js';
import { keyText, type KeyTypes } from './random-key.js';

/** A policy as one look at a table sees it. */
export type Looked = { readonly policy: Policy; readonly horizon: string; readonly keyTypes: KeyTypes };

/** Null: there was not enough time. */
export async function exactMessages(
  session: Session,
  { policy, horizon }: Looked,
  limitMs: number,
): Promise<Omit<Counted, 'dependents' | 'exact'> | null> {
  if (limitMs < 1) return null;
  const { mapping } = policy;
  const eligible = eligibleSql(policy, horizon);
  const age = `CASE WHEN ${eligible} THEN m.${quoted(mapping.age.column)} END`;
  const sum = (condition: string): string => `CAST(coalesce(sum((${condition}) IS TRUE), 0) AS UNSIGNED)`;
  const rows = await limited<Record<string, unknown>>(
    session,
    `${[
      `${sum(eligible)} AS messages`,
      `${ageText(mapping, `min(${age})`)} AS oldest`,
      `${ageText(mapping, `max(${age})`)} AS newest`,
      ...mapping.holds.map(({ where }, place) => `${sum(heldSql(policy, where, horizon))} AS h${place}`),
    ].join(', ')} FROM ${quotedTable(mapping.table)} AS m WHERE ${candidateSql(policy, horizon)}`,
    limitMs,
  );
  const row = rows?.[0];
  if (row === undefined) return null;
  return {
    messages: Number(row['messages']),
    held: Object.fromEntries(mapping.holds.map(({ name }, place) => [name, Number(row[`h${place}`])])),
    oldest: momentFrom(mapping, row['oldest']),
    newest: momentFrom(mapping, row['newest']),
    sample: [],
  };
}

export async function exactSample(
  session: Session,
  { policy, horizon, keyTypes }: Looked,
  limitMs: number,
): Promise<Counted['sample'] | null> {
  if (limitMs < 1) return null;
  const { mapping } = policy;
  const rows = await limited<Record<string, unknown>>(
    session,
    `${keyText(mapping, keyTypes, 'm')} FROM ${quotedTable(mapping.table)} AS m WHERE ${eligibleSql(policy, horizon)} LIMIT ${sampleKeys}`,
    limitMs,
  );
  return rows?.map((row) => mapping.key.map((_, place) => String(row[`k${place}`]))) ?? null;
}

/** Rows that go along, counted once each whatever number of messages they belong to; null: not enough time. */
export async function exactDependents(
  session: Session,
  looked: Looked,
  limitMs: number,
): Promise<Counted['dependents'] | null> {
  const until = performance.now() + limitMs;
  const counts: Record<string, number> = {};
  for (const one of countedDependents(looked.policy.mapping)) {
    const leftMs = until - performance.now();
    if (leftMs < 1) return null;
    const { table } = one.dependent;
    const rows = await limited<{ n: number }>(
      session,
      `count(*) AS n FROM ${quotedTable(table)} AS d${one.path.length - 1} WHERE ${exists(looked, one)}`,
      leftMs,
    );
    if (rows === null) return null;
    counts[nameOf(table)] = (counts[nameOf(table)] ?? 0) + Number(rows[0]?.n);
  }
  return counts;
}

function exists({ policy, horizon }: Looked, one: FlatDependent): string {
  const { mapping } = policy;
  const eligible = eligibleSql(policy, horizon);
  let condition = '';
  for (const [level, { match, table }] of one.path.entries()) {
    const above = level === 0 ? 'm' : `d${level - 1}`;
    const on = match.map(
      ({ column, message }) => `d${level}.${quoted(column)} = ${above}.${quoted(message)}`,
    );
    const parent: TableName = level === 0 ? mapping.table : (one.path[level - 1]?.table ?? table);
    const inner = level === 0 ? eligible : condition;
    condition = `EXISTS (SELECT 1 FROM ${quotedTable(parent)} AS ${above} WHERE ${[...on, inner].join(' AND ')})`;
  }
  if (!isSameTable(one.dependent.table, mapping.table)) return condition;
  // References of messages that stay; those of messages that go are gone with them.
  const last = `d${one.path.length - 1}`;
  const same = mapping.key.map((column) => `m.${quoted(column)} = ${last}.${quoted(column)}`);
  return `${condition} AND NOT EXISTS (SELECT 1 FROM ${quotedTable(mapping.table)} AS m WHERE ${[...same, eligible].join(' AND ')})`;
}

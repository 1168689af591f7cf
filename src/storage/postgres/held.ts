import type { PoolClient } from 'pg';
import { keySeparator } from '../../core/hold-key.js';
import type { Mapping } from '../../core/mapping.js';
import type { Policy } from '../../core/policy.js';
import type { Plan } from '../../core/run.js';
import { eligibleSql, type Place } from './eligible.js';
import { quoted, textSql } from './names.js';
import type { Parameters } from './range.js';

/** Whether the product's hold list names anything, by kind. An empty list must cost nothing. */
export type Held = { readonly key: boolean; readonly contact: boolean };

/**
 * In a batch this must be a statement of its own after the span's row is locked: `hold add` answers once it has had
 * every leased span's lock, and a statement that had to wait for that lock still sees the list from before.
 */
export const heldSql = `SELECT EXISTS (SELECT FROM message_gc.hold WHERE kind = 'key') AS key,
  EXISTS (SELECT FROM message_gc.hold WHERE kind = 'contact') AS contact`;

export async function readHeld(client: Pick<PoolClient, 'query'>): Promise<Held> {
  // A dry run may come before there is a ledger.
  const there = await client.query<{ is: boolean }>(
    `SELECT to_regclass('message_gc.hold') IS NOT NULL AS is`,
  );
  if (there.rows[0]?.is !== true) return { key: false, contact: false };
  const { rows } = await client.query<Held>(heldSql);
  return rows[0] ?? { key: true, contact: true };
}

/** Which messages may go: eligible, and not on the hold list. Every statement that picks or deletes messages says it. */
export function collectableSql(
  policy: Policy,
  plan: Pick<Plan, 'horizon' | 'guards'>,
  held: Held,
  parameters: Parameters,
  place: Place = 'anywhere',
): string {
  const eligible = eligibleSql(policy, plan.horizon, parameters, place);
  const holds = holdListSql(policy.mapping, plan, held);
  return holds === '' ? eligible : `(${eligible} AND ${holds})`;
}

/** The same for a statement that is bound to a range of the walk, or to rows by their keys. */
export function collectableInRangeSql(
  policy: Policy,
  plan: Plan,
  held: Held,
  parameters: Parameters,
): string {
  // In the order of the age the first range begins before all ages: there the index must pass over what is none.
  return collectableSql(policy, plan, held, parameters, plan.walk === 'age' ? 'anywhere' : 'in range');
}

/** The policy with the hold list as one hold more, for counting what it keeps. */
export function withHoldList(policy: Policy, plan: Pick<Plan, 'guards'>, held: Held): Policy {
  const listed = holdListSql(policy.mapping, plan, held);
  if (listed === '') return policy;
  const holds = [...policy.mapping.holds, { name: 'hold_list', where: `NOT (${listed})` }];
  return { ...policy, mapping: { ...policy.mapping, holds } };
}

function holdListSql({ key, holdList }: Mapping, plan: Pick<Plan, 'guards'>, held: Held): string {
  const parts: string[] = [];
  if (held.key) parts.push(keySql(key, plan));
  if (held.contact && holdList !== null) {
    parts.push(notOnList('contact', 'message_gc_h.value', `m.${quoted(holdList.contact)}::text`));
  }
  return parts.join(' AND ');
}

/**
 * One column is compared by its own collation: where the key takes 'A1' and 'a1' for the same, so does a hold. Several
 * are joined by U+001F and compared byte by byte.
 */
function keySql(key: readonly string[], plan: Pick<Plan, 'guards'>): string {
  const columns = key.map((column) => `m.${quoted(column)}::text`);
  const [only] = columns;
  if (columns.length === 1 && only !== undefined) {
    const [type] = JSON.parse(plan.guards['key_types'] ?? '[]') as string[];
    return notOnList('key', type === 'uuid' ? 'lower(message_gc_h.value)' : 'message_gc_h.value', only);
  }
  return notOnList(
    'key',
    'message_gc_h.value COLLATE "C"',
    `(${columns.join(` || ${textSql(keySeparator)} || `)}) COLLATE "C"`,
  );
}

function notOnList(kind: 'key' | 'contact', value: string, mine: string): string {
  return `NOT EXISTS (SELECT FROM message_gc.hold message_gc_h WHERE message_gc_h.kind = '${kind}' AND ${value} = ${mine})`;
}

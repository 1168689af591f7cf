import { keySeparator } from '../../core/hold-key.js';
import type { Mapping } from '../../core/mapping.js';
import type { Policy } from '../../core/policy.js';
import type { Plan } from '../../core/run.js';
import { kindOf } from './errors.js';
import { own, quoted, textSql } from './names.js';
import { asText, columnTypes } from './range.js';
import type { Session } from './session.js';

/**
 * Keeps the messages that the product's hold list names, by key or by contact; compared byte by byte, so that a hold
 * is for what it names and for nothing else.
 */
export function holdListSql({ key, holdList }: Mapping, plan: Plan): string {
  const types = columnTypes(plan);
  const text = (column: string): string => asText(`m.${quoted(column)}`, types[column] ?? 'varchar');
  const [only = '', ...others] = key.map(text);
  const parts = [
    isHeld(
      'key',
      others.length === 0 ? only : `CONCAT_WS('${keySeparator}', ${[only, ...others].join(', ')})`,
    ),
  ];
  if (holdList !== null) parts.push(isHeld('contact', text(holdList.contact)));
  return parts.map((part) => `NOT ${part}`).join(' AND ');
}

/** The policy with the hold list as one hold more, for counting what it keeps; an empty list adds nothing. */
export async function withHoldList(session: Session, policy: Policy, plan: Plan): Promise<Policy> {
  const found = await session.rows(`SELECT 1 FROM ${own('hold')} LIMIT 1`).catch(noneYet);
  if (found.length === 0) return policy;
  const hold = { name: 'hold_list', where: `NOT (${holdListSql(policy.mapping, plan)})` };
  return { ...policy, mapping: { ...policy.mapping, holds: [...policy.mapping.holds, hold] } };
}

/** A dry run may come before there is a ledger. */
function noneYet(error: unknown): readonly object[] {
  if (kindOf(error).kind === 'missing') return [];
  throw error;
}

function isHeld(kind: 'key' | 'contact', value: string): string {
  return `EXISTS (SELECT 1 FROM ${own('hold')} AS message_gc_h WHERE message_gc_h.kind = ${textSql(kind)}
    AND message_gc_h.value = CONVERT(${value} USING utf8mb4) COLLATE utf8mb4_bin)`;
}

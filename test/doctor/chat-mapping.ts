/** A mapping of somebody else's chat, which the fixtures of both engines have under the same names. */
import type { Mapping } from '../../src/core/mapping.js';
import type { Policy } from '../../src/core/policy.js';

const table = (name: string) => ({ schema: null, name });

/** Ages in epoch seconds, replies within the table, reactions with files of their own below them. */
export const chatMapping: Mapping = {
  store: 'chat',
  table: table('Chat'),
  key: ['id'],
  age: { column: 'sent', unit: 'epoch_s', zone: null },
  processed: `m.state = 'read'`,
  holds: [{ name: 'pinned', where: 'm.pinned' }],
  holdList: null,
  dependents: [
    {
      table: table('Chat'),
      match: [{ column: 'reply_to', message: 'id' }],
      action: 'set_null',
    },
    {
      table: table('reaction'),
      match: [{ column: 'chat_id', message: 'id' }],
      action: 'delete',
      dependents: [
        { table: table('file'), match: [{ column: 'reaction_id', message: 'id' }], action: 'delete' },
      ],
    },
  ],
  foreignKeys: 'checked',
  walk: null,
};

export const chatPolicy: Policy = { mapping: chatMapping, retentionSeconds: 30 * 86_400 };

export function changedPolicy(change: Partial<Mapping>): Policy {
  return { ...chatPolicy, mapping: { ...chatMapping, ...change } };
}

import { describe, expect, test } from 'vitest';
import { policyOf } from '../../src/app/policy.js';
import { readConfig } from '../../src/config/read-config.js';
import { ownMapping } from '../../src/core/mapping.js';
import { configOf, goodStore, mappingFile, postgres, refusedLines, textFile } from './mapping-world.js';

describe('a mapping file', () => {
  test('that is named and not there is refused, so that a misspelt path never means our own tables', () => {
    const [line] = refusedLines({ MESSAGE_GC_CONFIG: '/nonexistent/message-gc.yaml' });
    expect(line).toContain('/nonexistent/message-gc.yaml');
    expect(line).toContain('message-gc init --output');
  });

  test('that nobody names and that is not there leaves our own tables', () => {
    const config = readConfig({ MESSAGE_GC_CONFIG: '' });
    expect(config).toMatchObject({ mapping: null, mappingFile: null });
    expect(policyOf(config)).toEqual({ mapping: ownMapping, retentionSeconds: 0 });
  });

  test('is what a run freezes, with its own retention', () => {
    const config = configOf(goodStore);
    expect(policyOf(config)).toEqual({
      retentionSeconds: 30 * 86_400,
      mapping: {
        store: 'chat',
        table: { schema: 'public', name: 'messages' },
        key: ['id'],
        age: { column: 'created_at', unit: 'timestamptz', zone: null },
        processed: "m.status = 'done'",
        holds: [],
        holdList: null,
        dependents: [],
        foreignKeys: 'checked',
        walk: null,
      },
    });
  });

  test('may be left aside, for the demo', () => {
    const env = { MESSAGE_GC_CONFIG: textFile('no mapping at all: [') };
    expect(readConfig(env, { useMapping: false }).mapping).toBeNull();
  });

  test('in its longest form says everything that a mapping can', () => {
    const config = configOf(`
  - store: chat
    engine: postgresql
    table: {schema: Chat, name: My.Messages}
    key: [{column: tenant, type: int}, id]
    age: {column: sent, unit: timestamp, zone: Europe/Berlin, index: none}
    retention: 0
    allow_zero_retention: true
    processed:
      where: |
        m.state IN (1, 2)
        OR EXISTS (SELECT 1 FROM r WHERE r.id = m.id)
      evidence_in: [r]
      legacy: {where: m.state IS NULL AND m.sent < :now}
      stale: {off_by_default: true, where: m.state = 9 AND m.sent < now()}
    hold:
      - {name: pinned, where: m.pinned}
      - {where: m.starred, off_by_default: true}
      - {where: m.legal}
    hold_list: {contact: chat_id}
    dependents:
      - {table: last, match: {message_id: id}, action: keep}
      - {table: b, match: {message_id: id}, action: set_null, order: 20}
      - {table: a.b, match: {t: tenant, m: id}, action: delete, order: 10, fk: cascade, index: x, outside: y, trigger: z,
         dependents: [{table: two, match: {a: a}, action: delete, order: 2}, {table: one, match: {a: a}, action: set_null, order: 1}]}
      - {table: c, match: {message_id: id}, action: leave_to_fk, order: 20}
      - {table: media, match: {id: media_id}, action: delete_if_unreferenced, off_by_default: true, referenced_by: [x]}
    foreign_keys: messages_first
    walk: blocks
    keep_last: {off_by_default: true, partition: [m.chat], n: 1}
    batch: {size: 1000, cursor: key}
    needs_index: [a(m)]
    after: [an UPDATE]
    parents_left_alone: [media]
    coexists_with: another
    soft_delete: {column: deleted_at}`);
    const pair = (column: string, message: string) => ({ column, message });
    const table = (name: string, schema: string | null = null) => ({ schema, name });
    expect(config.retentionSeconds).toBe(0);
    expect(config.mapping).toEqual({
      store: 'chat',
      table: { schema: 'Chat', name: 'My.Messages' },
      key: ['tenant', 'id'],
      age: { column: 'sent', unit: 'datetime', zone: 'Europe/Berlin' },
      processed:
        '(m.state IN (1, 2)\nOR EXISTS (SELECT 1 FROM r WHERE r.id = m.id)) OR (m.state IS NULL AND m.sent < :now)',
      holds: [
        { name: 'pinned', where: 'm.pinned' },
        { name: 'hold_3', where: 'm.legal' },
      ],
      holdList: { contact: 'chat_id' },
      dependents: [
        {
          table: table('b', 'a'),
          match: [pair('t', 'tenant'), pair('m', 'id')],
          action: 'delete',
          dependents: [
            { table: table('one'), match: [pair('a', 'a')], action: 'set_null' },
            { table: table('two'), match: [pair('a', 'a')], action: 'delete' },
          ],
        },
        { table: table('b'), match: [pair('message_id', 'id')], action: 'set_null' },
        { table: table('c'), match: [pair('message_id', 'id')], action: 'leave_to_fk' },
        { table: table('last'), match: [pair('message_id', 'id')], action: 'keep' },
      ],
      foreignKeys: 'messages_first',
      walk: 'blocks',
    });
  });

  test.each([
    ['utc', 'UTC'],
    ['UTC', 'UTC'],
    ['+02:00', '+02:00'],
    ['-05:30', '-05:30'],
    ['America/Sao_Paulo', 'America/Sao_Paulo'],
  ])('takes the zone %s as %s, for timestamp and datetime alike', (written, read) => {
    for (const unit of ['timestamp', 'datetime']) {
      const text = goodStore.replace('unit: timestamptz', `unit: ${unit}, zone: "${written}"`);
      expect(configOf(text).mapping?.age).toEqual({ column: 'created_at', unit: 'datetime', zone: read });
    }
  });

  test.each(['epoch_s', 'epoch_ms', 'epoch_us', 'epoch_ns', 'timestamptz'])(
    'takes the unit %s as it is',
    (unit) => {
      expect(configOf(goodStore.replace('timestamptz', unit)).mapping?.age.unit).toBe(unit);
    },
  );

  test.each([
    ['everything: true', 'true'],
    ['where: "true"\n      everything: true', 'true'],
  ])('takes every message where that is said: %s', (written, read) => {
    expect(configOf(goodStore.replace("where: m.status = 'done'", written)).mapping?.processed).toBe(read);
  });

  test('with anchors, in JSON, and with a byte-order mark is read like any other', () => {
    const anchors = goodStore
      .replace('key: [id]', 'key: &k [id]')
      .replace('age:', 'parents_left_alone: *k\n    age:');
    const { mapping } = configOf(goodStore);
    expect(configOf(anchors).mapping).toEqual(mapping);
    const json = JSON.stringify({
      stores: [
        {
          name: 'chat',
          table: 'public.messages',
          key: ['id'],
          age: { column: 'created_at', unit: 'timestamptz' },
          retention: '30d',
          processed: { where: "m.status = 'done'" },
        },
      ],
    });
    for (const text of [json, `\uFEFFstores:${goodStore}`]) {
      expect(readConfig({ ...postgres, MESSAGE_GC_CONFIG: textFile(text) }).mapping).toEqual(mapping);
    }
  });
});

describe('the database of a mapping', () => {
  const withUrl = (url: string): string => goodStore.replace('name: chat', `name: chat\n    url: ${url}`);
  const where = 'postgres://gc@db/chat';

  test('is the one that the environment names, the one of its url, or the one of a variable', () => {
    expect(configOf(goodStore).database.where).toBe(where);
    expect(configOf(withUrl('postgres://gc:s3cret@db/chat'), {}).database.where).toBe(where);
    expect(configOf(withUrl('env:CHAT_DB'), { CHAT_DB: 'postgres://gc:s3cret@db/chat' }).database.where).toBe(
      where,
    );
    expect(configOf(withUrl('mysql://db/chat'), {}).database.engine).toBe('mysql');
    expect(configOf(withUrl('pglite:/data/x'), {}).database).toMatchObject({ folder: '/data/x' });
  });

  test('may be named twice when both say the same', () => {
    expect(configOf(withUrl('env:DATABASE_URL')).database.where).toBe(where);
    expect(configOf(withUrl('postgres://gc:s3cret@db/chat')).database.where).toBe(where);
    const parts = {
      WA_DB_ENGINE: 'PGSQL',
      WA_DB_HOSTNAME: 'db',
      WA_DB_USERNAME: 'gc',
      WA_DB_PASSWORD: 's3cret',
    };
    const same = 'postgres://gc:s3cret@db:5432/message_gc';
    expect(configOf(withUrl(same), parts).database.where).toBe('postgres://gc@db:5432/message_gc');
  });

  test.each([
    [
      'postgres://gc:s3cret@other/chat',
      postgres,
      '3: url names postgres://gc@other/chat, but DATABASE_URL postgres://gc@db/chat',
    ],
    ['postgres://gc:oth3r@db/chat', postgres, '3: url names postgres://gc@db/chat, but DATABASE_URL'],
    [
      'mysql://gc:s3cret@db/chat',
      { WA_DB_ENGINE: 'MYSQL' },
      'but WA_DB_ENGINE and its variables mysql://root@127.0.0.1:3306/message_gc',
    ],
    ['env:NOT_SET', {}, '3: url is env:NOT_SET, but that variable is not set'],
    ['env:1x', {}, '3: url begins with env:'],
    ['not a url with s3cret', {}, '3: url is no URL'],
    ['http://x/', {}, '3: url begins with http:'],
    ['[s3cret]', {}, '3: url is not as it should be, expected postgres://'],
  ] as const)('of %s is refused', (url, env, expected) => {
    const lines = refusedLines({ ...env, MESSAGE_GC_CONFIG: mappingFile(withUrl(url)) });
    expect(lines.join('\n')).toContain(expected);
    expect(lines.join('\n')).not.toMatch(/s3cret|oth3r/);
  });
});

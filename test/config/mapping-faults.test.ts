import { describe, expect, test } from 'vitest';
import { goodStore, mappingFile, postgres, problemsOf, refusedLines, textFile } from './mapping-world.js';

const mysql = { DATABASE_URL: 'mysql://gc@db/chat' };
const inPlaceOf = (old: string, text: string): string => {
  if (!goodStore.includes(old)) throw new Error(`the store has no "${old}"`);
  return goodStore.replace(old, text);
};
const added = (lines: string): string => `${goodStore}\n    ${lines}`;
const dependent = (fields: string): string => added(`dependents:\n      - {${fields}}`);
const where = (sql: string): string => inPlaceOf("where: m.status = 'done'", `where: ${JSON.stringify(sql)}`);

describe('a misspelt field is refused with its line and the nearest right word', () => {
  test.each([
    [inPlaceOf('retention:', 'rentention:'), '6: "rentention" is no field; did you mean "retention"?'],
    [inPlaceOf('table:', 'tabel:'), '3: "tabel" is no field; did you mean "table"?'],
    [inPlaceOf('key:', 'Key:'), '4: "Key" is no field; did you mean "key"?'],
    [inPlaceOf('column:', 'colum:'), '5: "age.colum" is no field; did you mean "column"?'],
    [inPlaceOf('where:', 'wehre:'), '8: "processed.wehre" is no field; did you mean "where"?'],
    [added('hold_lst: {contact: x}'), '9: "hold_lst" is no field; did you mean "hold_list"?'],
    [
      dependent('tabel: a, match: {x: id}, action: keep'),
      '10: "dependents[0].tabel" is no field; did you mean "table"?',
    ],
    [added('on: 1'), '9: "on" is no field, expected one of name, store, url'],
    [inPlaceOf('timestamptz', 'epoch_n'), '5: age.unit is "epoch_n", expected timestamptz, timestamp'],
    [inPlaceOf('timestamptz', 'datetme'), 'did you mean "datetime"?'],
    [added('walk: block'), 'did you mean "blocks"?'],
    [added('foreign_keys: message_first'), 'did you mean "messages_first"?'],
    [
      dependent('table: a, match: {x: id}, action: delte'),
      '10: dependents[0].action is "delte", expected delete, set_null, leave_to_fk or keep; did you mean "delete"?',
    ],
    [inPlaceOf('unit: timestamptz', 'unit: timestamp, zone: Europe/Berln'), 'did you mean "Europe/Berlin"?'],
  ])('%#', (stores, expected) => {
    expect(problemsOf(stores).join('\n')).toContain(expected);
  });
});

describe('a retention is refused', () => {
  test.each([
    ['retention: 30d', 'retention:', '6: retention is empty, expected how long to keep, with its unit'],
    ['retention: 30d', 'retention: ""', '6: retention is empty'],
    ['    retention: 30d\n', '', '2: retention is missing, expected how long to keep'],
    ['30d', '-1d', '6: retention is "-1d", expected how long to keep'],
    ['30d', '-30', '6: retention is -30, expected how long to keep'],
    ['30d', '30', '6: retention is 30, expected how long to keep, with its unit: 30d'],
    ['30d', '"30"', '6: retention is "30", expected how long to keep, with its unit: 30d'],
    ['30d', '1.5d', '6: retention is "1.5d"'],
    ['30d', '30 days', '6: retention is "30 days"'],
    ['30d', '2w', '6: retention is "2w"'],
    ['30d', '0', '6: retention is 0: every processed message would go at once'],
    ['30d', '0d', '6: retention is 0: every processed message would go at once'],
    ['30d', '0\n    allow_zero_retention: false', '6: retention is 0'],
    ['30d', '99999999d', '6: retention is "99999999d", expected at most 36500d'],
  ])('%s → %s', (old, text, expected) => {
    expect(problemsOf(inPlaceOf(old, text))).toEqual([expect.stringContaining(expected)]);
  });

  test('when the environment states one too', () => {
    const env = { ...postgres, MESSAGE_GC_RETENTION: '1d' };
    expect(problemsOf(goodStore, env)).toEqual([expect.stringContaining('MESSAGE_GC_RETENTION is set, but')]);
  });
});

describe('a predicate is refused with its line', () => {
  test.each([
    ['m.a = 1; DELETE FROM messages', '8: processed.where cannot be used: it holds a semicolon'],
    ['true) OR (true', '8: processed.where closes with ")" what it did not open'],
    ['m.a = 1 -- x', '8: processed.where cannot be used: it holds a comment'],
    ['m.a < now()', '8: processed.where holds now(), which reads the clock'],
    ['1=1', 'say so with everything: true beside it'],
    [' ', '8: processed.where is empty'],
    ['', '8: processed.where is empty'],
    ['EXISTS (DELETE FROM x WHERE m.a)', 'which writes'],
  ])('%j', (sql, expected) => {
    expect(problemsOf(where(sql)).join('\n')).toContain(expected);
  });

  test.each([
    [
      inPlaceOf("where: m.status = 'done'", 'where: true'),
      '8: processed.where is true, expected one SQL condition',
    ],
    [inPlaceOf("\n      where: m.status = 'done'", ' {}'), '7: processed.where is missing'],
    [inPlaceOf("\n      where: m.status = 'done'", ''), '7: processed is empty, expected a part with where'],
    [`${goodStore}\n      everything: true`, '9: processed.everything is true, but where asks for less'],
    [`${goodStore}\n      legacy: {where: "m.a = 1;"}`, '9: processed.legacy.where cannot be used'],
    [`${goodStore}\n      stale: {where: "1 = 1"}`, '9: processed.stale.where does not depend'],
    [added('hold: [{where: "m.a < now()"}]'), '9: hold[0].where holds now()'],
    [added('hold: [{name: x, where: m.a}, {name: x, where: m.b}]'), '9: hold[1] has the name "x" again'],
    [added('hold: [{name: hold_list, where: m.a}]'), '9: hold[0].name is "hold_list"'],
  ])('%#', (stores, expected) => {
    expect(problemsOf(stores)).toEqual([expect.stringContaining(expected)]);
  });

  test('as its database reads it', () => {
    expect(problemsOf(where('m.`a` = 1'))).toEqual([expect.stringContaining('back-ticks')]);
    expect(problemsOf(where('m.a = 1 # x'), mysql)).toEqual([expect.stringContaining('comment')]);
  });
});

describe('fields that do not go together are refused', () => {
  test.each([
    [inPlaceOf('  - name: chat\n    table', '  - table'), '2: name is missing'],
    [added('store: other'), '9: store is "other", but name is "chat"'],
    [inPlaceOf('name: chat', 'name: a b'), '2: name is "a b", expected letters, digits'],
    [inPlaceOf('public.messages', 'a.b.c'), '3: table is "a.b.c", expected a name'],
    [inPlaceOf('public.messages', '{schema: x}'), '3: table.name is missing'],
    [inPlaceOf('[id]', '[]'), '4: key is an empty list, expected a list of columns'],
    [inPlaceOf('[id]', 'id'), '4: key is "id", expected a list of columns'],
    [inPlaceOf('[id]', '[id, {column: id}]'), '4: key[1] names "id" again'],
    [inPlaceOf('timestamptz', 'timestamp'), '5: age.zone is missing: timestamp is the reading of a clock'],
    [inPlaceOf('timestamptz', 'datetime'), '5: age.zone is missing: datetime'],
    [inPlaceOf('timestamptz', 'epoch_s, zone: utc'), '5: age.zone is "utc", but epoch_s has its zone in it'],
    [
      inPlaceOf('timestamptz', 'datetime, zone: session'),
      '5: age.zone is "session", which depends on who asks',
    ],
    [inPlaceOf('timestamptz', 'datetime, zone: CET'), '5: age.zone is "CET", an abbreviation'],
    [
      inPlaceOf('timestamptz', 'datetime, zone: "+25:00"'),
      '5: age.zone is "+25:00", expected utc, an offset',
    ],
    [
      dependent('table: messages, match: {reply_to: id}, action: delete'),
      '10: dependents[0].action is delete on the messages table itself',
    ],
    [
      dependent('table: public.messages, match: {reply_to: id}, action: delete'),
      'on the messages table itself',
    ],
    [dependent('table: a, match: {}, action: delete'), '10: dependents[0].match is an empty part'],
    [dependent('table: a, match: {x: id}'), '10: dependents[0].action is missing'],
    [
      dependent(
        'table: a, match: {x: id}, action: keep, dependents: [{table: b, match: {x: id}, action: keep}]',
      ),
      '10: dependents[0].dependents stand below keep',
    ],
    [
      dependent(
        'table: a, match: {x: y}, action: delete, dependents: [{table: b, match: {x: y}, action: delete, dependents: [{table: c, match: {x: y}, action: delete}]}]',
      ),
      'expected nothing: dependents go two levels deep',
    ],
    [added('allow_zero_retention: yes'), '9: allow_zero_retention is "yes", expected true or false'],
    [added('engine: mysql'), '9: engine is mysql, but the database is PostgreSQL'],
  ])('%#', (stores, expected) => {
    expect(problemsOf(stores).join('\n')).toContain(expected);
  });

  test('a walk by blocks on MySQL, and SQL for another engine', () => {
    expect(problemsOf(added('walk: blocks'), mysql)).toEqual([
      expect.stringContaining('PostgreSQL only has'),
    ]);
    expect(problemsOf(added('engine: postgresql'), mysql)).toEqual([
      expect.stringContaining('engine is postgresql, but the database is MySQL or MariaDB'),
    ]);
  });
});

describe('what a later version brings is refused, unless it is switched off', () => {
  test.each([
    ['keep_last: {n: 1}', '9: keep_last comes with a later version'],
    ['keep_last: 1', '9: keep_last comes with a later version'],
    ['unit: {columns: [a]}', '9: unit comes with a later version'],
    ['tenants: {column: a}', '9: tenants comes with a later version'],
    ['scope: {column: a, off_by_default: false}', '9: scope comes with a later version'],
    ['archive: {to: s3}', '9: archive comes with a later version'],
    [
      'dependents: [{table: a, match: {x: id}, action: delete_with}]',
      '9: dependents[0].action delete_with comes with a later version',
    ],
    [
      'dependents: [{table: a, match: {x: id}, action: delete_if_unreferenced, off_by_default: false}]',
      'action delete_if_unreferenced comes with a later version',
    ],
    [
      'dependents: [{table: a, match: {x: id}, action: delete, where: x > 1}]',
      '9: dependents[0].where comes with a later version',
    ],
  ])('%s', (line, expected) => {
    expect(problemsOf(added(line))).toEqual([expect.stringContaining(expected)]);
  });

  test('several stores', () => {
    expect(problemsOf(`${goodStore}${goodStore}`)).toEqual([
      '1: stores holds more than one store; several come with a later version',
    ]);
  });
});

describe('a file that holds no stores is refused', () => {
  test.each([
    ['', '1: is empty, expected stores:'],
    ['# only a comment\n', 'is empty, expected stores:'],
    ['stores:\n', '1: stores is empty, expected a list with one store'],
    ['stores: []\n', '1: stores is an empty list, expected a list with one store'],
    [
      'store: chat\ntable: messages\n',
      '1: store is a field of a store, expected in an entry of the list stores:',
    ],
    ['- a\n', 'the file is a list of 1, expected stores:'],
    ['stores:\n  - name: x\n   bad: y\n', '3: no YAML:'],
    ['stores:\n  - name: x\n    name: y\n', '3: no YAML: Map keys must be unique'],
    ['stores:\n  - name: !secret x\n', '2: no YAML:'],
    ['stores: 1\n---\nstores: 2\n', 'no YAML:'],
    ['stores: &a\n  - *a\n', '2: stores[0] is a list of 1, expected a store'],
  ])('%j', (text, expected) => {
    expect(refusedLines({ ...postgres, MESSAGE_GC_CONFIG: textFile(text) }).join('\n')).toContain(expected);
  });

  test('and a password in it is not shown', () => {
    const text = 'stores:\n  - name: x\n    url: postgres://a:geheim@b/c\n   "geheim": x\n';
    const lines = refusedLines({ MESSAGE_GC_CONFIG: textFile(text) });
    expect(lines.join('\n')).toContain('4: no YAML');
    expect(lines.join('\n')).not.toContain('geheim');
  });
});

test('all problems of a file are told at once, in the order of its lines', () => {
  const lines = refusedLines({
    ...postgres,
    MESSAGE_GC_CONFIG: mappingFile(`
  - name: a b
    table: x.y.z
    key: []
    age: {column: t, unit: hours}
    retention: 5
    processed: {where: m.a < now()}
    walks: key
    keep_last: {n: 1}`),
  });
  expect(lines.map((line) => /^\d+: \S+/.exec(line)?.[0])).toEqual([
    '2: name',
    '3: table',
    '4: key',
    '5: age.unit',
    '6: retention',
    '7: processed.where',
    '8: "walks"',
    '9: keep_last',
  ]);
});

import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { predicateProblems } from '../../src/core/predicate.js';
import { type Dialect, dialects, tokensOf } from '../../src/core/sql-tokens.js';

function words(
  sql: string,
  dialect: Dialect = 'postgresql',
  about: 'message' | 'anything' = 'message',
): string {
  return predicateProblems(sql, { dialect, about }).join('\n');
}

describe('a predicate that is fit', () => {
  test.each([
    "m.status IN ('delivered', 'read')",
    "m.status = 'it''s done' AND m.a <> 'x;y -- no comment /* nor this */'",
    'm.processed',
    '(m.a = 1 OR m.b = 2) AND NOT m.c',
    'm.sent_at < :now - 3600',
    'm.state IS NOT DISTINCT FROM 3',
    "EXISTS (SELECT 1 FROM receipts r WHERE r.message_id = m.id AND r.status = 'read' ORDER BY r.id LIMIT 1)",
    'NOT EXISTS (SELECT 1 FROM a WHERE a.id = m.a UNION SELECT 2 FROM b WHERE b.id = m.b)',
    'm.updated IS NULL OR m.deleted = 1',
    "replace(m.body, 'a', 'b') = 'b'",
    'm.delete = 1 AND m.update = 2 AND m.now = 3 AND m.random = 4',
    'EXISTS (SELECT 1 FROM a WHERE a.m = m.id AND m IS NOT NULL)',
    'm.a BETWEEN 1 AND 10',
    'CASE WHEN m.a = 1 THEN m.b ELSE false END',
  ])('passes in both dialects: %s', (sql) => {
    for (const dialect of dialects) expect(words(sql, dialect), dialect).toBe('');
  });

  test.each([
    `"m"."Status" = 'x' AND m."semi;colon" = 1 AND m."a -- b" IS NULL`,
    "m.data @> '{\"done\": true}'::jsonb AND m.data ? 'x' AND m.n # 1 = 0",
    "m.created_at::date < '2024-01-01'::timestamp with time zone",
    "m.t < TIMESTAMP WITH TIME ZONE '2024-01-01 00:00:00+00'",
    "m.body = $$it's; -- here$$ OR m.body = $a$ $$ ) $a$",
    String.raw`m.body ~ '^\d+$' AND m.x = E'a\'b'`,
    "age(:now, m.created_at) > interval '1 day'",
    "extract(epoch FROM m.created_at) > 5 AND m.tags[1] = 'x'",
    "substring(m.body from 1 for 3) = 'abc'",
    "m.word = 'today'::text",
    "m.greeting = 'now playing'",
    'm.größe = 1',
  ])('passes on PostgreSQL: %s', (sql) => {
    expect(words(sql)).toBe('');
  });

  test.each([
    'm.`status` = \'x\' AND m.`semi;colon` = "y; -- z"',
    'unix_timestamp(m.created_at) < :now AND m.`a # b` = 1',
    String.raw`m.body REGEXP '^\\d+$' AND m.path = 'a\\b'`,
    'm.state = 1 || m.state = 2',
  ])('passes on MySQL: %s', (sql) => {
    expect(words(sql, 'mysql')).toBe('');
  });
});

describe('a predicate that is refused', () => {
  test.each([
    ['', 'is empty'],
    [' \n ', 'is empty'],
    ['m.a = 1;', 'semicolon'],
    ['m.a = 1; DROP TABLE messages', 'semicolon'],
    ["m.a = ';' ; SELECT 1", 'semicolon'],
    ['m.a = 1 -- and no more', 'comment'],
    ['m.a = 1 /* hidden */', 'comment'],
    ['m.a/**/= 1', 'comment'],
    ['/*! m.a = */ 1', 'comment'],
    ['true) OR (true', 'closes with ")"'],
    ['m.a = 1) OR (m.b = 2', 'closes with ")"'],
    ["m.a = ')' ) OR ( '('", 'closes with ")"'],
    ['(m.a = 1', 'does not close "("'],
    ['m.a IN (1, 2', 'does not close "("'],
    ["m.a = 'open", 'a quote is not closed'],
    ["m.a = 'it''s", 'a quote is not closed'],
    [String.raw`m.a = 'x\' OR m.b = ' OR true) OR (true'`, 'two ways'],
    [String.raw`m.a = '\'`, 'two ways'],
    ["m.a = ':now'", 'inside of quotes'],
    ['m.a < :then', 'the parameter :then'],
    ['m.a < :NOW', 'the parameter :NOW'],
    ['m.a < :now2', 'the parameter :now2'],
    ['m.a, m.b', 'is a list'],
    ['m.id IN (1) UNION SELECT 1', '"UNION" outside of parentheses'],
    ['SELECT m.a', '"SELECT" outside of parentheses'],
    ['WHERE m.a = 1', '"WHERE" outside of parentheses'],
    ['m.a = 1 ORDER BY m.id LIMIT 5', '"ORDER" outside of parentheses'],
    ['WITH x AS (SELECT 1) SELECT m.a', '"WITH" outside of parentheses'],
    ['EXISTS (WITH gone AS (DELETE FROM receipts RETURNING 1) SELECT 1 FROM gone WHERE m.a = 1)', '"DELETE"'],
    ['EXISTS (WITH x AS (INSERT INTO a VALUES (1) RETURNING 1) SELECT m.a FROM x)', '"INSERT"'],
    ['EXISTS (SELECT 1 INTO copy_of FROM a WHERE a.id = m.a)', '"INTO"'],
    ['EXISTS (MERGE INTO a USING b ON m.a = 1)', '"MERGE"'],
    ['EXISTS (SELECT 1 FROM a WHERE a.id = m.a FOR UPDATE)', 'locks rows ("FOR UPDATE")'],
    ['EXISTS (SELECT 1 FROM a WHERE a.id = m.a FOR NO KEY UPDATE)', 'locks rows'],
    ['EXISTS (SELECT 1 FROM a WHERE a.id = m.a for share)', 'locks rows'],
    ['m.a < now()', 'now(), which reads the clock'],
    ['m.a < NOW ( )', 'NOW(), which reads the clock'],
    ['m.a < pg_catalog.now()', 'now(), which reads the clock'],
    ['m.a < current_timestamp', 'use :now'],
    ['m.a < CURRENT_DATE', 'use :now'],
    ['m.a < clock_timestamp()', 'use :now'],
    ['m.a < statement_timestamp()', 'use :now'],
    ['m.a < transaction_timestamp()', 'use :now'],
    ['m.a < localtimestamp', 'use :now'],
    ['m.a < localtime(0)', 'use :now'],
    ['m.a < sysdate()', 'use :now'],
    ['m.a < utc_timestamp()', 'use :now'],
    ['m.a < curdate()', 'use :now'],
    ['m.a < unix_timestamp()', 'use :now'],
    ['m.a < random()', 'differs each time'],
    ['m.a < rand()', 'differs each time'],
    ['m.a = uuid()', 'differs each time'],
    ['m.a = gen_random_uuid()', 'differs each time'],
    ['pg_sleep(10) IS NULL AND m.a', 'does more than answer'],
    ["nextval('s') > m.a", 'does more than answer'],
    ["query_to_xml('DELETE FROM a', true, true, '') IS NULL AND m.a", 'does more than answer'],
    ['true', 'does not depend on the message'],
    ['TRUE', 'does not depend on the message'],
    ['1', 'does not depend on the message'],
    ['1=1', 'does not depend on the message'],
    ["'a' = 'a'", 'does not depend on the message'],
    ['((true))', 'does not depend on the message'],
    ['NOT false', 'does not depend on the message'],
    ['coalesce(null, true)', 'does not depend on the message'],
    [':now > 0', 'does not depend on the message'],
    ['m.a = 1 OR true', 'does not depend on the message'],
    ['m.a = 1 OR (m.b = 2 OR 1=1)', 'does not depend on the message'],
    ['m.id = m.id', 'does not depend on the message'],
    ['EXISTS (SELECT 1)', 'does not depend on the message'],
    ["status = 'done'", 'the alias m'],
    ['EXISTS (SELECT 1 FROM u WHERE u.message_id = id)', 'the alias m'],
    ["EXISTS (SELECT 1 FROM receipts m WHERE m.kind = 'read')", 'gives the alias m'],
    ['EXISTS (SELECT 1 FROM a.receipts AS M WHERE m.id = 1)', 'gives the alias m'],
    ['EXISTS (SELECT 1 FROM u JOIN a.b.c m ON m.id = u.id)', 'gives the alias m'],
    ['EXISTS (SELECT 1 FROM u, receipts m WHERE m.id = u.id)', 'gives the alias m'],
    ['EXISTS (SELECT 1 FROM (SELECT 1 AS id) AS m WHERE m.id = 1)', 'gives the alias m'],
    ['m.a = 1OR 1=1', 'runs into a name'],
    ['m.a = 1\u0000', 'NUL'],
  ])('in both dialects: %j', (sql, expected) => {
    for (const dialect of dialects) expect(words(sql, dialect), dialect).toContain(expected);
  });

  test.each([
    ['m.a = $$open', 'dollar quote is not closed'],
    ['m.a = $x$ body $y$', 'dollar quote is not closed'],
    ['m.a = $1', 'a parameter that nothing fills'],
    ['m.`a` = 1', 'back-ticks'],
    ['m."a = 1', 'a quote is not closed'],
    ["m.a < 'now'", 'a time of its clock'],
    ["m.a < 'today'::timestamptz", 'a time of its clock'],
    ["m.a < ' Yesterday 10:00 '", 'a time of its clock'],
    ["age(m.created_at) > interval '1 day'", 'of one time'],
    ['m.a < "now"()', 'reads the clock'],
    ['pg_advisory_lock(1) IS NULL AND m.a', 'does more than answer'],
    ["m.a = ANY(dblink_exec('x'))", 'does more than answer'],
    ["m.a = 'x'::text:now", 'space before the colon'],
  ])('on PostgreSQL: %j', (sql, expected) => {
    expect(words(sql)).toContain(expected);
  });

  test.each([
    ['m.a = 1 # the rest', 'comment'],
    ['m.a = ?', 'a parameter that nothing fills'],
    ['m.a = @x', 'a variable of the session'],
    ['(@x := m.a) > 1', 'a variable of the session'],
    ['m.`a = 1', 'a quote is not closed'],
    [String.raw`m.a = "\"`, 'two ways'],
    ['sleep(5) OR m.a', 'does more than answer'],
    ["load_file('/etc/passwd') = m.a", 'does more than answer'],
    ['EXISTS (SELECT 1 FROM a WHERE a.id = m.a LOCK IN SHARE MODE)', 'locks rows'],
  ])('on MySQL: %j', (sql, expected) => {
    expect(words(sql, 'mysql')).toContain(expected);
  });

  test('tells every problem of one predicate at once', () => {
    const problems = predicateProblems('m.a < now() AND m.b < :then AND m.c = random()', {
      dialect: 'postgresql',
      about: 'message',
    });
    expect(problems).toHaveLength(3);
  });
});

test('a hold may be a switch that does not look at the message, but writes as little as the rest', () => {
  expect(words('EXISTS (SELECT 1 FROM freeze)', 'postgresql', 'anything')).toBe('');
  expect(words('true', 'postgresql', 'anything')).toBe('');
  expect(words('', 'postgresql', 'anything')).toContain('is empty');
  expect(words('EXISTS (DELETE FROM a)', 'postgresql', 'anything')).toContain('DELETE');
});

describe('whatever the text', () => {
  const pieces = fc.constantFrom(
    ...`' " \` $$ $a$ \\ ; -- /* */ # ( ) [ ] { :now :x :: m . a = 1 OR true E U& ? @ , now() é`.split(' '),
    ' ',
    '\n',
    '\u00a0',
  );
  const texts = fc.array(pieces, { maxLength: 24 }).map((parts) => parts.join(''));

  test('what passes keeps the parentheses that are put around it together', () => {
    fc.assert(
      fc.property(texts, fc.constantFrom(...dialects), (sql, dialect) => {
        if (predicateProblems(sql, { dialect, about: 'anything' }).length > 0) return;
        const around = tokensOf(`(${sql})`, dialect);
        expect('problem' in around).toBe(false);
        if ('problem' in around) return;
        let depth = 0;
        for (const [place, { kind, value }] of around.entries()) {
          if (kind === 'symbol' && value === '(') depth += 1;
          if (kind === 'symbol' && value === ')') depth -= 1;
          expect(depth > 0 || place === around.length - 1).toBe(true);
        }
        expect(depth).toBe(0);
      }),
      { numRuns: 3_000 },
    );
  });

  test('tokens lose nothing but spaces', () => {
    fc.assert(
      fc.property(texts, fc.constantFrom(...dialects), (sql, dialect) => {
        const tokens = tokensOf(sql, dialect);
        if ('problem' in tokens) return;
        const without = (text: string): string => text.replaceAll(/[ \n]/g, '');
        expect(without(tokens.map(({ text }) => text).join(''))).toBe(without(sql));
      }),
      { numRuns: 3_000 },
    );
  });

  test('a text in quotes, however it looks, hides nothing and adds nothing', () => {
    fc.assert(
      fc.property(
        fc.string().filter((text) => !/\\|:now/.test(text) && !text.includes('\u0000')),
        (text) => {
          const sql = `m.body = '${text.replaceAll("'", "''")}'`;
          const found = words(sql, 'mysql');
          expect(found).toBe('');
        },
      ),
    );
  });
});

import { randomBytes } from 'node:crypto';
import pg from 'pg';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { Mapping } from '../../src/core/mapping.js';
import type { Policy } from '../../src/core/policy.js';
import type { Finding } from '../../src/core/ports.js';
import { doctorFindings, obstacleFindings } from '../../src/storage/postgres/doctor.js';
import { describePostgres } from '../engines.js';
import { createScratchDatabase, type ScratchDatabase } from '../harness/scratch-database.js';
import { changedPolicy, chatMapping, chatPolicy } from './chat-mapping.js';

/** Every trap that the mapping names is answered: nothing is wrong here. */
const fixture = `
  CREATE SCHEMA message_gc;
  CREATE TABLE "Chat" (id bigint PRIMARY KEY, sent bigint NOT NULL, state text NOT NULL, pinned boolean NOT NULL DEFAULT false,
    reply_to bigint REFERENCES "Chat" ON DELETE CASCADE, stamp timestamp, note text);
  CREATE INDEX ON "Chat" (sent);
  CREATE INDEX ON "Chat" (reply_to);
  CREATE TABLE reaction (id bigint PRIMARY KEY, chat_id bigint NOT NULL REFERENCES "Chat" ON DELETE CASCADE);
  CREATE INDEX ON reaction (chat_id);
  CREATE TABLE file (id bigint PRIMARY KEY, reaction_id bigint REFERENCES reaction ON DELETE CASCADE);
  CREATE INDEX ON file (reaction_id);
  INSERT INTO "Chat" (id, sent, state) SELECT n, extract(epoch FROM now())::bigint - n * 3600, CASE n % 3 WHEN 0 THEN 'sent' ELSE 'read' END
    FROM generate_series(1, 900) n;`;

describePostgres('the doctor on PostgreSQL, with a mapping', () => {
  let database: ScratchDatabase;
  let client: pg.Client;
  const role = `mgc_doctor_${randomBytes(4).toString('hex')}`;
  beforeAll(async () => {
    database = await createScratchDatabase();
    client = new pg.Client({ connectionString: database.url });
    await client.connect();
    await client.query(fixture);
    await client.query(`CREATE ROLE ${role}`);
  });
  afterAll(async () => {
    await client.query(`DROP OWNED BY ${role}; DROP ROLE ${role}`);
    await client.end();
    await database.drop();
  });

  /** What is found after these statements, all in one transaction that is rolled back. */
  async function found(
    statements: readonly string[],
    policy: Policy = chatPolicy,
    look = doctorFindings,
  ): Promise<readonly Finding[]> {
    await client.query('BEGIN');
    try {
      for (const statement of statements) await client.query(statement);
      return await look(client, policy);
    } finally {
      await client.query('ROLLBACK');
    }
  }
  const bad = (findings: readonly Finding[]) => findings.filter(({ level }) => level !== 'ok');

  test('a mapping that names everything is well in every point', async () => {
    const findings = await found([]);
    expect(bad(findings)).toEqual([]);
    expect(bad(await found([], chatPolicy, obstacleFindings))).toEqual([]);
    expect(findings.every(({ why, found: words }) => why !== '' && words !== '')).toBe(true);
  });

  const change = (part: Partial<Mapping>): Policy => changedPolicy(part);
  const without = (place: number) => chatMapping.dependents.filter((_, at) => at !== place);
  const reaction = chatMapping.dependents[1];
  const as = (action: 'delete' | 'keep' | 'leave_to_fk' | 'set_null') => [
    ...without(1),
    { table: { schema: null, name: 'reaction' }, match: reaction?.match ?? [], action },
  ];
  const aFunction = (name: string, body: string, volatility = 'VOLATILE') =>
    `CREATE FUNCTION ${name}() RETURNS boolean LANGUAGE plpgsql ${volatility} AS $$ BEGIN ${body} END $$`;
  const trigger = (when: string, on: string, body: string) => [
    `CREATE FUNCTION told() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN ${body} END $$`,
    `CREATE TRIGGER tell ${when} ON ${on} FOR EACH ROW EXECUTE FUNCTION told()`,
  ];

  test.each<[string, Finding['level'], readonly string[], Policy, RegExp]>([
    [
      'table_present',
      'error',
      ['ALTER TABLE reaction RENAME TO reactions'],
      chatPolicy,
      /Is "reactions" meant/,
    ],
    [
      'table_kind',
      'error',
      ['ALTER TABLE "Chat" RENAME TO c', 'CREATE VIEW "Chat" AS TABLE c'],
      chatPolicy,
      /a view/,
    ],
    ['table_kind', 'warning', ['CREATE TABLE old () INHERITS ("Chat")'], chatPolicy, /inherit/],
    ['column_present', 'error', ['ALTER TABLE "Chat" RENAME sent TO sent_at'], chatPolicy, /sent_at/],
    [
      'column_present',
      'error',
      ['ALTER TABLE file RENAME reaction_id TO reactionId'],
      chatPolicy,
      /reactionid/,
    ],
    [
      'key_unique',
      'error',
      [],
      change({ key: ['sent'] }),
      /CREATE UNIQUE INDEX CONCURRENTLY ON "Chat" \("sent"\)/,
    ],
    [
      'key_unique',
      'error',
      ['CREATE UNIQUE INDEX ON "Chat" (note) WHERE note IS NOT NULL'],
      change({ key: ['note'] }),
      /only some rows/,
    ],
    [
      'key_not_null',
      'error',
      ['CREATE UNIQUE INDEX ON "Chat" (note)'],
      change({ key: ['note'] }),
      /SET NOT NULL/,
    ],
    [
      'age_type',
      'error',
      [],
      change({ age: { column: 'stamp', unit: 'epoch_s', zone: null } }),
      /datetime, with its zone/,
    ],
    [
      'age_type',
      'error',
      [],
      change({ age: { column: 'sent', unit: 'timestamptz', zone: null } }),
      /epoch_s/,
    ],
    [
      'age_zone',
      'error',
      [],
      change({ age: { column: 'stamp', unit: 'datetime', zone: 'Mars/Base' } }),
      /pg_timezone_names/,
    ],
    ['age_unit', 'error', ['UPDATE "Chat" SET sent = sent * 1000'], chatPolicy, /epoch_ms/],
    [
      'index_probe',
      'warning',
      ['DROP INDEX "Chat_sent_idx"'],
      chatPolicy,
      /CREATE INDEX CONCURRENTLY ON "Chat" \("sent"\);/,
    ],
    [
      'age_moved',
      'warning',
      trigger('BEFORE UPDATE', '"Chat"', 'NEW.sent := 1; RETURN NEW;'),
      chatPolicy,
      /tell on "Chat"/,
    ],
    [
      'age_moved',
      'warning',
      trigger('AFTER DELETE', 'reaction', `UPDATE "Chat" SET sent = 1 WHERE id = OLD.chat_id; RETURN NULL;`),
      chatPolicy,
      /tell on reaction/,
    ],
    [
      'foreign_keys',
      'error',
      ['CREATE TABLE scan (c bigint REFERENCES "Chat")'],
      chatPolicy,
      /table: public\.scan, match: \{c: id\}/,
    ],
    ['foreign_keys', 'error', ['CREATE TABLE scan (c bigint REFERENCES file)'], chatPolicy, /into file/],
    [
      'foreign_keys',
      'error',
      ['CREATE TABLE scan (c bigint REFERENCES "Chat" ON DELETE CASCADE)'],
      chatPolicy,
      /CASCADE/,
    ],
    [
      'foreign_keys',
      'warning',
      ['CREATE TABLE scan (c bigint REFERENCES "Chat" ON DELETE SET NULL)'],
      chatPolicy,
      /leave_to_fk/,
    ],
    [
      'foreign_key_index',
      'warning',
      ['DROP INDEX reaction_chat_id_idx'],
      chatPolicy,
      /CREATE INDEX CONCURRENTLY ON "reaction" \("chat_id"\);/,
    ],
    ['self_reference', 'error', [], change({ dependents: without(0) }), /set_null/],
    [
      'dependent_action',
      'error',
      [
        'ALTER TABLE reaction DROP CONSTRAINT reaction_chat_id_fkey, ADD FOREIGN KEY (chat_id) REFERENCES "Chat"',
      ],
      change({ dependents: as('keep') }),
      /does not let the message go/,
    ],
    ['dependent_action', 'error', [], change({ dependents: as('keep') }), /deletes what is to be kept/],
    ['dependent_action', 'error', [], change({ dependents: as('set_null') }), /NOT NULL/],
    [
      'dependent_action',
      'error',
      [
        'ALTER TABLE reaction DROP CONSTRAINT reaction_chat_id_fkey, ADD FOREIGN KEY (chat_id) REFERENCES "Chat"',
      ],
      change({ dependents: as('leave_to_fk') }),
      /nothing but refuse/,
    ],
    [
      'index_dependents',
      'warning',
      ['ALTER TABLE file DROP CONSTRAINT file_reaction_id_fkey', 'DROP INDEX file_reaction_id_idx'],
      chatPolicy,
      /CREATE INDEX CONCURRENTLY ON "file"/,
    ],
    ['triggers', 'warning', trigger('AFTER DELETE', '"Chat"', 'RETURN NULL;'), chatPolicy, /trigger tell/],
    [
      'trigger_keeps_rows',
      'warning',
      trigger('BEFORE DELETE', '"Chat"', 'RETURN NULL;'),
      chatPolicy,
      /RETURN|return OLD/,
    ],
    [
      'publication',
      'error',
      ['ALTER TABLE "Chat" REPLICA IDENTITY NOTHING', 'CREATE PUBLICATION changes FOR TABLE "Chat"'],
      chatPolicy,
      /ALTER TABLE "Chat" REPLICA IDENTITY FULL;/,
    ],
    ['predicate', 'error', [], change({ processed: 'm.stat = 1' }), /m\.stat/],
    ['predicate', 'error', [], change({ processed: 'true) OR (true' }), /syntax error/],
    ['predicate', 'error', [], change({ processed: 'true; DROP TABLE file' }), /holds a semicolon/],
    ['predicate', 'error', [], change({ processed: 'true /* AND' }), /holds a comment/],
    ['predicate', 'error', [], change({ processed: '(DELETE FROM file RETURNING true)' }), /syntax error/],
    [
      'predicate',
      'error',
      [],
      change({ age: { column: 'state', unit: 'epoch_s', zone: null } }),
      /holds together/,
    ],
    [
      'predicate',
      'error',
      [],
      change({ holds: [{ name: 'x', where: 'm.pinned AND' }] }),
      /hold "x" cannot be used.*its end/,
    ],
    ['predicate', 'error', [], change({ processed: `m.state = 'read' --` }), /holds a comment/],
    ['predicate_time', 'error', [], change({ processed: `m.stamp < now()` }), /:now/],
    [
      'predicate_time',
      'error',
      [],
      change({ processed: `m.stamp < CURRENT_TIMESTAMP` }),
      /holds CURRENT_TIMESTAMP/,
    ],
    ['predicate_time', 'error', [], change({ processed: `random() < 0.5` }), /random/],
    [
      'predicate_time',
      'error',
      [aFunction('done', 'RETURN true;')],
      change({ processed: 'done()' }),
      /STABLE/,
    ],
    ['predicate_sample', 'warning', [], change({ processed: 'true' }), /900 of 900/],
    [
      'not_examined',
      'warning',
      [aFunction('done', 'DELETE FROM file; RETURN true;', 'STABLE'), 'SET LOCAL transaction_read_only = on'],
      change({ processed: 'done()' }),
      /DELETE is not allowed|read-only/,
    ],
    [
      'other_collector',
      'warning',
      [
        'CREATE SCHEMA cron',
        'CREATE TABLE cron.job (jobid int, schedule text, command text, active boolean)',
        `INSERT INTO cron.job VALUES (7, '0 3 * * *', 'DELETE FROM public."Chat" WHERE sent < 5', true)`,
      ],
      chatPolicy,
      /pg_cron job 7/,
    ],
  ])('%s is a %s', async (check, level, statements, policy, words) => {
    const findings = (await found(statements, policy)).filter(
      (one) => one.check === check && one.level !== 'ok',
    );
    expect(findings).not.toEqual([]);
    const finding = findings.find((one) => words.test(`${one.found} ${one.todo}`));
    expect(finding, JSON.stringify(findings)).toMatchObject({ level });
  });

  test('a user without privileges gets the exact grants, and none for rows that the foreign key takes along', async () => {
    const policy = change({
      dependents: [
        ...without(1),
        { table: { schema: null, name: 'reaction' }, match: reaction?.match ?? [], action: 'leave_to_fk' },
      ],
    });
    const poor = await found([`SET LOCAL ROLE ${role}`], policy);
    const todo = poor.flatMap((one) =>
      one.check.startsWith('privilege_') && one.todo?.startsWith('GRANT') ? [one.todo] : [],
    );
    expect(todo.join(' ')).toContain(`GRANT SELECT, UPDATE, DELETE ON TABLE public."Chat" TO ${role};`);
    expect(todo.join(' ')).not.toContain('reaction');
    const rich = await found([...todo, `SET LOCAL ROLE ${role}`], policy);
    expect(rich.filter((one) => one.level === 'error')).toEqual([]);
  });

  test('policies on the rows are found', async () => {
    const findings = await found(
      [
        'ALTER TABLE "Chat" ENABLE ROW LEVEL SECURITY',
        `GRANT ALL ON "Chat" TO ${role}`,
        `SET LOCAL ROLE ${role}`,
      ],
      chatPolicy,
    );
    expect(findings.find(({ check }) => check === 'row_security')).toMatchObject({ level: 'error' });
  });

  test('a session that deletes from the table is named', async () => {
    const other = new pg.Client({ connectionString: database.url, application_name: 'their cron' });
    await other.connect();
    try {
      await other.query(`DELETE FROM "Chat" WHERE id = -1`);
      const findings = await found([]);
      expect(findings.find(({ check }) => check === 'other_collector')).toMatchObject({
        level: 'warning',
        found: expect.stringContaining('their cron'),
      });
    } finally {
      await other.end();
    }
  });

  test('what a run asks first is asked within 250 ms, and says what the doctor says', async () => {
    const policy = change({ processed: 'm.stat = 1' });
    const startedAt = performance.now();
    const obstacles = await found([], policy, obstacleFindings);
    expect(performance.now() - startedAt).toBeLessThan(250);
    expect(obstacles.filter(({ level }) => level === 'error')).toEqual(
      (await found([], policy)).filter(({ level }) => level === 'error'),
    );
  });
});

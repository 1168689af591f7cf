import { afterEach, expect, onTestFinished, test } from 'vitest';
import type { Mapping } from '../../src/core/mapping.js';
import type { Policy } from '../../src/core/policy.js';
import type { Finding, Store } from '../../src/core/ports.js';
import { silentLog } from '../../src/kit/log.js';
import { openStore } from '../../src/storage/open-store.js';
import { describeMariaDb } from '../engines.js';
import {
  createMariadbDatabase,
  mariadbBase,
  type MariadbClient,
  mariadbClient,
} from '../harness/mariadb-database.js';
import { changedPolicy, chatMapping, chatPolicy } from './chat-mapping.js';

/** Every trap that the mapping names is answered: nothing is wrong here. */
const fixture = `
  CREATE TABLE Chat (id bigint PRIMARY KEY, sent bigint NOT NULL, state varchar(20) NOT NULL, pinned boolean NOT NULL DEFAULT false,
    reply_to bigint, stamp datetime, seen timestamp NULL, note varchar(50), KEY (sent), FOREIGN KEY (reply_to) REFERENCES Chat (id) ON DELETE CASCADE);
  CREATE TABLE reaction (id bigint PRIMARY KEY, chat_id bigint NOT NULL, CONSTRAINT r1 FOREIGN KEY (chat_id) REFERENCES Chat (id) ON DELETE CASCADE);
  CREATE TABLE file (id bigint PRIMARY KEY, reaction_id bigint, CONSTRAINT f1 FOREIGN KEY (reaction_id) REFERENCES reaction (id) ON DELETE CASCADE);
  INSERT INTO Chat (id, sent, state) SELECT seq, UNIX_TIMESTAMP() - seq * 3600, IF(seq % 3 = 0, 'sent', 'read') FROM seq_1_to_900;`;

describeMariaDb('the doctor on MariaDB, with a mapping', () => {
  const world = async (statements: readonly string[] = []) => {
    const database = await createMariadbDatabase();
    onTestFinished(() => database.drop());
    const client = await mariadbClient(database.url);
    onTestFinished(() => client.end());
    for (const statement of [fixture, ...statements]) await client.query(statement);
    return { database, client, store: opened(database.url) };
  };
  const opened = (url: string): Store => {
    const store = openStore({ database: { engine: 'mysql', url }, workers: 1, log: silentLog });
    onTestFinished(() => store.close());
    return store;
  };
  const bad = (findings: readonly Finding[]) => findings.filter(({ level }) => level !== 'ok');
  /** Of the server itself, not of the fixture. */
  const ofServer = new Set(['durability', 'server_version']);
  let admin: MariadbClient | null = null;
  afterEach(async () => {
    await admin?.end();
    admin = null;
  });

  test('a mapping that names everything is well in every point', async () => {
    const { store } = await world();
    const findings = await store.doctor.findings(chatPolicy);
    expect(bad(findings).filter(({ check }) => !ofServer.has(check))).toEqual([]);
    expect(bad(await store.doctor.obstacles(chatPolicy))).toEqual([]);
    expect(findings.every(({ level, todo }) => (level === 'ok') === (todo === null))).toBe(true);
  });

  const change = (part: Partial<Mapping>): Policy => changedPolicy(part);
  const without = (place: number) => chatMapping.dependents.filter((_, at) => at !== place);
  const as = (action: 'keep' | 'leave_to_fk' | 'set_null') => [
    ...without(1),
    { table: { schema: null, name: 'reaction' }, match: [{ column: 'chat_id', message: 'id' }], action },
  ];
  const noAction = [
    'ALTER TABLE reaction DROP FOREIGN KEY r1',
    'ALTER TABLE reaction ADD CONSTRAINT r2 FOREIGN KEY (chat_id) REFERENCES Chat (id)',
  ];

  test.each<[string, Finding['level'], readonly string[], Policy, RegExp]>([
    ['table_present', 'error', ['RENAME TABLE reaction TO reactions'], chatPolicy, /Is "reactions" meant/],
    [
      'table_kind',
      'error',
      ['RENAME TABLE Chat TO c', 'CREATE VIEW Chat AS SELECT * FROM c'],
      chatPolicy,
      /VIEW/,
    ],
    [
      'table_engine',
      'error',
      ['ALTER TABLE file DROP FOREIGN KEY f1', 'ALTER TABLE file ENGINE=MyISAM'],
      chatPolicy,
      /ALTER TABLE `file` ENGINE=InnoDB;/,
    ],
    ['column_present', 'error', ['ALTER TABLE Chat RENAME COLUMN sent TO sent_at'], chatPolicy, /sent_at/],
    ['key_unique', 'error', [], change({ key: ['sent'] }), /CREATE UNIQUE INDEX/],
    [
      'key_not_null',
      'error',
      ['CREATE UNIQUE INDEX n ON Chat (note)'],
      change({ key: ['note'] }),
      /NOT NULL/,
    ],
    [
      'key_type',
      'error',
      [
        'ALTER TABLE Chat ADD f float NOT NULL',
        'UPDATE Chat SET f = id',
        'CREATE UNIQUE INDEX f ON Chat (f)',
      ],
      change({ key: ['f'] }),
      /of type float/,
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
      change({ age: { column: 'seen', unit: 'datetime', zone: 'UTC' } }),
      /timestamptz/,
    ],
    [
      'age_zone',
      'error',
      [],
      change({ age: { column: 'stamp', unit: 'datetime', zone: 'Mars/Base' } }),
      /mysql_tzinfo_to_sql/,
    ],
    ['age_unit', 'error', ['UPDATE Chat SET sent = sent * 1000'], chatPolicy, /epoch_ms/],
    [
      'age_moved',
      'warning',
      ['ALTER TABLE Chat MODIFY seen timestamp NULL ON UPDATE CURRENT_TIMESTAMP'],
      change({ age: { column: 'seen', unit: 'timestamptz', zone: null } }),
      /ON UPDATE/,
    ],
    [
      'age_moved',
      'warning',
      ['CREATE TRIGGER moves AFTER DELETE ON file FOR EACH ROW UPDATE Chat SET sent = 1 WHERE id = OLD.id'],
      chatPolicy,
      /trigger moves on file/,
    ],
    [
      'age_moved',
      'warning',
      ['CREATE TRIGGER sets BEFORE UPDATE ON Chat FOR EACH ROW SET NEW.sent = 1'],
      chatPolicy,
      /trigger sets/,
    ],
    [
      'index_probe',
      'warning',
      ['DROP INDEX sent ON Chat'],
      chatPolicy,
      /CREATE INDEX `Chat_sent` ON `Chat` \(`sent`\);/,
    ],
    [
      'foreign_keys',
      'error',
      ['CREATE TABLE scan (c bigint REFERENCES Chat (id))'],
      chatPolicy,
      /match: \{c: id\}/,
    ],
    [
      'foreign_keys',
      'error',
      ['CREATE TABLE scan (c bigint REFERENCES Chat (id) ON DELETE CASCADE)'],
      chatPolicy,
      /CASCADE/,
    ],
    [
      'foreign_keys',
      'warning',
      ['CREATE TABLE scan (c bigint REFERENCES Chat (id) ON DELETE SET NULL)'],
      chatPolicy,
      /leave_to_fk/,
    ],
    ['self_reference', 'error', [], change({ dependents: without(0) }), /set_null/],
    ['dependent_action', 'error', [], change({ dependents: as('keep') }), /deletes what is to be kept/],
    ['dependent_action', 'error', [], change({ dependents: as('set_null') }), /NOT NULL/],
    [
      'dependent_action',
      'error',
      noAction,
      change({ dependents: as('keep') }),
      /does not let the message go/,
    ],
    ['dependent_action', 'error', noAction, change({ dependents: as('leave_to_fk') }), /nothing but refuse/],
    [
      'index_dependents',
      'error',
      ['ALTER TABLE file DROP FOREIGN KEY f1', 'DROP INDEX f1 ON file'],
      chatPolicy,
      /CREATE INDEX `file_reaction_id` ON `file`/,
    ],
    [
      'triggers',
      'warning',
      ['CREATE TRIGGER notes AFTER DELETE ON Chat FOR EACH ROW SET @x = 1'],
      chatPolicy,
      /trigger notes/,
    ],
    [
      'trigger_keeps_rows',
      'warning',
      ['CREATE TRIGGER holds BEFORE DELETE ON Chat FOR EACH ROW SET @x = 1'],
      chatPolicy,
      /trigger holds/,
    ],
    ['predicate', 'error', [], change({ processed: 'm.stat = 1' }), /m\.stat/],
    ['predicate', 'error', [], change({ processed: 'true) OR (true' }), /syntax/],
    ['predicate', 'error', [], change({ processed: 'true; DROP TABLE file' }), /holds a semicolon/],
    ['predicate', 'error', [], change({ processed: `m.state = 'read' -- ` }), /holds a comment/],
    [
      'predicate',
      'error',
      [],
      change({ holds: [{ name: 'x', where: 'm.pinned AND' }] }),
      /hold "x" cannot be used.*its end/,
    ],
    ['predicate_time', 'error', [], change({ processed: 'm.stamp < NOW()' }), /:now/],
    [
      'predicate_time',
      'error',
      [],
      change({ processed: 'm.sent < UNIX_TIMESTAMP() - 5' }),
      /holds UNIX_TIMESTAMP\(\)/,
    ],
    ['predicate_time', 'error', [], change({ processed: 'RAND() < 0.5' }), /holds RAND\(\)/],
    [
      'predicate_time',
      'error',
      ['CREATE FUNCTION done() RETURNS int NO SQL RETURN 1'],
      change({ processed: 'done() = 1' }),
      /DETERMINISTIC/,
    ],
    ['predicate_sample', 'warning', [], change({ processed: 'true' }), /1000 of 1000|1400 of 1400/],
    [
      'other_collector',
      'warning',
      ['CREATE EVENT clean ON SCHEDULE EVERY 1 DAY DO DELETE FROM Chat WHERE sent < 5'],
      chatPolicy,
      /the event clean/,
    ],
  ])('%s is a %s', async (check, level, statements, policy, words) => {
    const { store } = await world(statements);
    const all = await store.doctor.findings(policy);
    const findings = all.filter((one) => one.check === check && one.level !== 'ok');
    const finding = findings.find((one) => words.test(`${one.found} ${one.todo}`));
    expect(finding, JSON.stringify(bad(all))).toMatchObject({ level });
  });

  test('a user without privileges gets the exact grants, and is told what could not be seen', async () => {
    const { database } = await world();
    const base = mariadbBase();
    admin = await mariadbClient(base.href);
    const user = `mgc_doctor_${database.name.slice(-8)}`;
    await admin.query(`CREATE USER \`${user}\`@'%' IDENTIFIED BY 'Pass-word-1'`);
    const it = await mariadbClient(base.href);
    onTestFinished(async () => {
      await it.query(`DROP USER \`${user}\`@'%'`);
      await it.end();
    });
    await admin.query(`GRANT SELECT ON \`${database.name}\`.* TO \`${user}\`@'%'`);
    const url = new URL(database.url);
    url.username = user;
    url.password = 'Pass-word-1';
    const poor = await opened(url.href).doctor.findings(chatPolicy);
    const messages = poor.find(({ check }) => check === 'privilege_messages');
    expect(messages?.todo).toBe(`GRANT UPDATE, DELETE ON \`${database.name}\`.\`Chat\` TO '${user}'@'%';`);
    expect(poor.find(({ check }) => check === 'not_examined')?.todo).toMatch(/GRANT PROCESS .* GRANT EVENT/);
    expect(poor).toContainEqual(expect.objectContaining({ check: 'foreign_keys', level: 'warning' }));
    for (const one of poor) {
      if (one.check.startsWith('privilege_') || one.check === 'not_examined')
        for (const statement of (one.todo ?? '').split(/(?<=;) /))
          if (statement !== '') await admin.query(statement);
    }
    const rich = await opened(url.href).doctor.findings(chatPolicy);
    expect(bad(rich).filter(({ check }) => !ofServer.has(check))).toEqual([]);
  });

  test('the clean-up of android-sms-gateway is known by its tables', async () => {
    const { store, client } = await world();
    for (const [old, name] of [
      ['Chat', 'messages'],
      ['reaction', 'message_recipients'],
      ['file', 'message_states'],
    ])
      await client.query(`RENAME TABLE ${old} TO ${name}`);
    const dependents = [
      {
        table: { schema: null, name: 'message_recipients' },
        match: [{ column: 'chat_id', message: 'id' }],
        action: 'delete' as const,
      },
      {
        table: { schema: null, name: 'message_states' },
        match: [{ column: 'reaction_id', message: 'id' }],
        action: 'delete' as const,
      },
    ];
    const findings = await store.doctor.findings(
      change({ table: { schema: null, name: 'messages' }, dependents }),
    );
    expect(findings.find(({ check }) => check === 'other_collector')?.found).toContain('messages:cleanup');
  });
});

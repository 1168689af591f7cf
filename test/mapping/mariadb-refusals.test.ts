import { expect, onTestFinished, test } from 'vitest';
import type { Dependent, Mapping } from '../../src/core/mapping.js';
import { silentLog } from '../../src/kit/log.js';
import { openStore } from '../../src/storage/open-store.js';
import { describeMariaDb } from '../engines.js';
import { mariadbBase, mariadbClient } from '../harness/mariadb-database.js';
import { mapped, mappedWorld, old, retentionSeconds } from './mariadb-world.js';

const messages = [
  'CREATE TABLE `Message` (id bigint NOT NULL PRIMARY KEY, at bigint, created_at datetime, code int, UNIQUE KEY by_code (code), KEY (at))',
  `INSERT INTO \`Message\` SELECT seq, ${old}, NULL, seq FROM seq_1_to_100`,
];
const notes = (rule: string): string =>
  `CREATE TABLE notes (id int PRIMARY KEY, msg bigint, CONSTRAINT of_message FOREIGN KEY (msg) REFERENCES \`Message\` (id) ${rule})`;
const by = (action: Dependent['action']): readonly Dependent[] => [
  { table: { schema: null, name: 'notes' }, match: [{ column: 'msg', message: 'id' }], action },
];

describeMariaDb('what cannot be collected is refused on MariaDB, and nothing is deleted', () => {
  test.each<[string, readonly string[], Partial<Mapping>, string]>([
    [
      'a misspelt table',
      [],
      { table: { schema: null, name: 'Mesage' } },
      'There is no table Mesage; did you mean "Message"?',
    ],
    [
      'a misspelt column',
      [],
      { age: { column: 'created', unit: 'datetime', zone: 'UTC' } },
      'There is no column created of Message; did you mean "created_at"?',
    ],
    ['a misspelt key', [], { key: ['idd'] }, 'There is no column idd of Message; did you mean "id"?'],
    [
      'a misspelt contact',
      [],
      { holdList: { contact: 'cod' } },
      'There is no column cod of Message; did you mean "code"?',
    ],
    [
      'a misspelt dependent',
      [notes('')],
      { dependents: [{ ...(by('delete')[0] as Dependent), table: { schema: null, name: 'note' } }] },
      'There is no table note; did you mean "notes"?',
    ],
    [
      'a view',
      ['CREATE VIEW seen AS SELECT * FROM `Message`'],
      { table: { schema: null, name: 'seen' } },
      'seen is a view, not a table; name the table behind it',
    ],
    ['a key that may be NULL', [], { key: ['code'] }, 'may be NULL in code'],
    [
      'a key that is not unique',
      ['ALTER TABLE `Message` MODIFY at bigint NOT NULL'],
      { key: ['at'] },
      'is not unique: its index at allows several rows of one key. Unique here: PRIMARY (id), by_code (code)',
    ],
    ['an unnamed foreign key', [notes('')], {}, 'The foreign key of_message of'],
    [
      'an unnamed RESTRICT',
      [notes('ON DELETE RESTRICT')],
      {},
      'Add to dependents: {table: notes, match: {msg: id}, action: delete} (or action: set_null, which keeps the rows)',
    ],
    [
      'an unnamed CASCADE',
      [notes('ON DELETE CASCADE')],
      {},
      'its ON DELETE CASCADE would delete rows uncounted',
    ],
    [
      'keep against a CASCADE',
      [notes('ON DELETE CASCADE')],
      { dependents: by('keep') },
      'would delete them (ON DELETE CASCADE)',
    ],
    [
      'keep against NO ACTION',
      [notes('')],
      { dependents: by('keep') },
      'would refuse that their message goes',
    ],
    [
      'leave_to_fk with NO ACTION',
      [notes('')],
      { dependents: by('leave_to_fk') },
      'has neither ON DELETE CASCADE nor SET NULL',
    ],
    [
      'leave_to_fk without a foreign key',
      ['CREATE TABLE notes (id int PRIMARY KEY, msg bigint, KEY (msg))'],
      { dependents: by('leave_to_fk') },
      'but it has none over (msg) into Message',
    ],
    [
      'an unnamed foreign key into a dependent',
      [notes(''), 'CREATE TABLE pages (note int, FOREIGN KEY (note) REFERENCES notes (id))'],
      { dependents: by('delete') },
      'Add to the dependents of notes in the mapping: {table: pages, match: {note: id}, action: delete}',
    ],
  ])('%s', async (_what, ddl, change, words) => {
    const world = await mappedWorld([...messages, ...ddl]);
    await expect(world.plan(mapped(change))).rejects.toThrow(words);
    // A run is told so by whoever sees it first, the checks or the planner.
    const run = await world.collect(mapped(change));
    expect(run).toMatchObject({ state: 'failed', messagesDeleted: 0, errors: [{ code: 1014 }] });
    expect(await world.count('SELECT count(*) FROM `Message`')).toBe(100);
  });

  test.each([
    ['dropped', 'DROP TABLE `Message`', /Message' doesn't exist/],
    ['altered in its key', 'ALTER TABLE `Message` CHANGE id ident bigint NOT NULL', /Unknown column/],
    ['altered in its age', 'ALTER TABLE `Message` DROP at', /Unknown column/],
    ['made without its index', 'ALTER TABLE `Message` DROP PRIMARY KEY', /Key 'PRIMARY' doesn't exist/],
  ])(
    'a table that is %s in mid-run ends the run as failed, with the true count',
    async (_what, ddl, words) => {
      const world = await mappedWorld(messages);
      let left = -1;
      const run = await world.collect(mapped({ walk: 'key' }), {
        async after(number) {
          if (number !== 3) return;
          left = await world.count('SELECT count(*) FROM `Message`');
          await world.client.query(ddl);
        },
      });
      expect(left).toBeLessThan(100);
      expect(run).toMatchObject({ state: 'failed', messagesDeleted: 100 - left });
      expect(run.errors[0]?.details).toMatch(words);
    },
  );

  test('without PROCESS what the user may see is refused, and the plan says what cannot be seen', async () => {
    const world = await mappedWorld([...messages, notes('')]);
    const admin = await mariadbClient(mariadbBase().href);
    const url = new URL(world.url);
    const database = url.pathname.slice(1);
    const user = `mgc_${database.slice(-10)}`;
    await admin.query(`CREATE USER \`${user}\`@'%' IDENTIFIED BY 'Pass-word-1'`);
    onTestFinished(async () => {
      await admin.query(`DROP USER \`${user}\`@'%'`);
      await admin.end();
    });
    for (const table of await world.keys(
      `SELECT TABLE_NAME FROM information_schema.TABLES WHERE TABLE_SCHEMA = DATABASE() AND TABLE_NAME <> 'notes'`,
    ))
      await admin.query(
        `GRANT SELECT, INSERT, UPDATE, DELETE ON \`${database}\`.\`${table}\` TO \`${user}\`@'%'`,
      );
    url.username = user;
    url.password = 'Pass-word-1';
    const plan = async () => {
      const store = openStore({ database: { engine: 'mysql', url: url.href }, workers: 1, log: silentLog });
      onTestFinished(() => store.close());
      return store.planner.plan({ mapping: mapped(), retentionSeconds });
    };
    expect((await plan()).plan.why).toContain(
      'foreign keys of tables that this user may not see cannot be ruled out (GRANT PROCESS shows them)',
    );
    await admin.query(`GRANT SELECT ON \`${database}\`.notes TO \`${user}\`@'%'`);
    await expect(plan()).rejects.toThrow('The foreign key of_message of');
  });
});

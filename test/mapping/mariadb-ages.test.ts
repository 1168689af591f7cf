import { expect, test } from 'vitest';
import type { Age } from '../../src/core/mapping.js';
import { describeMariaDb } from '../engines.js';
import { mapped, mappedWorld, numbers } from './mariadb-world.js';

const epoch = (unit: Age['unit']): Age => ({ column: 'at', unit, zone: null });
const clock = (zone: string): Age => ({ column: 'at', unit: 'datetime', zone });
const now = 'UNIX_TIMESTAMP(UTC_TIMESTAMP(6))';

describeMariaDb('ages in any unit on MariaDB', () => {
  /** n counts minutes: 0 to 59 are young, from 61 on old; -1 is NULL, -2 is no age, -3 lies in the future. */
  test.each<[string, Age, string, string]>([
    ['int', epoch('epoch_s'), `FLOOR(${now}) - n * 60`, '0'],
    ['int unsigned', epoch('epoch_s'), `FLOOR(${now}) - n * 60`, '0'],
    ['decimal(18,6)', epoch('epoch_s'), `${now} - n * 60`, '0'],
    ['double', epoch('epoch_s'), `${now} - n * 60`, '0'],
    ['bigint', epoch('epoch_ms'), `FLOOR((${now} - n * 60) * 1000)`, '0'],
    ['bigint', epoch('epoch_us'), `FLOOR((${now} - n * 60) * 1000000)`, '-5'],
    ['bigint', epoch('epoch_ns'), `FLOOR((${now} - n * 60) * 1000000) * 1000`, '0'],
    ['datetime', clock('UTC'), 'UTC_TIMESTAMP() - INTERVAL n MINUTE', `'0000-00-00 00:00:00'`],
    ['datetime(3)', clock('utc'), 'UTC_TIMESTAMP(3) - INTERVAL n MINUTE', `'0000-00-00 00:00:00'`],
    ['datetime(6)', clock('UTC'), 'UTC_TIMESTAMP(6) - INTERVAL n MINUTE', `'0000-00-00 00:00:00'`],
    ['datetime', clock('+02:00'), 'UTC_TIMESTAMP() + INTERVAL 120 - n MINUTE', `'0000-00-00 00:00:00'`],
    ['datetime(6)', clock('-09:30'), 'UTC_TIMESTAMP(6) - INTERVAL 570 + n MINUTE', `'0000-00-00 00:00:00'`],
    [
      'timestamp NULL',
      epoch('timestamptz'),
      'FROM_UNIXTIME(FLOOR(UNIX_TIMESTAMP()) - n * 60)',
      `'0000-00-00 00:00:00'`,
    ],
    [
      'timestamp(6) NULL',
      epoch('timestamptz'),
      'CURRENT_TIMESTAMP(6) - INTERVAL n MINUTE',
      `'0000-00-00 00:00:00'`,
    ],
  ])('%s %o: what is old goes; no age, the future and what is young stay', async (type, age, value, none) => {
    for (const index of ['', ', KEY (at)']) {
      const world = await mappedWorld([
        `SET sql_mode = 'STRICT_TRANS_TABLES'`,
        `CREATE TABLE \`Message\` (id int NOT NULL PRIMARY KEY, minutes int, at ${type}${index})`,
        `INSERT INTO \`Message\` SELECT n, n, ${value} FROM ${numbers} WHERE n <> 60`,
        `INSERT INTO \`Message\` VALUES (-1, -1, NULL), (-2, -2, ${none})`,
        `INSERT INTO \`Message\` SELECT -3, -3, ${value} FROM (SELECT -525600 AS n) s`,
      ]);
      await world.expectCollected(mapped({ age }), 'id', 'minutes < 60');
      for (const walk of index === '' || type === 'double' ? [] : (['key', 'age'] as const)) {
        await world.client.query(
          `INSERT INTO \`Message\` SELECT n, n, ${value} FROM ${numbers} WHERE n > 61`,
        );
        await world.expectCollected(mapped({ age, walk }), 'id', 'minutes < 60');
      }
    }
  });

  test('zero dates and empty values stay under the strictest sql_mode of the server', async () => {
    const world = await mappedWorld([
      `SET sql_mode = ''`,
      'CREATE TABLE `Message` (id int NOT NULL PRIMARY KEY, at datetime NOT NULL, KEY (at))',
      `INSERT INTO \`Message\` VALUES (1, ''), (2, '0000-00-00'), (3, '2020-01-01'), (4, 0)`,
    ]);
    const before = (await world.client.query('SELECT @@GLOBAL.sql_mode AS mode')).rows as { mode: string }[];
    try {
      await world.client.query(`SET GLOBAL sql_mode = 'TRADITIONAL,NO_ZERO_DATE,NO_ZERO_IN_DATE'`);
      await world.expectCollected(mapped({ age: clock('UTC') }), 'id', 'id <> 3');
    } finally {
      await world.client.query('SET GLOBAL sql_mode = ?', [before[0]?.mode ?? '']);
    }
  });

  test('a named zone that the server does not know is refused, with how to load it', async () => {
    const world = await mappedWorld([
      'CREATE TABLE `Message` (id int NOT NULL PRIMARY KEY, at datetime)',
      `INSERT INTO \`Message\` VALUES (1, '2020-01-01')`,
    ]);
    const unknown = mapped({ age: clock('Mars/Olympus') });
    const run = await world.collect(unknown);
    expect(run).toMatchObject({ state: 'failed', messagesDeleted: 0 });
    expect(run.errors[0]?.details).toContain('does not know the zone Mars/Olympus');
    await expect(world.plan(unknown)).rejects.toThrow(
      'does not know the time zone Mars/Olympus of the age column at: its tables of time zones are empty, or there is no zone of that name. Load them (mysql_tzinfo_to_sql',
    );
    expect(await world.keys('SELECT id FROM `Message`')).toEqual(new Set(['1']));
  });

  test.each([
    ['varchar(20)', epoch('epoch_s'), 'of type varchar, which cannot be read in the unit epoch_s'],
    ['datetime', epoch('timestamptz'), 'say datetime, with the zone of its clock'],
    ['timestamp', clock('UTC'), 'say timestamptz, for a TIMESTAMP is a moment'],
    ['bigint', clock('UTC'), 'say epoch_s, epoch_ms, epoch_us or epoch_ns'],
  ])('an age column of type %s in the unit %o is refused', async (type, age, words) => {
    const world = await mappedWorld([`CREATE TABLE \`Message\` (id int NOT NULL PRIMARY KEY, at ${type})`]);
    await expect(world.plan(mapped({ age }))).rejects.toThrow(words);
  });

  test('":now" in a predicate is the time of the horizon, in the unit of the age', async () => {
    const world = await mappedWorld([
      'CREATE TABLE `Message` (id int NOT NULL PRIMARY KEY, at bigint, until bigint, kind int)',
      `INSERT INTO \`Message\` SELECT n, (UNIX_TIMESTAMP() - 86400) * 1000, (UNIX_TIMESTAMP() - 150 + n) * 1000, n % 4 FROM ${numbers} WHERE n NOT BETWEEN 120 AND 180`,
    ]);
    await world.expectCollected(
      mapped({
        age: epoch('epoch_ms'),
        processed: 'm.until < :now',
        holds: [{ name: 'kind', where: 'm.kind = 3' }],
      }),
      'id',
      'until > UNIX_TIMESTAMP() * 1000 OR kind = 3',
    );
  });
});

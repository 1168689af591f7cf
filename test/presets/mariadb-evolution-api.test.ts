import { expect, test } from 'vitest';
import { describeMariaDb } from '../engines.js';
import { presetWorld } from './mariadb-preset-world.js';

const text = 'varchar(191) COLLATE utf8mb4_unicode_ci';
/** Older than the retention of 90 days, and clearly younger. */
const old = 'UNIX_TIMESTAMP() - 200 * 86400';
const young = 'UNIX_TIMESTAMP() - 20 * 86400';

/*
 * 6,000 messages. A third is young, and the keys do not follow the ages: every key of a synchronised history is younger
 * than those of the days that it tells of. The state is what it was at the insert; every third message of our own has
 * its final one in MessageUpdate only.
 */
const fixture = [
  `CREATE TABLE Instance (id ${text} NOT NULL PRIMARY KEY, name ${text} NOT NULL)`,
  `CREATE TABLE IntegrationSession (id ${text} NOT NULL PRIMARY KEY, instanceId ${text} NOT NULL,
     FOREIGN KEY (instanceId) REFERENCES Instance (id) ON DELETE CASCADE)`,
  `CREATE TABLE Message (id ${text} NOT NULL PRIMARY KEY, \`key\` json NOT NULL, messageType varchar(100) NOT NULL,
     message json NOT NULL, messageTimestamp int NOT NULL, status varchar(30) NULL,
     instanceId ${text} NOT NULL, sessionId ${text} NULL, KEY (instanceId),
     FOREIGN KEY (instanceId) REFERENCES Instance (id) ON DELETE CASCADE,
     FOREIGN KEY (sessionId) REFERENCES IntegrationSession (id) ON DELETE SET NULL) COLLATE utf8mb4_unicode_ci`,
  `CREATE TABLE MessageUpdate (id ${text} NOT NULL PRIMARY KEY, messageId ${text} NOT NULL, status varchar(30) NOT NULL,
     KEY MessageUpdate_by_message (messageId),
     FOREIGN KEY (messageId) REFERENCES Message (id) ON DELETE CASCADE) COLLATE utf8mb4_unicode_ci`,
  `CREATE TABLE Media (id ${text} NOT NULL PRIMARY KEY, fileName varchar(500) NOT NULL, messageId ${text} NOT NULL,
     UNIQUE KEY Media_by_message (messageId),
     FOREIGN KEY (messageId) REFERENCES Message (id) ON DELETE CASCADE) COLLATE utf8mb4_unicode_ci`,
  `INSERT INTO Instance VALUES ('i1', 'one'), ('i2', 'two')`,
  `INSERT INTO IntegrationSession VALUES ('s1', 'i1')`,
  `INSERT INTO Message SELECT CONCAT('c', LPAD(CONV(seq * 7919 % 6007, 10, 36), 4, '0'), 'x', seq),
     JSON_OBJECT('id', CONCAT('A', seq), 'fromMe', IF(seq % 2, 'true', 'false'), 'remoteJid', CONCAT(seq % 50, '@s')),
     IF(seq % 97 = 0, 'pollCreationMessage', 'conversation'), JSON_OBJECT('conversation', seq),
     IF(seq % 3 = 0, ${young}, ${old}) - seq,
     ELT(1 + seq % 16, 'PENDING', 'SERVER_ACK', 'READ', 'PENDING', 'DELIVERY_ACK', NULL, 'PLAYED', '2', '3', 'ERROR',
       'DELETED', 'SENT', 'EDITED', '4', 'SERVER_ACK', 'UNHEARD_OF'),
     ELT(1 + seq % 2, 'i1', 'i2'), IF(seq % 10 = 0, 's1', NULL)
   FROM seq_1_to_6000`,
  // Old states of the days when they were numbers, whose time is the only thing that could free them.
  `UPDATE Message SET messageTimestamp = 1720000000 WHERE status IN ('2', '3') AND messageTimestamp < ${old}`,
  // Keys in capital and small letters, which the collation orders otherwise than their bytes.
  `INSERT INTO Message SELECT CONCAT(ELT(1 + seq % 3, 'zZ', 'Zz', 'zz'), seq), '{}', 'conversation', '{}', IF(seq % 2, ${old}, ${young}), 'READ', 'i1', NULL FROM seq_1_to_500`,
  // Everything that happened later: of every second message something, of every fourth its end.
  `INSERT INTO MessageUpdate SELECT CONCAT('u', id), id, 'SERVER_ACK' FROM Message WHERE CRC32(id) % 2 = 0`,
  `INSERT INTO MessageUpdate SELECT CONCAT('v', id), id, ELT(1 + CRC32(id) % 3, 'READ', 'DELIVERY_ACK', 'DELIVERED') FROM Message WHERE CRC32(id) % 4 = 1`,
  `INSERT INTO MessageUpdate SELECT CONCAT('w', id), id, ELT(1 + CRC32(id) % 2, 'FAILED', 'SENT') FROM Message WHERE CRC32(id) % 8 = 3`,
  `INSERT INTO Media SELECT CONCAT('m', id), CONCAT('files/', id), id FROM Message WHERE CRC32(id) % 5 = 0`,
  'ANALYZE TABLE Message, MessageUpdate, Media',
];

/** The victims, told by a join instead of the preset's EXISTS, and by what is no end instead of what is one. */
const isOver = (state: string) =>
  `coalesce(${state}, '') NOT IN ('', 'PENDING', 'SERVER_ACK', 'ERROR', 'SENT', 'EDITED', 'UNHEARD_OF', '2', '3', '4', 'FAILED')`;
const victims = `SELECT a.id FROM Message a LEFT JOIN (SELECT messageId, max(${isOver('status')}) AS isOver FROM MessageUpdate
   GROUP BY messageId) b ON b.messageId = a.id
   WHERE a.messageTimestamp <= UNIX_TIMESTAMP() - 90 * 86400 AND (${isOver('a.status')} OR b.isOver = 1)`;

/** Fixed before anything goes: the evidence goes with its message. */
function world(change?: (text: string) => string, also = 'false') {
  const table = `CREATE TABLE victim AS ${victims} OR (a.messageTimestamp < 1731024000 AND ${also})`;
  return presetWorld('evolution-api-mysql', [...fixture, table], change);
}

const expected = {
  Message: 'x.id IN (SELECT id FROM victim)',
  MessageUpdate: 'x.messageId IN (SELECT id FROM victim)',
  Media: 'x.messageId IN (SELECT id FROM victim)',
};

describeMariaDb('the preset of evolution-api on MariaDB', () => {
  test('takes the messages that are over, by their own state or an update, with updates and media, and nothing else', async () => {
    const its = await world();
    // Every trap is there to be sprung.
    const onlyByUpdate = `status IN ('PENDING', 'SERVER_ACK') AND id IN (SELECT id FROM victim)`;
    expect(await its.count(`SELECT count(*) FROM Message WHERE ${onlyByUpdate}`)).toBeGreaterThan(200);
    for (const state of ['status IS NULL', `status IN ('2', '3', '4')`, `status = 'UNHEARD_OF'`]) {
      const stays = `SELECT count(*) FROM Message WHERE ${state} AND messageTimestamp < UNIX_TIMESTAMP() - 100 * 86400 AND id NOT IN (SELECT id FROM victim)`;
      expect(await its.count(stays), state).toBeGreaterThan(50);
    }
    const late = `SELECT count(*) FROM Message a WHERE a.id IN (SELECT id FROM victim) AND a.id > (SELECT min(id) FROM Message WHERE messageTimestamp > UNIX_TIMESTAMP() - 30 * 86400)`;
    expect(await its.count(late)).toBeGreaterThan(1_000);

    await its.expectCollected('Message', expected);
    expect(
      await its.count('SELECT count(*) FROM MessageUpdate WHERE messageId NOT IN (SELECT id FROM Message)'),
    ).toBe(0);
  }, 90_000);

  test('lets the states of 2024 go once their line is taken away', async () => {
    const its = await world(
      (file) => file.replace(/( legacy:\n) +off_by_default: true\n/, '$1'),
      `(a.status IS NULL OR a.status IN ('2', '3', '4', '5'))`,
    );
    expect(
      await its.count(
        `SELECT count(*) FROM Message WHERE status IN ('2', '3') AND id IN (SELECT id FROM victim)`,
      ),
    ).toBeGreaterThan(300);
    await its.expectCollected('Message', expected);
  }, 90_000);

  test('the doctor finds no error, and says what an operator should know', async () => {
    const its = await world();
    const findings = await its.findings();
    expect(findings.filter(({ level }) => level === 'error')).toEqual([]);
    expect(findings.filter(({ level }) => level === 'warning').map(({ found }) => found)).toEqual([
      'No index begins with messageTimestamp.',
    ]);
    const all = findings.map(({ found }) => found).join('\n');
    for (const [table, key] of [
      ['Media', 'Media_ibfk_1'],
      ['MessageUpdate', 'MessageUpdate_ibfk_1'],
    ]) {
      expect(all).toContain(
        `${key} on ${table} (messageId) into Message, ON DELETE CASCADE, goes with the action delete.`,
      );
      expect(all).toContain(`An index on ${table} begins with messageId.`);
    }
    expect(all).toContain('messageTimestamp is int, read as epoch_s.');
  });
});

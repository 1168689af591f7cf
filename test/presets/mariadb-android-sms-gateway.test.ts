import { expect, test } from 'vitest';
import { describeMariaDb } from '../engines.js';
import { presetWorld } from './mariadb-preset-world.js';

/** Keys beyond what a signed number of 64 bits holds. */
const first = '18446744073709000000';
const states = `enum('Pending','Processed','Sent','Delivered','Failed','Cancelling','Cancelled')`;

/* 5,000 messages of all states, some of them marked as deleted; the ages do not follow the keys. */
const fixture = [
  'CREATE TABLE devices (id char(21) NOT NULL PRIMARY KEY, name varchar(128))',
  `CREATE TABLE messages (id bigint unsigned NOT NULL AUTO_INCREMENT PRIMARY KEY, device_id char(21) NOT NULL,
     ext_id varchar(36) NOT NULL, state ${states} NOT NULL DEFAULT 'Pending', content text NOT NULL,
     is_hashed tinyint(1) NOT NULL DEFAULT 0, valid_until datetime NULL,
     created_at datetime(3) NULL DEFAULT current_timestamp(3),
     updated_at datetime(3) NULL DEFAULT current_timestamp(3) ON UPDATE current_timestamp(3), deleted_at datetime(3) NULL,
     UNIQUE KEY (ext_id, device_id), KEY (device_id, state), KEY (is_hashed),
     FOREIGN KEY (device_id) REFERENCES devices (id) ON DELETE CASCADE)`,
  `CREATE TABLE message_recipients (id bigint unsigned NOT NULL AUTO_INCREMENT PRIMARY KEY,
     message_id bigint unsigned NOT NULL, phone_number varchar(128) NOT NULL, state ${states} NOT NULL,
     UNIQUE KEY (message_id, phone_number),
     FOREIGN KEY (message_id) REFERENCES messages (id) ON DELETE CASCADE)`,
  `CREATE TABLE message_states (id bigint unsigned NOT NULL AUTO_INCREMENT PRIMARY KEY,
     message_id bigint unsigned NOT NULL, state ${states} NOT NULL, updated_at datetime(3) NOT NULL,
     UNIQUE KEY (message_id, state),
     FOREIGN KEY (message_id) REFERENCES messages (id) ON DELETE CASCADE)`,
  `INSERT INTO devices VALUES ('d1', 'one'), ('d2', 'two')`,
  `INSERT INTO messages (id, device_id, ext_id, state, content, is_hashed, valid_until, created_at, updated_at, deleted_at)
   SELECT ${first} + seq * 3, ELT(1 + seq % 2, 'd1', 'd2'), CONCAT('e', seq), 1 + seq % 7, CONCAT('text ', seq), seq % 4 = 0,
     ELT(1 + seq % 4, UTC_TIMESTAMP() - INTERVAL 190 DAY, UTC_TIMESTAMP() - INTERVAL 5 DAY, UTC_TIMESTAMP() + INTERVAL 5 DAY),
     CASE WHEN seq % 101 = 0 THEN NULL WHEN seq * 13 % 5 < 2 THEN UTC_TIMESTAMP(3) - INTERVAL 20 DAY
       ELSE UTC_TIMESTAMP(3) - INTERVAL 200 DAY - INTERVAL seq * 997 % 86400 SECOND END,
     UTC_TIMESTAMP(3), IF(seq % 11 = 0, UTC_TIMESTAMP(3), NULL)
   FROM seq_1_to_5000`,
  // Young by two hours only: a clock that is read in another zone takes these.
  `UPDATE messages SET created_at = UTC_TIMESTAMP(3) - INTERVAL 90 DAY + INTERVAL 2 HOUR WHERE id % 17 = 0 AND created_at > UTC_TIMESTAMP() - INTERVAL 30 DAY`,
  `INSERT INTO message_recipients (message_id, phone_number, state)
   SELECT id, CONCAT('+1555', n.seq), state FROM messages, seq_1_to_3 n WHERE n.seq <= 1 + id % 3`,
  `INSERT INTO message_states (message_id, state, updated_at)
   SELECT id, n.seq, UTC_TIMESTAMP(3) FROM messages, seq_1_to_4 n WHERE n.seq <= state + 0`,
  'ANALYZE TABLE messages, message_recipients, message_states',
];

const isOld = 'x.created_at <= UTC_TIMESTAMP(3) - INTERVAL 90 DAY';
const victims = `SELECT x.id FROM messages x WHERE ${isOld} AND x.state NOT IN ('Pending', 'Processed', 'Cancelling')`;
const expected = {
  messages: 'x.id IN (SELECT id FROM victim)',
  message_recipients: 'x.message_id IN (SELECT id FROM victim)',
  message_states: 'x.message_id IN (SELECT id FROM victim)',
};

describeMariaDb('the preset of android-sms-gateway on MariaDB', () => {
  test('takes what is sent, failed or cancelled, with recipients and states; what the phone only took stays', async () => {
    const its = await presetWorld('android-sms-gateway', [...fixture, `CREATE TABLE victim AS ${victims}`]);
    for (const trap of [
      `state = 'Processed' AND valid_until < UTC_TIMESTAMP()`,
      `state = 'Cancelling'`,
      `state = 'Pending' AND deleted_at IS NOT NULL`,
    ]) {
      const there = `SELECT count(*) FROM messages x WHERE ${isOld} AND ${trap}`;
      expect(await its.count(there), trap).toBeGreaterThan(30);
    }
    const marked =
      'SELECT count(*) FROM messages WHERE deleted_at IS NOT NULL AND id IN (SELECT id FROM victim)';
    expect(await its.count(marked)).toBeGreaterThan(50);
    expect(await its.count('SELECT count(*) FROM messages WHERE created_at IS NULL')).toBeGreaterThan(30);

    await its.expectCollected('messages', expected);
  }, 90_000);

  test('lets what a phone never reported on go once that line is taken away, if its time is over', async () => {
    const stale = `OR (${isOld} AND x.state = 'Processed' AND x.valid_until < UTC_TIMESTAMP())`;
    const its = await presetWorld(
      'android-sms-gateway',
      [...fixture, `CREATE TABLE victim AS ${victims} ${stale}`],
      (file) => file.replace(/( stale:\n) +off_by_default: true\n/, '$1'),
    );
    const there = `SELECT count(*) FROM messages WHERE state = 'Processed' AND id IN (SELECT id FROM victim)`;
    expect(await its.count(there)).toBeGreaterThan(50);
    await its.expectCollected('messages', expected);
  }, 90_000);

  test('the doctor finds no error, and says what an operator should know', async () => {
    const its = await presetWorld('android-sms-gateway', fixture);
    const findings = await its.findings();
    expect(findings.filter(({ level }) => level === 'error')).toEqual([]);
    expect(findings.filter(({ level }) => level === 'warning').map(({ found }) => found)).toEqual([
      'No index begins with created_at.',
      expect.stringMatching(/^Another collector is at work: .* messages:cleanup/),
    ]);
    const all = findings.map(({ found }) => found).join('\n');
    for (const table of ['message_recipients', 'message_states']) {
      expect(all).toContain(
        `${table}_ibfk_1 on ${table} (message_id) into messages, ON DELETE CASCADE, goes with the action delete.`,
      );
      expect(all).toContain(`An index on ${table} begins with message_id.`);
    }
    expect(all).toContain('created_at has no ON UPDATE.');
    expect(all).toContain('The server knows the zone UTC.');
  });
});

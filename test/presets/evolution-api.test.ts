import { expect, test, vi } from 'vitest';
import { describePostgres } from '../engines.js';
import { type Fixture, PresetWorld, wordsOf } from './world.js';

// Each test starts processes of its own; on a machine that is busy with others that takes its time.
vi.setConfig({ testTimeout: 180_000 });

/**
 * Every eighth message is history that was synchronised late: its key is young, its time is old. Own messages keep the
 * state of their insert, and their updates say the rest. The kinds are spread by n % 20, the times by n % 240 days.
 */
const sql = `
  CREATE TABLE "Instance" (id text PRIMARY KEY, name varchar(255) NOT NULL UNIQUE);
  CREATE TABLE "Message" (
    id text PRIMARY KEY, key jsonb NOT NULL, message jsonb NOT NULL, "messageType" varchar(100) NOT NULL,
    "messageTimestamp" integer NOT NULL, status varchar(30),
    "instanceId" text NOT NULL REFERENCES "Instance" ON DELETE CASCADE);
  CREATE INDEX ON "Message" ("instanceId");
  CREATE TABLE "MessageUpdate" (
    id text PRIMARY KEY, "keyId" varchar(100) NOT NULL, "fromMe" boolean NOT NULL, status varchar(30) NOT NULL,
    "messageId" text NOT NULL REFERENCES "Message" ON DELETE CASCADE,
    "instanceId" text NOT NULL REFERENCES "Instance" ON DELETE CASCADE);
  CREATE INDEX ON "MessageUpdate" ("messageId");
  CREATE TABLE "Media" (
    id text PRIMARY KEY, "fileName" varchar(500) NOT NULL UNIQUE,
    "messageId" text NOT NULL UNIQUE REFERENCES "Message" ON DELETE CASCADE);
  INSERT INTO "Instance" SELECT 'i' || n, 'phone ' || n FROM generate_series(1, 3) n;
  INSERT INTO "Message"
  SELECT 'c' || lpad(to_hex(n), 9, '0') || substr(md5(n::text), 1, 15),
      jsonb_build_object('id', md5(n || 'k'), 'fromMe', n % 2 = 0, 'remoteJid', n % 97 || '@s.whatsapp.net'),
      jsonb_build_object('conversation', 'words ' || n),
      CASE n % 47 WHEN 7 THEN 'pollCreationMessage' ELSE 'conversation' END,
      CASE WHEN n % 211 = 0 THEN 0
        WHEN n % 12 = 5 THEN 1728172800 - 3600 * (n % 900 + 1)
        ELSE extract(epoch FROM now())::integer - 1800
          - 3600 * CASE WHEN n % 8 = 0 THEN 24 * (150 + n % 80) ELSE (6000 - n) END END,
      CASE n % 20 WHEN 0 THEN 'ERROR' WHEN 1 THEN 'READ' WHEN 2 THEN 'SERVER_ACK' WHEN 3 THEN 'DELIVERY_ACK'
        WHEN 5 THEN 'PLAYED' WHEN 7 THEN NULL WHEN 9 THEN 'DELETED' WHEN 11 THEN 'EDITED' WHEN 13 THEN 'read'
        ELSE 'PENDING' END,
      'i' || n % 3 + 1
    FROM generate_series(1, 6000) n;
  INSERT INTO "MessageUpdate"
  SELECT 'u' || n || '-' || step, md5(n || 'k'), true,
      CASE WHEN step = 1 THEN 'SENT' ELSE (ARRAY['DELIVERED', 'READ', 'PLAYED', 'DELIVERY_ACK', 'DELETED', 'FAILED'])[n / 2 % 6 + 1] END,
      m.id, m."instanceId"
    FROM generate_series(1, 6000) n
    CROSS JOIN generate_series(1, 2) step
    JOIN "Message" m ON m.id = 'c' || lpad(to_hex(n), 9, '0') || substr(md5(n::text), 1, 15)
   WHERE n % 2 = 0 AND (step = 1 OR n % 10 < 6);
  INSERT INTO "Media" SELECT 'f' || id, 'evolution-api/' || id || '.ogg', id FROM "Message" WHERE hashtext(id) % 5 = 0;`;

/** States are joined, not asked one by one; the time is compared as a time. */
const old = `to_timestamp("messageTimestamp") <= now() - interval '90 days' AND "messageTimestamp" > 0`;
const final = `SELECT id FROM "Message" WHERE status = ANY ('{READ,PLAYED,DELIVERY_ACK,DELETED}')
  UNION SELECT "messageId" FROM "MessageUpdate" WHERE status = ANY ('{READ,PLAYED,DELIVERY_ACK,DELETED,DELIVERED}')`;

const fixture: Fixture = {
  preset: 'evolution-api',
  sql,
  keys: 'SELECT id FROM "Message"',
  victims: `SELECT id FROM "Message" JOIN (${final}) AS done USING (id) WHERE ${old}`,
  after: {
    '"Instance"': null,
    '"Message"': 'SELECT * FROM "Message" WHERE id NOT IN (SELECT id FROM victims)',
    '"MessageUpdate"': 'SELECT * FROM "MessageUpdate" WHERE "messageId" NOT IN (SELECT id FROM victims)',
    '"Media"': 'SELECT * FROM "Media" WHERE "messageId" NOT IN (SELECT id FROM victims)',
  },
};

const along = {
  MessageUpdate: 'SELECT FROM "MessageUpdate" JOIN victims ON victims.id = "messageId"',
  Media: 'SELECT FROM "Media" JOIN victims ON victims.id = "messageId"',
};

describePostgres('the preset for evolution-api on PostgreSQL', () => {
  test('what an update says is done with goes with its updates and media, and what waits stays whole', async () => {
    const world = await PresetWorld.open(fixture);
    await world.expectSprung({
      'only an update says that it is done with': `SELECT FROM victims JOIN "Message" m USING (id) WHERE m.status IN ('PENDING', 'SERVER_ACK')`,
      'media that go along': 'SELECT FROM victims JOIN "Media" ON "messageId" = victims.id',
      'old and PENDING': `SELECT FROM "Message" WHERE ${old} AND status = 'PENDING' AND id NOT IN (SELECT id FROM victims)`,
      'old, and an update says SENT or FAILED only': `SELECT FROM "MessageUpdate" u JOIN "Message" m ON m.id = "messageId" WHERE ${old}
        AND u.status IN ('SENT', 'FAILED') AND m.id NOT IN (SELECT id FROM victims)`,
      'old, in letters of another case': `SELECT FROM "Message" WHERE ${old} AND status = 'read'`,
      'old, without a state': `SELECT FROM "Message" WHERE ${old} AND status IS NULL AND id NOT IN (SELECT id FROM victims)`,
      'no age': `SELECT FROM "Message" WHERE "messageTimestamp" = 0 AND status = 'READ'`,
      'a victim with a younger key than a message that is too young': `SELECT FROM victims WHERE id > (SELECT min(id) FROM "Message" WHERE NOT (${old}) AND "messageTimestamp" > 0)`,
    });
    await world.expectCollected(along);
  });

  test('with the lines off_by_default taken away, the PENDING rows of the migration go and polls stay for a year', async () => {
    const pending = `SELECT id FROM "Message" WHERE status = 'PENDING' AND to_timestamp("messageTimestamp") < '2024-10-06T00:00:00Z' AND "messageTimestamp" > 0`;
    const polls = `SELECT id FROM "Message" WHERE "messageType" = 'pollCreationMessage' AND to_timestamp("messageTimestamp") > now() - interval '31536000 s'`;
    const victims = `SELECT id FROM "Message" JOIN (${final} UNION ${pending}) AS done USING (id) WHERE ${old} EXCEPT (${polls})`;
    const world = await PresetWorld.open({ ...fixture, victims }, (text) =>
      text.replace(/^ +off_by_default: true\n/gm, ''),
    );
    await world.expectSprung({
      'freed by its date alone': `(${pending}) EXCEPT (${final})`,
      'PENDING since the migration': `SELECT FROM "Message" WHERE ${old} AND status = 'PENDING' AND "messageTimestamp" > 1728172800 AND id NOT IN (SELECT id FROM victims)`,
      'a poll that is done with, old enough, and kept': `SELECT id FROM "Message" JOIN (${final}) AS done USING (id) WHERE ${old} INTERSECT (${polls})`,
      'a poll that is older than a year': `SELECT FROM "Message" JOIN victims USING (id) WHERE "messageType" = 'pollCreationMessage'`,
    });
    await world.expectCollected(along);
  });

  test('the doctor finds nothing wrong with it, and says that the age has no index', async () => {
    const world = await PresetWorld.open(fixture);
    expect(wordsOf(await world.findings())).toEqual([
      expect.stringMatching(
        /^warning index_probe: .* → CREATE INDEX CONCURRENTLY ON "public"."Message" \("messageTimestamp"\);$/,
      ),
    ]);
  });
});

import { expect, test, vi } from 'vitest';
import { describePostgres } from '../engines.js';
import { type Fixture, PresetWorld, wordsOf } from './world.js';

// Each test starts processes of its own; on a machine that is busy with others that takes its time.
vi.setConfig({ testTimeout: 180_000 });

/**
 * The database of one session: messages without states, in the clock of UTC, beside the keys of the session, which look
 * as old as any message. Keys are random, of both cases, some of one text but for its case.
 */
const sql = `
  CREATE TABLE gows_messages (id varchar(200) PRIMARY KEY, jid varchar(200), "timestamp" timestamp, from_me boolean,
    is_real boolean, data text);
  CREATE INDEX ON gows_messages ("timestamp");
  CREATE UNIQUE INDEX ON gows_messages (id);
  CREATE TABLE whatsmeow_device (jid text PRIMARY KEY, noise_key bytea NOT NULL, platform text NOT NULL DEFAULT '');
  CREATE TABLE whatsmeow_sessions (our_jid text REFERENCES whatsmeow_device ON DELETE CASCADE ON UPDATE CASCADE,
    their_id text, session bytea, PRIMARY KEY (our_jid, their_id));
  CREATE TABLE whatsmeow_message_secrets (our_jid text REFERENCES whatsmeow_device ON DELETE CASCADE ON UPDATE CASCADE,
    chat_jid text, sender_jid text, message_id text, key bytea NOT NULL, PRIMARY KEY (our_jid, chat_jid, sender_jid, message_id));
  INSERT INTO gows_messages
  SELECT CASE n % 3 WHEN 0 THEN upper(md5((n / 3)::text)) WHEN 1 THEN lower(md5((n / 3)::text)) ELSE '3EB0' || upper(md5(n::text)) END,
      n % 40 || '@s.whatsapp.net',
      CASE WHEN n % 500 = 0 THEN NULL WHEN n % 501 = 0 THEN '-infinity' WHEN n % 502 = 0 THEN 'infinity'
        ELSE now() AT TIME ZONE 'UTC' - interval '30 min' - interval '1 hour' * ((n * 7919) % 4300) END,
      n % 2 = 0, n % 10 > 0, '{"Info": ' || n || '}'
    FROM generate_series(1, 6000) n;
  INSERT INTO whatsmeow_device VALUES ('me@s.whatsapp.net', '\\x01', 'android');
  INSERT INTO whatsmeow_sessions SELECT 'me@s.whatsapp.net', n || '.0', '\\x02' FROM generate_series(1, 40) n;
  INSERT INTO whatsmeow_message_secrets SELECT 'me@s.whatsapp.net', jid, jid, id, '\\x03' FROM gows_messages WHERE from_me;`;

const old = `EXTRACT(epoch FROM "timestamp") BETWEEN 1 AND EXTRACT(epoch FROM now()) - 90 * 86400`;

const fixture: Fixture = {
  preset: 'waha-gows',
  sql,
  keys: 'SELECT id FROM gows_messages',
  victims: `SELECT id FROM gows_messages WHERE ${old}`,
  after: {
    gows_messages: 'SELECT * FROM gows_messages WHERE id NOT IN (SELECT id FROM victims)',
    whatsmeow_device: null,
    whatsmeow_sessions: null,
    whatsmeow_message_secrets: null,
  },
};

describePostgres('the preset for the GOWS engine of WAHA', () => {
  test('whatever is old enough goes, also what is not real, and no key of the session is touched', async () => {
    const world = await PresetWorld.open(fixture);
    await world.expectSprung({
      'a key that stays beside a victim of other case': `SELECT FROM victims v JOIN gows_messages m ON lower(m.id) = lower(v.id)
        WHERE m.id NOT IN (SELECT id FROM victims)`,
      'no time': 'SELECT FROM gows_messages WHERE "timestamp" IS NULL',
      'before all times': `SELECT FROM gows_messages WHERE "timestamp" = '-infinity'`,
      'after all times': `SELECT FROM gows_messages WHERE "timestamp" = 'infinity'`,
      'secrets of messages that go': 'SELECT FROM whatsmeow_message_secrets JOIN victims ON id = message_id',
    });
    expect(world.firstLook, world.firstLook.stderr).toMatchObject({ code: 0 });
    expect(JSON.parse(world.firstLook.stdout)).toMatchObject({
      services: {
        message: { gc: { dry_run: { messages: (await world.ask(fixture.victims)).length, exact: true } } },
      },
    });
    await world.expectCollected({});
  });

  test('a server that thinks in another zone moves no message over the horizon', async () => {
    const world = await PresetWorld.open(fixture);
    await world.ask(
      `DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET timezone = %L', current_database(), 'Asia/Kolkata'); END $$`,
    );
    await world.expectCollected({});
  });

  test('a chat that is held stays whole', async () => {
    const ours = `jid = '7@s.whatsapp.net'`;
    const victims = `SELECT id FROM gows_messages WHERE ${old} AND NOT ${ours}`;
    const world = await PresetWorld.open({ ...fixture, victims });
    await world.expectSprung({ 'old messages of it': `SELECT FROM gows_messages WHERE ${old} AND ${ours}` });
    const held = await world.command('hold add --contact 7@s.whatsapp.net');
    expect(held.code, held.stderr).toBe(0);
    await world.expectCollected({});
  });

  test('the doctor asks only whether the age alone is meant to decide, also where url names the variable', async () => {
    const world = await PresetWorld.open(fixture, (text) =>
      text.replace('# url: env:DATABASE_URL', 'url: env:DATABASE_URL'),
    );
    expect(wordsOf(await world.findings())).toEqual([
      expect.stringMatching(/^warning predicate_sample: .* → .* unless the age alone is meant to decide/),
    ]);
  });
});

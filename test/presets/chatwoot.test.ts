import { expect, test, vi } from 'vitest';
import { describePostgres } from '../engines.js';
import { type Fixture, PresetWorld, wordsOf } from './world.js';

// Each test starts processes of its own; on a machine that is busy with others that takes its time.
vi.setConfig({ testTimeout: 180_000 });

/**
 * Conversations in all four states, each with young and old messages; a conversation number of which no conversation is
 * left. What names its owner by type and number uses numbers that are messages' too, but of other types.
 */
const sql = `
  CREATE TABLE accounts (id serial PRIMARY KEY, name varchar NOT NULL);
  CREATE TABLE inboxes (id serial PRIMARY KEY, account_id integer NOT NULL, name varchar NOT NULL);
  CREATE TABLE contacts (id serial PRIMARY KEY, account_id integer NOT NULL, name varchar DEFAULT '');
  CREATE TABLE conversations (id serial PRIMARY KEY, account_id integer NOT NULL, inbox_id integer NOT NULL, contact_id bigint,
    status integer NOT NULL DEFAULT 0, updated_at timestamp(6) NOT NULL);
  CREATE TABLE messages (id serial PRIMARY KEY, content text, account_id integer NOT NULL, inbox_id integer NOT NULL,
    conversation_id integer NOT NULL, message_type integer NOT NULL, private boolean NOT NULL DEFAULT false,
    status integer DEFAULT 0, sender_type varchar, sender_id bigint, created_at timestamp NOT NULL, updated_at timestamp NOT NULL);
  CREATE INDEX ON messages (conversation_id);
  CREATE INDEX ON messages (created_at);
  CREATE TABLE attachments (id serial PRIMARY KEY, file_type integer DEFAULT 0, message_id integer NOT NULL, account_id integer NOT NULL);
  CREATE INDEX ON attachments (message_id);
  CREATE TABLE csat_survey_responses (id bigserial PRIMARY KEY, conversation_id bigint NOT NULL, message_id bigint NOT NULL UNIQUE,
    rating integer NOT NULL);
  CREATE TABLE notifications (id bigserial PRIMARY KEY, primary_actor_type varchar NOT NULL, primary_actor_id bigint NOT NULL,
    secondary_actor_type varchar, secondary_actor_id bigint);
  CREATE TABLE active_storage_blobs (id bigserial PRIMARY KEY, key varchar NOT NULL UNIQUE);
  CREATE TABLE active_storage_attachments (id bigserial PRIMARY KEY, name varchar NOT NULL, record_type varchar NOT NULL,
    record_id bigint NOT NULL, blob_id bigint NOT NULL REFERENCES active_storage_blobs);

  INSERT INTO accounts (name) VALUES ('one'), ('two');
  INSERT INTO inboxes (account_id, name) SELECT n % 2 + 1, 'inbox ' || n FROM generate_series(1, 4) n;
  INSERT INTO contacts (account_id, name) SELECT n % 2 + 1, 'contact ' || n FROM generate_series(1, 300) n;
  INSERT INTO conversations (id, account_id, inbox_id, contact_id, status, updated_at)
    SELECT n, n % 2 + 1, n % 4 + 1, n % 300 + 1, (ARRAY[1, 0, 1, 2, 1, 3, 1])[n % 7 + 1], now() FROM generate_series(1, 400) n WHERE n % 100 > 0;
  INSERT INTO messages (id, content, account_id, inbox_id, conversation_id, message_type, private, status, created_at, updated_at)
    SELECT n, 'words ' || n, n % 2 + 1, n % 4 + 1, n % 400 + 1, n % 4, n % 25 = 0, n / 3 % 4,
      now() AT TIME ZONE 'UTC' - interval '30 min' - interval '1 hour' * ((8000 - n) / 2), now()
    FROM generate_series(1, 8000) n;
  INSERT INTO attachments (file_type, message_id, account_id) SELECT n % 3, id, account_id FROM messages, generate_series(1, 2) n WHERE id % 3 = 0;
  INSERT INTO csat_survey_responses (conversation_id, message_id, rating) SELECT conversation_id, id, id % 5 + 1 FROM messages WHERE id % 30 = 0;
  INSERT INTO notifications (primary_actor_type, primary_actor_id, secondary_actor_type, secondary_actor_id)
    SELECT 'Conversation', conversation_id, 'Message', id FROM messages WHERE id % 10 = 0;
  INSERT INTO active_storage_blobs (key) SELECT md5(n::text) FROM generate_series(1, 3000) n;
  INSERT INTO active_storage_attachments (name, record_type, record_id, blob_id)
    SELECT 'file', CASE WHEN n % 4 = 0 THEN 'Contact' ELSE 'Attachment' END, n, n FROM generate_series(1, 3000) n;`;

const old = `m.created_at < (now() - interval '90 days') AT TIME ZONE 'UTC'`;
const victims = `SELECT m.id FROM conversations JOIN messages m ON conversation_id = conversations.id
  WHERE conversations.status NOT IN (0, 2, 3) AND ${old}`;

const fixture: Fixture = {
  preset: 'chatwoot',
  sql,
  keys: 'SELECT id::text FROM messages',
  victims,
  after: {
    accounts: null,
    inboxes: null,
    contacts: null,
    conversations: null,
    messages: 'SELECT * FROM messages WHERE id NOT IN (SELECT id FROM victims)',
    attachments: 'SELECT * FROM attachments WHERE message_id NOT IN (SELECT id FROM victims)',
    csat_survey_responses: null,
    notifications: null,
    active_storage_blobs: null,
    active_storage_attachments: null,
  },
};

const along = {
  'public.attachments': 'SELECT FROM attachments WHERE message_id IN (SELECT id FROM victims)',
};

describePostgres('the preset for Chatwoot', () => {
  test('only messages of resolved conversations go, with their attachments, and what merely names them stays', async () => {
    const world = await PresetWorld.open(fixture);
    const [states] = await world.ask(
      `SELECT count(DISTINCT c.status)::int AS n FROM conversations c JOIN messages m ON conversation_id = c.id WHERE ${old}`,
    );
    expect(states).toEqual({ n: 4 });
    await world.expectSprung({
      'old, read, and its conversation is open': `SELECT FROM messages m JOIN conversations c ON c.id = conversation_id WHERE ${old} AND m.status = 2 AND c.status = 0`,
      'old, and its conversation is gone': `SELECT FROM messages m WHERE ${old} AND conversation_id NOT IN (SELECT id FROM conversations)`,
      'one conversation on both sides of the horizon': `SELECT FROM messages m WHERE NOT (${old}) AND conversation_id IN (SELECT conversation_id FROM messages JOIN victims USING (id))`,
      'attachments that go along': along['public.attachments'],
      'answers to surveys of messages that go':
        'SELECT FROM csat_survey_responses JOIN victims ON victims.id = message_id',
      'notifications of messages that go': `SELECT FROM notifications JOIN victims ON victims.id = secondary_actor_id WHERE secondary_actor_type = 'Message'`,
      'files of another owner with the number of a message that goes': `SELECT FROM active_storage_attachments JOIN victims ON victims.id = record_id WHERE record_type = 'Contact'`,
    });
    await world.expectCollected(along);
  });

  test('private notes stay when their hold is switched on', async () => {
    const world = await PresetWorld.open({ ...fixture, victims: `${victims} AND NOT m.private` }, (text) =>
      text.replace(/^ +off_by_default: true\n/gm, ''),
    );
    await world.expectSprung({
      'notes that would go': `SELECT FROM (${victims}) v JOIN messages USING (id) WHERE private`,
    });
    await world.expectCollected(along);
  });

  test('the doctor finds nothing wrong with it', async () => {
    const world = await PresetWorld.open(fixture);
    expect(wordsOf(await world.findings())).toEqual([]);
  });
});

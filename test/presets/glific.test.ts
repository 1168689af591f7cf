import { expect, test, vi } from 'vitest';
import { describePostgres } from '../engines.js';
import { type Fixture, PresetWorld, wordsOf } from './world.js';

// Each test starts processes of its own; on a machine that is busy with others that takes its time.
vi.setConfig({ testTimeout: 180_000 });

/**
 * Two messages an hour, 250 days of them. Replies quote messages of up to 100 days before, chains of quotes among them;
 * broadcasts name a group message. Two foreign keys have no index, and a trigger on the tags touches their message.
 */
const sql = `
  CREATE TYPE message_state AS ENUM ('sent', 'delivered', 'enqueued', 'error', 'read', 'received', 'contact_opt_out', 'reached', 'seen');
  CREATE TYPE message_flow AS ENUM ('inbound', 'outbound');
  CREATE TABLE organizations (id bigserial PRIMARY KEY, name varchar(255));
  CREATE TABLE contacts (id bigserial PRIMARY KEY, phone varchar(255) NOT NULL, last_message_number integer NOT NULL DEFAULT 0);
  CREATE TABLE messages_media (id bigserial PRIMARY KEY, url text NOT NULL);
  CREATE TABLE session_templates (id bigserial PRIMARY KEY, label varchar(255),
    message_media_id bigint REFERENCES messages_media ON DELETE CASCADE);
  CREATE TABLE messages (
    id bigserial PRIMARY KEY, body text, flow message_flow NOT NULL, status message_state NOT NULL, bsp_status message_state,
    contact_id bigint NOT NULL REFERENCES contacts ON DELETE CASCADE,
    organization_id bigint NOT NULL REFERENCES organizations ON DELETE CASCADE,
    media_id bigint REFERENCES messages_media ON DELETE SET NULL,
    context_message_id bigint REFERENCES messages ON DELETE CASCADE,
    group_message_id bigint REFERENCES messages ON DELETE SET NULL,
    inserted_at timestamp(0) NOT NULL, updated_at timestamp(0) NOT NULL);
  CREATE INDEX ON messages (inserted_at);
  CREATE INDEX ON messages (context_message_id);
  CREATE INDEX ON messages (group_message_id);
  CREATE INDEX ON messages (media_id);
  CREATE TABLE tags (id bigserial PRIMARY KEY, label varchar(255) NOT NULL);
  CREATE TABLE messages_tags (id bigserial PRIMARY KEY, message_id bigint NOT NULL REFERENCES messages ON DELETE CASCADE,
    tag_id bigint NOT NULL REFERENCES tags ON DELETE CASCADE, UNIQUE (message_id, tag_id));
  CREATE TABLE messages_conversations (id bigserial PRIMARY KEY, conversation_id varchar(255) NOT NULL,
    message_id bigint REFERENCES messages ON DELETE CASCADE);
  CREATE TABLE locations (id bigserial PRIMARY KEY, message_id bigint REFERENCES messages ON DELETE CASCADE, latitude double precision);
  CREATE INDEX ON locations (message_id);
  CREATE TABLE message_broadcasts (id bigserial PRIMARY KEY, message_id bigint REFERENCES messages ON DELETE SET NULL, type varchar(255));
  CREATE TABLE flow_contexts (id bigserial PRIMARY KEY, contact_id bigint NOT NULL REFERENCES contacts ON DELETE CASCADE,
    group_message_id bigint REFERENCES messages ON DELETE SET NULL);
  CREATE INDEX ON flow_contexts (group_message_id);

  INSERT INTO organizations (name) SELECT 'school ' || n FROM generate_series(1, 3) n;
  INSERT INTO contacts (phone, last_message_number) SELECT '9100000' || n, n FROM generate_series(1, 200) n;
  INSERT INTO messages_media (url) SELECT 'https://files.example/' || n FROM generate_series(1, 400) n;
  INSERT INTO session_templates (label, message_media_id) SELECT 'template ' || n, n FROM generate_series(1, 50) n;
  INSERT INTO tags (label) SELECT 'tag ' || n FROM generate_series(1, 10) n;
  INSERT INTO messages (id, body, flow, status, bsp_status, contact_id, organization_id, media_id, context_message_id,
      group_message_id, inserted_at, updated_at)
  SELECT n, 'words ' || n,
      CASE WHEN n % 5 < 2 THEN 'inbound' ELSE 'outbound' END::message_flow,
      CASE WHEN n % 31 = 0 THEN 'enqueued' WHEN n % 33 = 0 THEN 'reached' WHEN n % 5 < 2 THEN 'received'
        ELSE (ARRAY['sent', 'delivered', 'read', 'error', 'contact_opt_out'])[n / 5 % 5 + 1] END::message_state,
      (CASE WHEN n % 5 < 2 THEN NULL
        ELSE (ARRAY['delivered', 'enqueued', 'read', NULL, 'sent', 'error', 'seen', 'contact_opt_out'])[n % 8 + 1] END)::message_state,
      n % 200 + 1, n % 3 + 1, CASE WHEN n % 6 = 0 THEN n % 400 + 1 END,
      CASE WHEN n % 7 = 3 AND n > 4800 THEN n - (n % 16) * 300 - 7 WHEN n % 7 = 4 AND n > 2 THEN n - 1 END,
      CASE WHEN n % 9 = 1 AND n > 4000 THEN n - (n % 13) * 300 - 9 END,
      stamp, stamp
    FROM generate_series(1, 12000) n
    CROSS JOIN LATERAL (SELECT now() AT TIME ZONE 'UTC' - interval '30 min' - interval '1 hour' * ((12000 - n) / 2) AS stamp) AS at;
  INSERT INTO messages_tags (message_id, tag_id) SELECT id, id % 10 + 1 FROM messages WHERE id % 4 = 0;
  INSERT INTO messages_conversations (conversation_id, message_id) SELECT 'talk ' || id / 20, id FROM messages WHERE id % 2 = 0;
  INSERT INTO locations (message_id, latitude) SELECT id, id / 100.0 FROM messages WHERE id % 40 = 0;
  INSERT INTO message_broadcasts (message_id, type) SELECT id, 'flow' FROM messages WHERE id % 60 = 1;
  INSERT INTO flow_contexts (contact_id, group_message_id) SELECT contact_id, id FROM messages WHERE id % 50 = 1;
  CREATE FUNCTION touch_message() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
    UPDATE messages SET updated_at = now() WHERE id = coalesce(OLD.message_id, NEW.message_id); RETURN NULL; END $$;
  CREATE TRIGGER touch AFTER INSERT OR DELETE ON messages_tags FOR EACH ROW EXECUTE FUNCTION touch_message();`;

/** Old enough, not waiting in any way: asked by what must not be, where the preset asks by what must. */
const old = `inserted_at AT TIME ZONE 'UTC' <= now() - interval '90 days'`;
const victims = `SELECT id FROM messages WHERE ${old} AND status::text NOT IN ('enqueued', 'reached', 'seen')
  AND NOT (flow = 'outbound' AND coalesce(bsp_status::text, '') IN ('', 'enqueued', 'reached', 'seen', 'received'))`;

/** Writes down each quote that is taken away, in whatever batch. */
const witness = `
  CREATE SCHEMA oracle;
  CREATE TABLE oracle.cleared (id bigint NOT NULL);
  CREATE FUNCTION oracle.saw() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN INSERT INTO oracle.cleared VALUES (NEW.id); RETURN NULL; END $$;
  CREATE TRIGGER saw AFTER UPDATE ON messages FOR EACH ROW
    WHEN (OLD.context_message_id IS NOT NULL AND NEW.context_message_id IS NULL) EXECUTE FUNCTION oracle.saw();`;

const isVictim = (column: string): string => `${column} IN (SELECT id FROM victims)`;
const cleared = (column: string): string => `CASE WHEN ${isVictim(column)} THEN NULL ELSE ${column} END`;
const without = (table: string): string =>
  `SELECT * FROM ${table} WHERE (${isVictim('message_id')}) IS NOT TRUE`;

const fixture: Fixture = {
  preset: 'glific',
  sql,
  keys: 'SELECT id::text FROM messages',
  victims,
  after: {
    organizations: null,
    contacts: null,
    messages_media: null,
    session_templates: null,
    tags: null,
    messages: `SELECT id, body, flow, status, bsp_status, contact_id, organization_id, media_id, ${cleared('context_message_id')},
      ${cleared('group_message_id')}, inserted_at, updated_at FROM messages WHERE NOT (${isVictim('id')})`,
    messages_tags: without('messages_tags'),
    messages_conversations: without('messages_conversations'),
    locations: without('locations'),
    message_broadcasts: `SELECT id, ${cleared('message_id')}, type FROM message_broadcasts`,
    flow_contexts: `SELECT id, contact_id, ${cleared('group_message_id')} FROM flow_contexts`,
  },
};

describePostgres('the preset for glific on PostgreSQL', () => {
  test('replies outlive what they quote, tags and media do no harm, and what is queued stays', async () => {
    const world = await PresetWorld.open({ ...fixture, sql: sql + witness });
    await world.expectSprung({
      'a young reply to a message that goes': `SELECT FROM messages WHERE ${isVictim('context_message_id')} AND NOT (${old})`,
      'an old reply that stays': `SELECT FROM messages WHERE ${isVictim('context_message_id')} AND ${old} AND NOT (${isVictim('id')})`,
      'a chain of three, all of which go': `SELECT FROM messages a JOIN messages b ON b.context_message_id = a.id
        JOIN messages c ON c.context_message_id = b.id WHERE ${isVictim('a.id')} AND ${isVictim('b.id')} AND ${isVictim('c.id')}`,
      'a young message of a group message that goes': `SELECT FROM messages WHERE ${isVictim('group_message_id')} AND NOT (${old})`,
      'a reply and member of two that go': `SELECT FROM messages WHERE ${isVictim('context_message_id')} AND ${isVictim('group_message_id')}`,
      'tags that go along': `SELECT FROM messages_tags WHERE ${isVictim('message_id')}`,
      'media of templates': `SELECT FROM victims JOIN messages USING (id) JOIN session_templates ON message_media_id = media_id`,
      'broadcasts that lose their message': `SELECT FROM message_broadcasts WHERE ${isVictim('message_id')}`,
      'contexts that lose their message': `SELECT FROM flow_contexts WHERE ${isVictim('group_message_id')}`,
      'old, and still queued': `SELECT FROM messages WHERE ${old} AND status = 'enqueued'`,
      'old, and queued at the provider': `SELECT FROM messages WHERE ${old} AND bsp_status = 'enqueued' AND status = 'sent'`,
      'old, and in a state that nobody knows': `SELECT FROM messages WHERE ${old} AND (status = 'reached' OR bsp_status = 'seen')`,
    });
    const staying = `SELECT id FROM messages WHERE ${isVictim('context_message_id')} AND NOT (${isVictim('id')})`;
    const replies = new Set((await world.ask(`WITH victims AS (${victims}) ${staying}`)).map(({ id }) => id));
    // A reply that goes in a later batch than what it quotes is cleared before: an update more than was foretold.
    await world.expectCollected(
      {
        'public.messages': staying,
        'public.messages_conversations': `SELECT FROM messages_conversations WHERE ${isVictim('message_id')}`,
        'public.locations': `SELECT FROM locations WHERE ${isVictim('message_id')}`,
      },
      { 'public.messages': 'SELECT FROM oracle.cleared' },
    );
    const cleared = (await world.ask('SELECT id FROM oracle.cleared JOIN messages USING (id)')).map(
      ({ id }) => id,
    );
    expect(cleared).toHaveLength(replies.size);
    expect(new Set(cleared)).toEqual(replies);
  });

  test('the doctor names the two missing indexes with their statements, and nothing else', async () => {
    const world = await PresetWorld.open(fixture);
    const index = (table: string): unknown =>
      expect.stringMatching(
        new RegExp(
          `^warning foreign_key_index: .* → CREATE INDEX CONCURRENTLY ON "public"."${table}" \\("message_id"\\);$`,
        ),
      );
    expect(wordsOf(await world.findings())).toEqual([
      index('message_broadcasts'),
      index('messages_conversations'),
    ]);
  });

  test('the doctor warns who goes by updated_at, and who deletes the tags whose trigger sets it', async () => {
    const world = await PresetWorld.open(fixture, (text) =>
      text
        .replace('column: inserted_at', 'column: updated_at')
        .replace(/(table: public.messages_tags\n.*\n +action: )leave_to_fk/, '$1delete'),
    );
    const words = wordsOf(await world.findings());
    expect(words).toContainEqual(expect.stringMatching(/^warning age_moved: trigger touch on messages_tags/));
    expect(words).toContainEqual(
      expect.stringMatching(/^warning index_probe: No index begins with updated_at/),
    );
  });

  test('the doctor stops who leaves the replies to their foreign key, or forgets them', async () => {
    const edits: readonly [string, RegExp, string][] = [
      ['left to it', /(context_message_id: id}, action: )set_null, order: 1/, '$1leave_to_fk'],
      ['forgotten', /^ +- .*context_message_id: id}.*\n/m, ''],
    ];
    for (const [, from, to] of edits) {
      const world = await PresetWorld.open(fixture, (text) => {
        expect(text).toMatch(from);
        return text.replace(from, to);
      });
      const told = await world.command('doctor --json');
      expect(told.code, told.stdout).toBe(1);
      expect(told.stdout).toContain('messages_context_message_id_fkey');
      const collected = await world.command('gc --yes --json');
      expect(collected.code, collected.stdout).not.toBe(0);
      expect(await world.ask('SELECT count(*)::int AS n FROM messages')).toEqual([{ n: 12_000 }]);
    }
  });
});

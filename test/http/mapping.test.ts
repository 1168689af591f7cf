/**
 * A real instance over a table of somebody else's: the dry run and the brake of a first run, seen over HTTP.
 */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pg from 'pg';
import { expect, onTestFinished, test } from 'vitest';
import { describePostgres } from '../engines.js';
import { Instance } from '../harness/instance.js';
import { Receiver } from '../harness/receiver.js';
import { createScratchDatabase } from '../harness/scratch-database.js';

const gc = '/v1/services/message/gc';
const old = 1_960;
const young = 37;

const mapping = `stores:
  - name: shop
    url: env:DATABASE_URL
    table: Message
    key: [id]
    age: { column: sentAt, unit: timestamptz }
    processed: { where: m.status = 'READ' }
    retention: 30d
`;

async function shop() {
  const database = await createScratchDatabase();
  onTestFinished(() => database.drop());
  const asker = new pg.Client({ connectionString: database.url, application_name: 'oracle' });
  await asker.connect();
  onTestFinished(() => asker.end());
  await asker.query(`CREATE TABLE "Message" (id text PRIMARY KEY, "sentAt" timestamptz NOT NULL, status text NOT NULL);
    INSERT INTO "Message" SELECT md5(n::text), now() - CASE WHEN n <= ${old} THEN interval '90 days' ELSE interval '1 day' END, 'READ'
      FROM generate_series(1, ${old + young}) AS n;
    INSERT INTO "Message" SELECT 'waiting ' || n, now() - interval '90 days', 'PENDING' FROM generate_series(1, 3) AS n;
    ANALYZE "Message"`);
  const folder = mkdtempSync(join(tmpdir(), 'message-gc-mapping-'));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  const file = join(folder, 'message-gc.yaml');
  writeFileSync(file, mapping);
  const instance = await Instance.start({ DATABASE_URL: database.url, MESSAGE_GC_CONFIG: file });
  onTestFinished(() => instance.close());
  const receiver = await Receiver.start();
  onTestFinished(() => receiver.close());
  await instance.setWebhook(receiver.url);
  const left = async (): Promise<number> => {
    const { rows } = await asker.query<{ n: number }>('SELECT count(*)::int AS n FROM "Message"');
    return rows[0]?.n ?? Number.NaN;
  };
  return { instance, receiver, left };
}

describePostgres('an instance over a table of somebody else', () => {
  test('foretells, refuses the first run until it is confirmed, and then deletes what it foretold', async () => {
    const { instance, receiver, left } = await shop();
    const all = old + young + 3;

    const look = await instance.api('PUT', `${gc}?dry_run=true`);
    expect(look.status, look.text).toBe(200);
    expect(look.body).toMatchObject({
      services: { message: { gc: { dry_run: { messages: old, exact: true } } } },
    });
    expect(await left()).toBe(all);

    const braked = await instance.api('PUT', gc);
    expect(braked.status, braked.text).toBe(409);
    expect(braked.text).toMatch(/98 % .*of Message would be deleted \(retention 30d\).*\?confirm=true/);
    expect(await left()).toBe(all);

    const confirmed = await instance.api('PUT', `${gc}?confirm=true`);
    expect(confirmed.status, confirmed.text).toBe(200);
    const [callback] = await receiver.waitForAccepted(1);
    expect(JSON.parse(callback?.body ?? '')).toMatchObject({
      services: [{ message: { gc: { messages_deleted: old, status: 'complete' } } }],
    });
    expect(await left()).toBe(all - old);

    // The mapping is known now: nobody is asked again.
    expect((await instance.api('PUT', gc)).status).toBe(200);
    const [, again] = await receiver.waitForAccepted(2);
    expect(JSON.parse(again?.body ?? '')).toMatchObject({
      services: [{ message: { gc: { messages_deleted: 0, status: 'complete' } } }],
    });
  });
});

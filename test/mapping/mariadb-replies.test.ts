import { expect, onTestFinished, test } from 'vitest';
import type { Mapping } from '../../src/core/mapping.js';
import { describeMariaDb } from '../engines.js';
import { mariadbConnection } from '../harness/mariadb-database.js';
import { MariadbProxy } from '../harness/mariadb-proxy.js';
import { pause } from '../harness/wait.js';
import { mapped, mappedWorld, numbers, old, young } from './mariadb-world.js';

/** Messages that refer to each other: every one to the one before it, every third young. */
const thread = (rule: string): readonly string[] => [
  `CREATE TABLE \`Message\` (id bigint NOT NULL PRIMARY KEY, at bigint, quoted bigint,
     moved timestamp NOT NULL DEFAULT CURRENT_TIMESTAMP ON UPDATE CURRENT_TIMESTAMP,
     KEY (at), CONSTRAINT quotes FOREIGN KEY (quoted) REFERENCES \`Message\` (id) ${rule})`,
  'SET foreign_key_checks = 0',
  `INSERT INTO \`Message\` SELECT n, IF(n % 3 = 0, ${young}, ${old}), IF(n = 0, NULL, n - 1), '2020-01-01' FROM ${numbers}`,
  'SET foreign_key_checks = 1',
];
const replies = (change: Partial<Mapping> = {}): Mapping =>
  mapped({
    dependents: [
      {
        table: { schema: null, name: 'Message' },
        match: [{ column: 'quoted', message: 'id' }],
        action: 'set_null',
      },
    ],
    ...change,
  });
const youngOnly = 'at > UNIX_TIMESTAMP() - 3600';

describeMariaDb('messages that refer to messages on MariaDB', () => {
  for (const foreignKeys of ['messages_first', 'checked'] as const) {
    for (const rule of ['ON DELETE CASCADE', '', 'ON DELETE SET NULL']) {
      test(`young replies stay, without their reference (${foreignKeys}, ${rule || 'NO ACTION'})`, async () => {
        const world = await mappedWorld(thread(rule));
        const run = await world.expectCollected(replies({ foreignKeys }), 'id', youngOnly);
        expect(run.plan?.foreignKeys).toBe(foreignKeys);
        // Every young one quoted an old one.
        expect(await world.count('SELECT count(*) FROM `Message` WHERE quoted IS NOT NULL')).toBe(0);
      });
    }

    test(`a reply that is committed between the two steps is never deleted (${foreignKeys})`, async () => {
      let proxy: MariadbProxy | null = null;
      const world = await mappedWorld(thread('ON DELETE CASCADE'), async (url) => {
        proxy = await MariadbProxy.start(url);
        onTestFinished(() => proxy?.close());
        return proxy.urlFor(url);
      });
      const application = await mariadbConnection(world.url);
      onTestFinished(() => application.end());
      let letGo: () => void = () => undefined;
      const trap = (proxy as MariadbProxy | null)?.arm({
        match: (text) => /\bUPDATE \((SELECT|VALUES).* STRAIGHT_JOIN `Message`/s.test(text),
        action: 'hold',
        until: new Promise<void>((resolve) => {
          letGo = resolve;
        }),
      });
      // The reply waits for as long as the trap holds: a batch that gave way to it would let it through.
      const collecting = world.collect(replies({ foreignKeys }), { yields: false });
      await trap?.waitForHit(10_000);
      // Message 1 is locked (or gone, unseen) by the batch; its reply is written now.
      let isOver = false;
      const reply = application
        .query(`INSERT INTO \`Message\` (id, at, quoted) VALUES (9001, UNIX_TIMESTAMP(), 1)`)
        .then(
          () => 'stored',
          (error: { errno: number }) => error.errno,
        )
        .finally(() => {
          isOver = true;
        });
      await untilWaiting(world.client);
      expect(isOver, 'whether the reply got past the lock').toBe(false);
      letGo();
      const outcome = await reply;
      const run = await collecting;
      expect(run).toMatchObject({ state: 'complete', errors: [] });
      expect(run.messagesDeleted).toBe(200);
      // It waited, and its own check refused it: what it quotes is gone.
      expect(outcome).toBe(1452);
      const staying = await world.keys(`SELECT n FROM ${numbers} WHERE n % 3 = 0`);
      expect(await world.keys('SELECT id FROM `Message`')).toEqual(staying);
    });
  }

  test('an age that moves with every change is not moved when a reference is cleared', async () => {
    const world = await mappedWorld([
      `CREATE TABLE \`Message\` (id bigint NOT NULL PRIMARY KEY, quoted bigint,
         at timestamp NOT NULL DEFAULT CURRENT_TIMESTAMP ON UPDATE CURRENT_TIMESTAMP, KEY (quoted))`,
      `INSERT INTO \`Message\` SELECT n, IF(n = 299, NULL, n + 1), CURRENT_TIMESTAMP - INTERVAL 1 DAY FROM ${numbers}`,
      'INSERT INTO `Message` VALUES (1000, 5, CURRENT_TIMESTAMP)',
    ]);
    const age = { column: 'at', unit: 'timestamptz', zone: null } as const;
    await world.expectCollected(replies({ age }), 'id', 'id = 1000');
  });

  test('a reply that another session holds parks what it quotes, until it is free', async () => {
    const world = await mappedWorld(thread('ON DELETE CASCADE'));
    const application = await mariadbConnection(world.url);
    onTestFinished(() => application.end());
    await application.query('START TRANSACTION');
    await application.query('UPDATE `Message` SET at = at WHERE id = 6');
    const shop = await world.workshop(replies(), {
      async after(number) {
        if (number === 40) await application.query('COMMIT');
      },
    });
    const run = await shop.collect();
    expect(shop.gaveUp).toContain('locked');
    expect(run).toMatchObject({ state: 'complete', messagesDeleted: 200, errors: [] });
    expect(await world.keys('SELECT id FROM `Message`')).toEqual(
      await world.keys(`SELECT n FROM ${numbers} WHERE n % 3 = 0`),
    );
  });

  test.each([
    ['ON DELETE CASCADE', 'ON DELETE CASCADE, is not named with the action set_null'],
    ['', 'ON DELETE NO ACTION, is not named by the mapping'],
  ])('a reference among the messages that the mapping does not name is refused (%s)', async (rule, words) => {
    const world = await mappedWorld(thread(rule));
    const run = await world.collect(mapped());
    expect(run).toMatchObject({ state: 'failed', messagesDeleted: 0 });
    expect(run.errors[0]?.details).toContain(words);
    expect(run.errors[0]?.details).toContain('{table: Message, match: {quoted: id}, action: set_null}');
    expect(await world.count('SELECT count(*) FROM `Message`')).toBe(300);
  });

  test.each(['delete', 'leave_to_fk'] as const)(
    '%s for references among the messages is refused',
    async (action) => {
      const world = await mappedWorld(thread('ON DELETE CASCADE'));
      const [dependent] = replies().dependents;
      if (dependent === undefined) throw new Error('The mapping has one dependent.');
      await expect(world.plan(replies({ dependents: [{ ...dependent, action }] }))).rejects.toThrow(
        /set_null/,
      );
    },
  );
});

/** Until a transaction of somebody waits for a lock: InnoDB's own list, not a time. */
async function untilWaiting(client: {
  query(sql: string): Promise<{ readonly rows: readonly unknown[] }>;
}): Promise<void> {
  // The server renews this view only when nobody has read it for a tenth of a second.
  for (let tries = 0; tries < 12; tries += 1) {
    await pause(120);
    const { rows } = await client.query(
      `SELECT count(*) AS n FROM information_schema.INNODB_TRX t JOIN information_schema.PROCESSLIST p
         ON p.ID = t.trx_mysql_thread_id WHERE p.DB = DATABASE() AND t.trx_state = 'LOCK WAIT'`,
    );
    if (Number((rows as { n: number }[])[0]?.n) > 0) return;
  }
  throw new Error('Nobody began to wait.');
}

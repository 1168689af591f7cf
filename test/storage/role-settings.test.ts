import { afterAll, expect, test } from 'vitest';
import { ownMapping } from '../../src/core/mapping.js';
import { insertOld } from '../conformance/drive.js';
import { describePostgres } from '../engines.js';
import { workshop } from '../guards/collect.js';
import { dropTemplate, guardWorld } from '../guards/world.js';

/** What a user has been given for other programs, and would change what a condition means, or what a deletion does. */
describePostgres('settings of a role', () => {
  afterAll(dropTemplate);

  test('do not change how the texts of a condition are read', async () => {
    const world = await guardWorld();
    const keys = await insertOld(world, 20, 0);
    await world.ask(`UPDATE messages SET contact = CASE WHEN id = ${keys[0]} THEN '1234' ELSE 'none' END`);
    const { name, url } = await world.plainUser();
    await world.ask(`ALTER ROLE ${name} SET standard_conforming_strings = off;
      ALTER ROLE ${name} SET transform_null_equals = on`);
    const { store, facts } = await world.openAgain(url);
    const holds = [
      { name: 'digits', where: String.raw`m.contact ~ '^\d{4}$'` },
      // Never true, but where "= NULL" is read as IS NULL.
      { name: 'nothing', where: 'NULL = (CASE WHEN m.id > 0 THEN NULL END)' },
    ];
    const policy = { mapping: { ...ownMapping, holds }, retentionSeconds: 3_600 };

    const run = await (await workshop({ store, facts, policy })).collect();

    expect(run).toMatchObject({ state: 'complete', messagesDeleted: 19 });
    expect(await world.messageKeys()).toEqual(new Set([keys[0]]));
  });

  test('that keep foreign keys and triggers from acting are refused, with what to do', async () => {
    const world = await guardWorld();
    const { name, url } = await world.plainUser();
    await world.ask(`ALTER ROLE ${name} SET session_replication_role = replica`);
    await expect(world.openAgain(url)).rejects.toThrow(
      `session_replication_role is replica in our sessions, which the user or the database gives them: foreign keys and triggers would not act. Take it away: ALTER ROLE ${name} RESET session_replication_role`,
    );
    await world.ask(`ALTER ROLE ${name} RESET session_replication_role`);
    await expect(world.openAgain(url)).resolves.toBeDefined();
  });
});

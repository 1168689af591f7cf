import { afterAll, expect, test } from 'vitest';
import { describePostgres } from '../engines.js';
import { workshop } from './collect.js';
import { dropTemplate, guardWorld } from './world.js';

/** The least and the greatest key of a type have no neighbour to reckon with. */
describePostgres('a walk over the outermost keys', () => {
  afterAll(dropTemplate);

  test.each([
    ['the least', ['-9223372036854775808']],
    ['the greatest', ['9223372036854775807']],
    ['both', ['-9223372036854775808', '-9223372036854775807', '9223372036854775806', '9223372036854775807']],
  ])('takes %s bigint, and what lies between', async (_words, ids) => {
    const world = await guardWorld();
    await world.ask(
      `INSERT INTO messages (id, direction, state, contact, body, processed_at)
       OVERRIDING SYSTEM VALUE
       SELECT id, 'outbound', 'read', '4912345', 'text', now() - interval '2 hours'
       FROM (SELECT unnest($1::bigint[]) AS id UNION SELECT generate_series(1, 500)) keys`,
      [ids],
    );
    await world.ask('ANALYZE messages');
    const { store, facts, policy } = world;
    const run = await (await workshop({ store, facts, policy, size: 100 })).collect();
    expect(run).toMatchObject({ state: 'complete', messagesDeleted: 500 + ids.length, errors: [] });
    expect(run.plan?.walk).toBe('key');
    expect(await world.messageKeys()).toEqual(new Set());
  });
});

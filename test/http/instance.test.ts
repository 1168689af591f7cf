import { afterAll, expect, test, vi } from 'vitest';
import { outcomeOf } from '../harness/collection.js';
import { until } from '../harness/wait.js';
import { dropTemplates, postgresWorld } from '../harness/world.js';
import { frontDoorSuite, instanceSuite, type InstanceWorld, meta } from './instance-suite.js';
import { describePostgres } from '../engines.js';

// Each test starts processes of its own; on a machine that is busy with others that takes its time.
vi.setConfig({ testTimeout: 120_000 });

afterAll(dropTemplates);

describePostgres('an instance on PostgreSQL', () => {
  const sizes = { small: 4_000, large: 60_000 } as const;
  const makeWorld = async (rows: number): Promise<InstanceWorld> => {
    const world = await postgresWorld(rows);
    return { ...world, ask: (question) => question(world.oracle) };
  };
  instanceSuite(makeWorld, sizes);
  frontDoorSuite(makeWorld, sizes);

  test('without a database it listens, says so, answers a PUT with 1014, and works as soon as the database is there', async () => {
    const world = await postgresWorld(4_000);
    // The key of the tokens must be known without the database for a token to be worth anything.
    const env = { WA_WEB_JWT_CRYPTO_KEY: 'a key of the tests, long enough' };
    const before = await world.start(env);
    const token = await before.login();
    before.terminate();
    await before.ended;

    world.proxy.refuse();
    const instance = await world.restart(before);
    expect(instance.lines[0]?.['msg']).toBe('listening');
    instance.useToken(token);
    const health = await instance.api('GET', '/v1/health');
    expect(health.status).toBe(200);
    expect(health.body).toMatchObject({ health: { gateway_status: 'disconnected' }, meta });
    expect((await instance.send('GET', '/healthz')).status).toBe(200);
    expect((await instance.send('GET', '/readyz')).status).not.toBe(200);

    const refused = await instance.api('PUT', '/v1/services/message/gc');
    expect(refused.status).toBe(500);
    expect(refused.body).toEqual({
      meta,
      errors: [
        {
          code: 1014,
          title: 'Internal error',
          details: expect.stringMatching(
            /^\S.*[^.]\. Please check if wacore is running: wacore:6252$/,
          ) as string,
        },
      ],
    });

    world.proxy.heal();
    await until(
      'the instance to be ready',
      30_000,
      async () => (await instance.send('GET', '/readyz')).status === 200,
    );
    await instance.collect();
    const [delivery] = await world.receiver.waitForAccepted(1);
    expect(delivery === undefined ? null : outcomeOf(delivery)).toEqual({
      messages_deleted: world.eligible.size,
      status: 'complete',
    });
    expect(instance.isAlive).toBe(true);
  });
});

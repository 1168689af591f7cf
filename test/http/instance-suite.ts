/**
 * What an instance promises over HTTP, whatever database is under it: the same tests for PostgreSQL and the embedded
 * database. The bodies are written out, so that a changed key is seen here and not by a user's script.
 */
import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { outcomeOf, runOf, runsOf, waitForEnd, waitForRun } from '../harness/collection.js';
import type { Instance } from '../harness/instance.js';
import type { Keys, Oracle } from '../harness/oracle.js';
import type { Environment } from '../harness/processes.js';
import type { Receiver } from '../harness/receiver.js';
import { until, within } from '../harness/wait.js';

/** What both worlds have. `ask` is called when the instance has stopped: the embedded database has one user. */
export type InstanceWorld = {
  readonly receiver: Receiver;
  readonly before: Keys;
  readonly eligible: Keys;
  start(env?: Environment): Promise<Instance>;
  restart(instance: Instance): Promise<Instance>;
  ask<T>(question: (oracle: Oracle) => Promise<T>): Promise<T>;
};

const { version } = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8')) as {
  readonly version: string;
};
export const meta = { api_status: 'stable', version: `v${version}` };
const processing = { services: { message: { gc: { status: 'processing' } } }, meta };
const gcPath = '/v1/services/message/gc';

async function stopped(instance: Instance): Promise<void> {
  instance.terminate();
  const exit = await within('the instance to stop', 10_000, instance.ended);
  expect(exit).toEqual({ code: 0, signal: null });
}

/** Stops the instance and holds the tables against what the callbacks said. */
async function expectExact(world: InstanceWorld, instance: Instance, told: number): Promise<void> {
  await stopped(instance);
  await world.ask(async (oracle) => {
    const gone = await oracle.expectGone({ before: world.before, gone: world.eligible });
    expect(told).toBe(gone.size);
    await oracle.expectNoOrphans();
    await oracle.expectInvariants();
  });
  expect(instance.stderr).toBe('');
  expect(instance.strayOutput, 'standard output that is no JSON line').toEqual([]);
}

/** `large`: messages enough for a run that a request can meet half-way; `small`: for all other tests. */
export type Sizes = { readonly small: number; readonly large: number };

export function instanceSuite(
  makeWorld: (rows: number) => Promise<InstanceWorld>,
  { small, large }: Sizes,
): void {
  test('a PUT is answered at once, and one callback tells the exact number, in the published bodies', async () => {
    const world = await makeWorld(small);
    const instance = await world.start();
    expect(instance.lines[0]?.['msg'], 'the first log line').toBe('listening');

    const answer = await instance.api('PUT', gcPath);
    expect(answer.status).toBe(200);
    expect(answer.body).toEqual(processing);
    const run = String(answer.headers['x-request-id']);
    expect(run).toMatch(/^[0-9a-f]{32}$/);
    expect(answer.headers['x-message-gc-joined']).toBeUndefined();

    const [delivery] = await world.receiver.waitForAccepted(1);
    expect(delivery?.body).toBe(
      `{"services":[{"message":{"gc":{"messages_deleted":${world.eligible.size},"status":"complete"}}}]}`,
    );
    expect(delivery?.headers).toMatchObject({
      'content-type': 'application/json',
      'user-agent': `message-gc/${version}`,
      'x-request-id': run,
      'webhook-id': expect.stringMatching(/^[0-9a-f]{32}$/) as string,
      'webhook-timestamp': expect.stringMatching(/^\d{10}$/) as string,
    });
    expect(delivery?.headers['x-joined-request-id']).toBeUndefined();

    const ended = await waitForEnd(instance, run);
    expect(ended).toMatchObject({
      state: 'complete',
      requested_by: 'admin',
      messages_deleted: world.eligible.size,
      parked: 0,
      errors: [],
    });
    await expectExact(world, instance, world.eligible.size);
    expect(world.receiver.deliveries.length, 'callbacks of one run').toBe(1);
  });

  test('ten PUTs at once make one run, the next one joins it, and one after its end makes a run with nothing to delete that tells 0', async () => {
    const world = await makeWorld(large);
    const instance = await world.start();
    const answers = await Promise.all(Array.from({ length: 10 }, () => instance.api('PUT', gcPath)));
    answers.push(await instance.api('PUT', gcPath));
    expect(answers.map(({ status }) => status)).toEqual(Array(11).fill(200));
    expect(answers.map(({ body }) => body)).toEqual(Array(11).fill(processing));
    expect(new Set(answers.map(({ headers }) => headers['x-request-id'])).size, 'runs named').toBe(1);
    const joining = answers.map(({ headers }) => headers['x-message-gc-joined']);
    expect(joining.filter((header) => header === '1').length, 'answers that joined').toBe(10);
    expect(joining.at(-1), 'the one after the ten').toBe('1');

    const [told] = await world.receiver.waitForAccepted(1);
    const joined = String(told?.headers['x-joined-request-id'] ?? '').split(/\s*,\s*/);
    expect(new Set(joined).size, 'request ids of those who joined').toBe(10);
    expect((await runsOf(instance)).length, 'runs').toBe(1);

    const after = await instance.api('PUT', gcPath);
    expect(after.headers['x-message-gc-joined']).toBeUndefined();
    expect(after.headers['x-request-id']).not.toBe(answers[0]?.headers['x-request-id']);
    const deliveries = await world.receiver.waitForAccepted(2);
    expect(deliveries.map(outcomeOf), 'callbacks').toEqual([
      { messages_deleted: world.eligible.size, status: 'complete' },
      { messages_deleted: 0, status: 'complete' },
    ]);
    expect(new Set(deliveries.map(({ id }) => id)).size, 'webhook-ids').toBe(2);
    await expectExact(world, instance, world.eligible.size);
    expect(world.receiver.deliveries.length, 'callbacks').toBe(2);
  });

  test('a callback without a URL waits through a restart and is sent when one is set', async () => {
    const world = await makeWorld(small);
    const instance = await world.start();
    await instance.setWebhook('');
    const run = await instance.collect();
    await waitForEnd(instance, run);
    await stopped(instance);
    expect(world.receiver.deliveries).toEqual([]);

    const again = await world.restart(instance);
    const health = await again.api('GET', '/v1/health');
    expect(health.body).toMatchObject({ health: { gateway_status: 'connected' }, meta });
    expect(health.text, 'health says that a callback waits').toMatch(/callback/i);
    await again.setWebhook(world.receiver.url);
    const [delivery] = await world.receiver.waitForAccepted(1);
    expect(delivery?.headers['x-request-id']).toBe(run);
    await expectExact(world, again, delivery === undefined ? -1 : outcomeOf(delivery).messages_deleted);
  });

  test('callbacks that a receiver refused, or never answered, hold nothing up and survive a restart', async () => {
    const world = await makeWorld(small);
    const instance = await world.start();
    const { receiver } = world;
    receiver.mode = 'fail500';
    const first = await instance.collect();
    await receiver.waitFor(2);
    receiver.mode = 'hang';
    await until('an attempt that is not answered', 10_000, () => receiver.deliveries.at(-1)?.mode === 'hang');
    const second = await instance.collect();
    await waitForEnd(instance, second);
    await stopped(instance);
    receiver.mode = 'ok';
    const again = await world.restart(instance);
    const accepted = await receiver.waitForAccepted(2);
    expect(new Set(accepted.map(({ headers }) => headers['x-request-id']))).toEqual(new Set([first, second]));
    expect(receiver.byId.size, 'webhook-ids').toBe(2);
    expect(
      [...receiver.byId.values()].map((bodies) => bodies.size),
      'bodies',
    ).toEqual([1, 1]);
    await expectExact(world, again, world.eligible.size);
  });

  test('a callback whose sender was killed is sent by the next process soon, under the same id', async () => {
    const world = await makeWorld(small);
    const instance = await world.start();
    const { receiver } = world;
    receiver.mode = 'hang';
    const run = await instance.collect();
    await until('an attempt that is not answered', 20_000, () => receiver.deliveries.at(-1)?.mode === 'hang');
    await instance.kill('SIGKILL');
    receiver.mode = 'ok';
    const again = await world.restart(instance);
    // The dead sender's claim lasts 10 s, and nobody looks less often than every 5 s.
    const [delivery] = await receiver.waitForAccepted(1, 20_000);
    expect(delivery?.headers['x-request-id']).toBe(run);
    expect(receiver.byId.size, 'webhook-ids').toBe(1);
    await expectExact(world, again, world.eligible.size);
  });

  test('DELETE cancels the run: failed, with the true number and who did it', async () => {
    const world = await makeWorld(large);
    const instance = await world.start();
    const run = await instance.collect();
    await waitForRun(instance, run, 'at work', 20_000, ({ messages_deleted }) => messages_deleted > 0);
    const answer = await instance.api('DELETE', gcPath);
    expect(answer.status, answer.text).toBe(200);
    const [delivery] = await world.receiver.waitForAccepted(1);
    const ended = await runOf(instance, run);
    expect(ended.state).toBe('failed');
    await stopped(instance);
    const gone = await world.ask(async (oracle) => {
      const now = await oracle.allKeys();
      await oracle.expectNoOrphans();
      await oracle.expectInvariants();
      const missing = [...world.before].filter((key) => !now.has(key));
      expect(
        missing.filter((key) => !world.eligible.has(key)),
        'not eligible but gone',
      ).toEqual([]);
      return missing.length;
    });
    expect(gone, 'cancelled in mid-run').toBeLessThan(world.eligible.size);
    expect(delivery?.body).toBe(
      `{"services":[{"message":{"gc":{"messages_deleted":${gone},"errors":[{"code":1014,"details":"Cancelled by admin"}],"status":"failed"}}}]}`,
    );
    expect(ended.messages_deleted).toBe(gone);
  });
}

/** What no database has a part in: asked once, on whatever there is. */
export function frontDoorSuite(
  makeWorld: (rows: number) => Promise<InstanceWorld>,
  { small }: Pick<Sizes, 'small'>,
): void {
  test('a receiver that fails, redirects and drops the answer is told again in the same words; a 200 ends it, whatever follows', async () => {
    const world = await makeWorld(small);
    const instance = await world.start();
    const { receiver } = world;
    // The last one answers 200 and a body without end, which must not hold the instance up.
    const modes = ['fail500', 'redirect', 'dropAnswer', 'endless'] as const;
    receiver.mode = modes[0];
    receiver.onDelivery = () => {
      receiver.mode = modes[receiver.deliveries.length] ?? 'ok';
    };
    const run = await instance.collect();
    await receiver.waitFor(modes.length);
    const after = await instance.collect();
    await receiver.waitForAccepted(1);
    expect(
      receiver.deliveries.map(({ mode, headers }) => [mode, headers['x-request-id']]),
      'a redirect is not followed, and what was answered with 200 does not come again',
    ).toEqual([...modes.map((mode) => [mode, run]), ['ok', after]]);
    expect(receiver.byId.size, 'webhook-ids').toBe(2);
    expect(
      [...receiver.byId.values()].map((bodies) => bodies.size),
      'bodies',
    ).toEqual([1, 1]);
    expect(receiver.deliveries.map((delivery) => outcomeOf(delivery).messages_deleted)).toEqual([
      ...modes.map(() => world.eligible.size),
      0,
    ]);
    await expectExact(world, instance, world.eligible.size);
  });

  test('without a token, and for what is not there, the error envelope is answered', async () => {
    const world = await makeWorld(small);
    const instance = await world.start();
    const stranger = await instance.send('PUT', gcPath);
    const unknown = await instance.api('GET', `${gcPath}/${'0'.repeat(32)}`);
    const nowhere = await instance.api('GET', '/v1/nowhere');
    const method = await instance.api('POST', gcPath);
    const malformed = await instance.api('PATCH', '/v1/settings/application', '{"webhooks":');
    const codes = [stranger, unknown, nowhere, method, malformed].map(({ status, body }) => {
      const envelope = body as {
        readonly errors: readonly { readonly code: number }[];
        readonly meta: unknown;
      };
      expect(envelope.meta).toEqual(meta);
      return [status, envelope.errors[0]?.code];
    });
    expect(codes.map(([status]) => status)).toEqual([401, 404, 404, 405, 400]);
    expect(codes[0]?.[1]).toBe(1005);
    expect(codes[1]?.[1]).toBe(1006);
    expect((await instance.send('GET', '/healthz')).status).toBe(200);
    expect(world.receiver.deliveries).toEqual([]);
  });
}

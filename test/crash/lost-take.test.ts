import { afterAll, expect, test } from 'vitest';
import { describeMariaDb, describePostgres } from '../engines.js';
import { outcomeOf, waitForEnd } from '../harness/collection.js';
import type { Instance } from '../harness/instance.js';
import { mariadbWorld } from '../harness/mariadb-world.js';
import { commitOf, type Seen } from '../harness/pg-proxy.js';
import type { Keys, Oracle } from '../harness/oracle.js';
import type { Receiver } from '../harness/receiver.js';
import { until } from '../harness/wait.js';
import { dropTemplates, postgresWorld } from '../harness/world.js';

/**
 * The COMMIT that takes a span is sent and its answer lost. Whoever took it goes on with it; if he did not know that it
 * is his, it would be taken again when its lease has run out, which its fence would show: it counts the takes.
 */
const rows = 6_000;

type Row = { readonly fence: number; readonly batches: number };
type World = {
  readonly oracle: Oracle;
  readonly receiver: Receiver;
  readonly before: Keys;
  readonly eligible: Keys;
};

async function expectExactEnd(world: World, instance: Instance, run: string): Promise<void> {
  await world.receiver.waitForAccepted(1, 60_000);
  expect((await waitForEnd(instance, run)).state).toBe('complete');
  await world.oracle.expectGone({ before: world.before, gone: world.eligible });
  expect(world.receiver.accepted.map(outcomeOf)).toEqual([
    { messages_deleted: world.eligible.size, status: 'complete' },
  ]);
  await world.oracle.expectInvariants();
}

const once = (span: Row | undefined): void => {
  expect(span?.batches, 'batches of the span').toBeGreaterThan(0);
  expect(span?.fence, 'takes of the span').toBe(1);
};

describePostgres('the answer to the take of a span is lost on PostgreSQL', () => {
  afterAll(dropTemplates);

  const takes = ({ text }: Seen): boolean => /^update "message_gc"\."span" set .*"fence" = \$/.test(text);

  async function firstSpan({ client }: Awaited<ReturnType<typeof postgresWorld>>): Promise<Row | undefined> {
    const { rows: found } = await client.query<Row>(
      'SELECT fence::int AS fence, batches::int AS batches FROM message_gc.span WHERE no = 1',
    );
    return found[0];
  }

  test('and the worker goes on with the span at once', { timeout: 90_000 }, async () => {
    const world = await postgresWorld(rows);
    const instance = await world.start();
    const trap = world.proxy.arm({
      when: 'answer',
      match: commitOf(world.proxy, takes),
      action: 'hold',
      onHit: (hit) => hit.cut(),
    });
    const run = await instance.collect();
    await trap.waitForHit(20_000);
    await expectExactEnd(world, instance, run);
    once(await firstSpan(world));
  });

  test('and it goes on with the span when the database can be asked again', { timeout: 90_000 }, async () => {
    const world = await postgresWorld(rows);
    const instance = await world.start();
    const trap = world.proxy.arm({
      when: 'answer',
      match: commitOf(world.proxy, takes),
      action: 'hold',
      onHit: () => world.proxy.refuse(),
    });
    const run = await instance.collect();
    await trap.waitForHit(20_000);
    await until('it to ask in vain', 20_000, () => world.proxy.refused >= 4);
    expect(await firstSpan(world)).toEqual({ fence: 1, batches: 0 });
    world.proxy.heal();
    await expectExactEnd(world, instance, run);
    once(await firstSpan(world));
  });

  test('and was never sent: the span is taken at once all the same', { timeout: 90_000 }, async () => {
    const world = await postgresWorld(rows);
    const instance = await world.start();
    const trap = world.proxy.arm({
      when: 'statement',
      match: commitOf(world.proxy, takes),
      action: 'cut',
    });
    const run = await instance.collect();
    await trap.waitForHit(20_000);
    await expectExactEnd(world, instance, run);
    once(await firstSpan(world));
  });
});

describeMariaDb('the answer to the take of a span is lost on MariaDB', () => {
  test('and the worker goes on with the span at once', { timeout: 90_000 }, async () => {
    const world = await mariadbWorld(rows);
    const firstSpan = async (): Promise<Row | undefined> => {
      const [found] = await world.client.query('SELECT fence, batches FROM message_gc_span WHERE no = 1');
      return (found as Row[])[0];
    };
    const instance = await world.start();
    const trap = world.proxy.arm({
      match: (text, { inTransaction }) =>
        text === 'commit' &&
        inTransaction.some((asked) => /^update `message_gc_span` set .*`fence` = \d/.test(asked)),
      action: 'hold answer',
    });
    const run = await instance.collect();
    await trap.waitForHit(20_000);
    // Only when it has happened is its answer one that can be lost.
    await until('the take to be committed', 10_000, async () =>
      (await firstSpan())?.fence === 1 ? true : null,
    );
    world.proxy.cutAll();
    await expectExactEnd(world, instance, run);
    once(await firstSpan());
  });
});

import { afterAll, expect, test } from 'vitest';
import { describePostgres } from '../engines.js';
import { endComplete, expectSound, registered, startRequest } from '../conformance/drive.js';
import { dropTemplate, guardWorld, type GuardWorld } from './world.js';

/**
 * What a client is told must survive a crash of the server: the run and who takes part in it. A request that changes
 * neither is answered without waiting for the disk, which the sweep keeps busy.
 */
describePostgres('what of a request must survive a crash', () => {
  afterAll(dropTemplate);

  /** Notes beside each request with which durability its transaction is committed, and how long it waits for a lock. */
  async function noting(world: GuardWorld) {
    await world.ask('CREATE TABLE noted (request text, durability text, lock_wait text)');
    await world.ask(`CREATE FUNCTION note() RETURNS trigger LANGUAGE plpgsql AS $$
      BEGIN INSERT INTO noted VALUES (NEW.id, current_setting('synchronous_commit'), current_setting('lock_timeout')); RETURN NEW; END $$`);
    await world.ask(
      'CREATE TRIGGER note AFTER INSERT ON message_gc.request FOR EACH ROW EXECUTE FUNCTION note()',
    );
    return async () =>
      (
        await world.ask<{ durability: string; lock_wait: string }>('SELECT durability, lock_wait FROM noted')
      ).map((row) => [row.durability, row.lock_wait]);
  }

  test('the request that makes a run is durable, one that joins it where a node takes part already need not be', async () => {
    const world = await guardWorld();
    const noted = await noting(world);
    const { ledger } = world.store;
    const node = await registered(world);
    const first = startRequest(node, world);
    await ledger.start(first);
    expect(await ledger.join(startRequest(node, world))).toBe(first.requestId);
    // The slow way is as durable as ever.
    await ledger.start(startRequest(node, world));
    expect(await noted()).toEqual([
      ['on', '5s'],
      ['off', '5s'],
      ['on', '5s'],
    ]);
    await expectSound(world);
  });

  test('a run that ends while a request is about to join it is not joined', async () => {
    const world = await guardWorld();
    const { ledger } = world.store;
    const node = await registered(world);
    const first = startRequest(node, world);
    await ledger.start(first);
    const proxy = await world.proxy();
    const slow = await world.openAgain(proxy.urlFor(world.url));
    const trap = proxy.arm({
      when: 'statement',
      match: /insert into "message_gc"\."request"/,
      action: 'hold',
    });
    const joining = slow.store.ledger.join(startRequest(node, world));
    const hit = await trap.waitForHit(10_000);
    await endComplete(world, { id: first.requestId });
    hit.release();
    expect(await joining).toBeNull();
    await expectSound(world);
  });
});

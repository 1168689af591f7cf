import { afterAll, expect, test } from 'vitest';
import { outcomeOf, runOf, waitForEnd } from '../harness/collection.js';
import type { Instance } from '../harness/instance.js';
import { commitOfBatch, statements } from '../harness/pg-proxy.js';
import { pause, until, within } from '../harness/wait.js';
import { dropTemplates, postgresWorld, type World } from '../harness/world.js';
import { describePostgres } from '../engines.js';

/** What a batch in hand meets beside kill -9: a frozen process, a lost network, a lost COMMIT, an orderly stop. */
const rows = 14_000;

describePostgres('what a batch in hand meets on PostgreSQL', () => {
  afterAll(dropTemplates);

  async function goneSoFar(world: World): Promise<number> {
    return world.before.size - (await world.oracle.messages());
  }

  async function expectExactEnd(world: World, instance: Instance, run: string, either?: ReadonlySet<string>) {
    await world.receiver.waitForAccepted(1, 60_000);
    const over = await waitForEnd(instance, run);
    const gone = await world.oracle.expectGone({
      before: world.before,
      gone: world.eligible,
      ...(either === undefined ? {} : { either }),
    });
    expect(over.state).toBe('complete');
    expect(world.receiver.accepted.map(outcomeOf)).toEqual([
      { messages_deleted: gone.size, status: 'complete' },
    ]);
    await world.oracle.expectNoOrphans();
    await world.oracle.expectInvariants();
  }

  /** Rows that another session holds locked: all that a lock of ours would have to skip. */
  async function lockedKeys(world: World): Promise<string[]> {
    await world.client.query('BEGIN');
    const { rows: free } = await world.client.query<{ id: string }>(
      'SELECT id::text AS id FROM messages FOR UPDATE SKIP LOCKED',
    );
    await world.client.query('ROLLBACK');
    const unlocked = new Set(free.map(({ id }) => id));
    return [...(await world.oracle.allKeys())].filter((key) => !unlocked.has(key));
  }

  test('a process frozen between DELETE and COMMIT keeps the application waiting for at most 3 s, and the run ends exact', {
    timeout: 90_000,
  }, async () => {
    const world = await postgresWorld(rows);
    const instance = await world.start();
    const trap = world.proxy.arm({
      when: 'statement',
      match: commitOfBatch(world.proxy),
      skip: 1,
      action: 'hold',
      onHit: () => instance.signal('SIGSTOP'),
    });
    const run = await instance.collect();
    await trap.waitForHit(20_000);
    const locked = await lockedKeys(world);
    const touched = locked[Math.floor(locked.length / 2)] ?? '';
    expect(locked.length, 'rows that the frozen batch holds').toBeGreaterThan(0);

    const from = performance.now();
    const answer = await world.client.query('UPDATE messages SET processed_at = processed_at WHERE id = $1', [
      touched,
    ]);
    const waited = performance.now() - from;
    console.log(`an UPDATE of a row held by a frozen process waited ${Math.round(waited)} ms`);
    expect(answer.rowCount, 'the frozen batch was rolled back, so its row is there').toBe(1);
    // The wait proves that the row was held; 3 s is the promise.
    expect(waited).toBeGreaterThan(100);
    expect(waited).toBeLessThanOrEqual(3_000);

    instance.signal('SIGCONT');
    await expectExactEnd(world, instance, run, new Set([touched]));
  });

  test('connections cut in mid-run, again and again, cost work and no count', {
    timeout: 90_000,
  }, async () => {
    const world = await postgresWorld(rows);
    const instance = await world.start();
    let cuts = 0;
    const cutAtBatch = (skip: number): void => {
      world.proxy.arm({
        when: 'statement',
        match: statements.messageDelete,
        skip,
        action: 'pass',
        onHit: () => {
          cuts += 1;
          world.proxy.cutAll();
          if (cuts < 3) cutAtBatch(1);
        },
      });
    };
    cutAtBatch(1);
    const run = await instance.collect();
    await expectExactEnd(world, instance, run);
    expect(cuts, 'cuts that hit a batch').toBe(3);
    expect(instance.isAlive).toBe(true);
  });

  test('a network that swallows everything for some seconds is waited for, and the run ends exact', {
    timeout: 120_000,
  }, async () => {
    const world = await postgresWorld(rows);
    const instance = await world.start();
    const trap = world.proxy.arm({
      when: 'statement',
      match: statements.messageDelete,
      skip: 2,
      action: 'pass',
      onHit: () => world.proxy.blackhole(),
    });
    const run = await instance.collect();
    await trap.waitForHit(20_000);
    await pause(4_000);
    const gone = await goneSoFar(world);
    expect(gone, 'messages gone when the network was lost').toBeGreaterThan(0);
    expect(gone).toBeLessThan(world.eligible.size);
    world.proxy.heal();
    await expectExactEnd(world, instance, run);
    expect(instance.isAlive).toBe(true);
  });

  test('a database that is away for a while in mid-run is waited for; health and log say so, and no failure is counted', {
    timeout: 90_000,
  }, async () => {
    const world = await postgresWorld(rows);
    const instance = await world.start();
    const trap = world.proxy.arm({
      when: 'statement',
      match: statements.messageDelete,
      skip: 2,
      action: 'pass',
      onHit: () => world.proxy.refuse(),
    });
    const run = await instance.collect();
    await trap.waitForHit(20_000);
    await until('health to say disconnected', 20_000, async () => {
      const { body } = await instance.api('GET', '/v1/health');
      return (body as { health: { gateway_status: string } }).health.gateway_status === 'disconnected';
    });
    const waits = instance.lines.filter((line) => line['kind'] === 'unreachable' && line['run'] === run);
    expect(waits.length, 'log lines that say why the run waits').toBeGreaterThan(0);
    world.proxy.heal();
    await expectExactEnd(world, instance, run);
    expect((await runOf(instance, run)).errors).toEqual([]);
  });

  test('a COMMIT whose answer is lost with its connection is counted once', { timeout: 90_000 }, async () => {
    const world = await postgresWorld(rows);
    const instance = await world.start();
    const trap = world.proxy.arm({
      when: 'answer',
      match: commitOfBatch(world.proxy),
      skip: 1,
      action: 'hold',
      onHit: (hit) => hit.cut(),
    });
    const run = await instance.collect();
    await trap.waitForHit(20_000);
    const gone = await goneSoFar(world);
    expect(gone).toBeGreaterThan(0);
    await expectExactEnd(world, instance, run);
  });

  test('a COMMIT that never reached the server is not counted', { timeout: 90_000 }, async () => {
    const world = await postgresWorld(rows);
    const instance = await world.start();
    const trap = world.proxy.arm({
      when: 'statement',
      match: commitOfBatch(world.proxy),
      skip: 1,
      action: 'cut',
    });
    const run = await instance.collect();
    await trap.waitForHit(20_000);
    await expectExactEnd(world, instance, run);
  });

  /** The server's own words for it, raised where it would be: a real full disk takes the whole server with it. */
  const fullDisk = `
    CREATE FUNCTION disk_is_full() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
      RAISE EXCEPTION 'could not extend file "base/5/16456": No space left on device' USING ERRCODE = 'disk_full';
    END $$;
    CREATE TRIGGER disk_is_full BEFORE DELETE ON messages FOR EACH ROW WHEN (OLD.id = LASTKEY)
      EXECUTE FUNCTION disk_is_full()`;

  test('a full disk ends the run as failed, with its true number and the words of the server; the next one completes', {
    timeout: 90_000,
  }, async () => {
    const world = await postgresWorld(rows);
    const last = [...world.eligible].sort((a, b) => Number(a) - Number(b)).at(-1) ?? '';
    await world.client.query(fullDisk.replace('LASTKEY', last));
    const instance = await world.start();
    const failed = await waitForEnd(instance, await instance.collect());
    const gone = await goneSoFar(world);
    expect(failed.state).toBe('failed');
    expect(failed.messages_deleted).toBe(gone);
    expect(gone, 'messages gone before the disk was full').toBeGreaterThan(0);
    expect(failed.errors.map(({ details }) => details)).toEqual([
      expect.stringContaining('No space left on device'),
    ]);
    await world.client.query('DROP TRIGGER disk_is_full ON messages');
    const completed = await waitForEnd(instance, await instance.collect());
    expect(completed.state).toBe('complete');
    await world.receiver.waitForAccepted(2);
    expect(world.receiver.accepted.map(outcomeOf)).toEqual([
      { messages_deleted: gone, status: 'failed', errors: failed.errors },
      { messages_deleted: world.eligible.size - gone, status: 'complete' },
    ]);
    await world.oracle.expectGone({ before: world.before, gone: world.eligible });
    await world.oracle.expectNoOrphans();
    await world.oracle.expectInvariants();
  });

  for (const signal of ['SIGTERM', 'SIGINT'] as const) {
    test(`${signal} in mid-run ends with exit 0; started again on the same port at once, the token works and the run ends exact`, {
      timeout: 90_000,
    }, async () => {
      const world = await postgresWorld(rows);
      const instance = await world.start();
      const trap = world.proxy.arm({
        when: 'statement',
        match: statements.messageDelete,
        skip: 2,
        action: 'pass',
        onHit: () => instance.terminate(signal),
      });
      const run = await instance.collect();
      await trap.waitForHit(20_000);
      const from = performance.now();
      const exit = await within('the process to stop', 10_000, instance.ended);
      console.log(`${signal} in mid-run: stopped after ${Math.round(performance.now() - from)} ms`);
      expect(exit).toEqual({ code: 0, signal: null });
      const gone = await goneSoFar(world);
      expect(gone, 'messages gone at the stop').toBeGreaterThan(0);
      expect(gone, 'messages gone at the stop').toBeLessThan(world.eligible.size);
      expect(world.receiver.deliveries).toEqual([]);

      const again = await world.restart(instance);
      expect(again.url).toBe(instance.url);
      expect((await again.api('GET', '/v1/services/message/gc')).status).toBe(200);
      await expectExactEnd(world, again, run);
    });
  }
});

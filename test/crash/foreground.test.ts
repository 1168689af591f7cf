import { afterAll, expect, onTestFinished, test, vi } from 'vitest';
import { outcomeOf } from '../harness/collection.js';
import { commitOfBatch, statements } from '../harness/pg-proxy.js';
import { type Environment, type RunningCommand, startCommand } from '../harness/processes.js';
import { until, within } from '../harness/wait.js';
import { dropTemplates, postgresWorld, type World } from '../harness/world.js';
import { describePostgres } from '../engines.js';

// Each test starts processes of its own; on a machine that is busy with others that takes its time.
vi.setConfig({ testTimeout: 120_000 });

/** `message-gc gc`: one run in the foreground, alone, cut off from the database, and beside an instance. */
const rows = 14_000;

describePostgres('a run in the foreground', () => {
  afterAll(dropTemplates);

  function gc(world: World, ...options: readonly string[]): RunningCommand {
    return gcWith(world, {}, ...options);
  }

  function gcWith(world: World, env: Environment, ...options: readonly string[]): RunningCommand {
    const command = startCommand(['gc', '--json', ...options], {
      DATABASE_URL: world.proxy.urlFor(world.database.url),
      MESSAGE_GC_CONFIG: '',
      ...env,
    });
    onTestFinished(() => command.close());
    return command;
  }

  async function endOf(command: RunningCommand, deadlineMs = 30_000) {
    const { code, stdout, stderr } = await within('gc to end', deadlineMs, command.ended);
    const last = JSON.parse(stdout.trim().split('\n').at(-1) ?? '{}') as {
      readonly outcome?: string;
      readonly joined?: boolean;
      readonly overruled?: { readonly state: string; readonly messages_deleted: number } | null;
      readonly run?: { readonly messages_deleted: number; readonly state: string };
      readonly error?: { readonly reason: string; readonly message: string };
    };
    return { code, stderr, ...last };
  }

  async function expectExact(world: World, told: number | undefined): Promise<void> {
    const gone = await world.oracle.expectGone({ before: world.before, gone: world.eligible });
    expect(told).toBe(gone.size);
    await world.oracle.expectNoOrphans();
    await world.oracle.expectInvariants();
  }

  test('ends an unfinished run of another policy, says so, and makes a run of its own', async () => {
    const world = await postgresWorld(rows);
    const first = await endOf(gc(world, '--max-rows', '500'));
    expect(first, first.stderr).toMatchObject({ code: 75, overruled: null });
    const end = await endOf(gcWith(world, { MESSAGE_GC_RETENTION: '1s' }));
    const before = first.run?.messages_deleted ?? 0;
    expect(end, end.stderr).toMatchObject({
      code: 0,
      joined: false,
      overruled: { state: 'failed', messages_deleted: before },
    });
    await expectExact(world, before + (end.run?.messages_deleted ?? 0));
  });

  test('waits for a database that is lost in mid-run, and ends with exit 0 and the exact number', async () => {
    const world = await postgresWorld(rows);
    const lost = world.proxy.arm({
      when: 'statement',
      match: statements.messageDelete,
      skip: 1,
      action: 'pass',
      onHit: () => world.proxy.refuse(),
    });
    const command = gc(world);
    await lost.waitForHit(20_000);
    // More than one look of the command and one try of its worker.
    await until('it to ask for the database again and again', 20_000, () => world.proxy.refused >= 5);
    world.proxy.heal();
    const end = await endOf(command);
    expect(end, end.stderr).toMatchObject({ code: 0, outcome: 'complete', joined: false });
    await expectExact(world, end.run?.messages_deleted);
  });

  test('stopped while the database is lost ends with exit 4, and the next one goes on to the exact number', async () => {
    const world = await postgresWorld(rows);
    const lost = world.proxy.arm({
      when: 'statement',
      match: statements.messageDelete,
      skip: 1,
      action: 'pass',
      onHit: () => world.proxy.refuse(),
    });
    const command = gc(world);
    await lost.waitForHit(20_000);
    command.terminate();
    const stopped = await endOf(command);
    expect(stopped, stopped.stderr).toMatchObject({ code: 4, error: { reason: 'unreachable' } });
    expect(stopped.stderr).toContain('goes on with it');
    await world.sessionsGone();
    const gone = world.before.size - (await world.oracle.messages());
    expect(gone).toBeGreaterThan(0);
    expect(gone).toBeLessThan(world.eligible.size);

    world.proxy.heal();
    // What the first one had leased is free when its lease has run out; that is not waited for here.
    await world.client.query(
      `UPDATE message_gc.span SET lease_until = clock_timestamp() WHERE state = 'leased'`,
    );
    const end = await endOf(gc(world));
    expect(end, end.stderr).toMatchObject({ code: 0, outcome: 'complete', joined: true });
    await expectExact(world, end.run?.messages_deleted);
  });

  test('ends paused at --max-rows with exit 75, and the next one goes on to the exact number', async () => {
    const world = await postgresWorld(rows);
    const paused = await endOf(gc(world, '--max-rows', '1500'));
    expect(paused, paused.stderr).toMatchObject({ code: 75, outcome: 'paused' });
    expect(paused.run?.messages_deleted).toBe(1_500);
    expect(world.before.size - (await world.oracle.messages())).toBe(1_500);
    await world.oracle.expectInvariants();
    const end = await endOf(gc(world));
    expect(end, end.stderr).toMatchObject({ code: 0, outcome: 'complete', joined: true });
    await expectExact(world, end.run?.messages_deleted);
  });

  test('takes over from an instance that is frozen in a batch; woken in mid-run, the instance deletes and counts nothing twice', async () => {
    const world = await postgresWorld(rows);
    const instance = await world.start();
    const frozen = world.proxy.arm({
      when: 'statement',
      match: commitOfBatch(world.proxy),
      skip: 1,
      action: 'hold',
      onHit: () => instance.signal('SIGSTOP'),
    });
    await instance.collect();
    const held = await frozen.waitForHit(20_000);
    // Waits until the server has ended the frozen session, which holds this row.
    await world.client.query(
      `UPDATE message_gc.span SET lease_until = clock_timestamp() WHERE state = 'leased'`,
    );
    const woken = world.proxy.arm({
      when: 'statement',
      match: (seen) => statements.messageDelete(seen) && seen.connection !== held.seen.connection,
      skip: 1,
      action: 'pass',
      onHit: () => {
        // The COMMIT that was held arrives now, at a session that is no more.
        held.release();
        instance.signal('SIGCONT');
      },
    });
    const command = gc(world);
    await woken.waitForHit(20_000);
    const end = await endOf(command);
    expect(end, end.stderr).toMatchObject({ code: 0, outcome: 'complete', joined: true });
    const [delivery] = await world.receiver.waitForAccepted(1);
    await expectExact(world, delivery === undefined ? undefined : outcomeOf(delivery).messages_deleted);
    expect(end.run?.messages_deleted).toBe(world.eligible.size);
    expect(world.receiver.byId.size, 'callbacks').toBe(1);
    expect(instance.isAlive).toBe(true);
  });
});

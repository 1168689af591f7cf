import { afterAll, expect, onTestFinished, test, vi } from 'vitest';
import { describeMariaDb, describePostgres } from '../engines.js';
import { outcomeOf, runOf } from '../harness/collection.js';
import { mariadbWorld } from '../harness/mariadb-world.js';
import { startCommand } from '../harness/processes.js';
import { until, within } from '../harness/wait.js';
import { dropTemplates, postgresWorld } from '../harness/world.js';
import { farWindow, hasEnded, opensOf, patch, type ScheduleWorld } from './world.js';

// Each test starts processes of its own; on a machine that is busy with others that takes its time.
vi.setConfig({ testTimeout: 120_000 });

const closed = { garbagecollector_windows: [farWindow()] };
const open = { garbagecollector_windows: [] };

function windowSuite(makeWorld: (rows: number) => Promise<ScheduleWorld>): void {
  test('outside of the windows a run waits, says until when, and goes on by itself when one opens', async () => {
    const world = await makeWorld(1_000);
    const instance = await world.start();
    await patch(instance, closed);
    const id = await instance.collect();
    const waiting = await until('the run to say why it waits', 20_000, async () => {
      const run = await runOf(instance, id);
      return run.state === 'waiting' ? run : null;
    });
    expect(waiting.reason).toMatchObject({ code: 'outside_window', value: opensOf() });
    expect(waiting.messages_deleted).toBe(0);
    expect(await world.oracle.messages()).toBe(world.before.size);

    await patch(instance, open);
    const ended = await until('the run to end', 30_000, async () => {
      const run = await runOf(instance, id);
      return hasEnded(run) ? run : null;
    });
    expect(ended).toMatchObject({ state: 'complete', messages_deleted: world.eligible.size });
    await world.oracle.expectGone({ before: world.before, gone: world.eligible });
  });

  test('a window that closes in mid-run ends the batch in hand, and kill -9 and a restart open nothing', async () => {
    const world = await makeWorld(40_000);
    const instance = await world.start();
    const id = await instance.collect();
    await until(
      'something to be deleted',
      30_000,
      async () => (await runOf(instance, id)).messages_deleted > 0,
    );
    await patch(instance, closed);
    await until('the run to wait', 20_000, async () => {
      const { state, reason } = await runOf(instance, id);
      return state === 'waiting' && reason?.code === 'outside_window';
    });
    const left = await world.oracle.messages();
    expect(left, 'the run was over before the window closed').toBeGreaterThan(
      world.before.size - world.eligible.size,
    );
    // The spans are given back: others could go on at once.
    await until('no span to be leased', 20_000, async () => (await world.oracle.leasedSpans()) === 0);

    await instance.kill('SIGKILL');
    const again = await world.restart(instance);
    await until('the run to wait again', 20_000, async () => {
      const { reason } = await runOf(again, id);
      return reason?.code === 'outside_window';
    });
    expect(await world.oracle.messages()).toBe(left);

    await patch(again, open);
    await world.receiver.waitForAccepted(1, 60_000);
    const gone = await world.oracle.expectGone({ before: world.before, gone: world.eligible });
    const [told] = world.receiver.accepted.map(outcomeOf);
    expect(told).toMatchObject({ status: 'complete', messages_deleted: gone.size });
    await world.oracle.expectInvariants();
  });
}

describeMariaDb('windows on MariaDB', () => windowSuite(mariadbWorld));

describePostgres('windows on PostgreSQL', () => {
  afterAll(dropTemplates);
  windowSuite(postgresWorld);

  test('gc in the foreground waits too, and says so, unless it is told to ignore them', async () => {
    const world = await postgresWorld(1_000);
    const instance = await world.start();
    await patch(instance, closed);
    await instance.kill('SIGTERM');
    const gc = (...options: readonly string[]) => {
      const command = startCommand(['gc', ...options], {
        DATABASE_URL: world.database.url,
        MESSAGE_GC_CONFIG: '',
      });
      onTestFinished(() => command.close());
      return command;
    };
    const waiting = gc('--max-time', '4s');
    const stopped = await within('gc to stop', 30_000, waiting.ended);
    expect(stopped.code, stopped.stderr).toBe(75);
    expect(stopped.stderr).toContain(`waiting for the next window (next_window ${opensOf()})`);
    expect(await world.oracle.messages()).toBe(world.before.size);

    const heedless = await within('gc to end', 30_000, gc('--ignore-windows').ended);
    expect(heedless.code, heedless.stderr).toBe(0);
    await world.oracle.expectGone({ before: world.before, gone: world.eligible });
  });
});

/** What the units for systemd start is really started, with the paths of this checkout and free ports. */
import { randomBytes } from 'node:crypto';
import { expect, onTestFinished, test } from 'vitest';
import { describePostgres } from '../engines.js';
import { adminPassword } from '../harness/instance.js';
import { startCommand } from '../harness/processes.js';
import { createScratchDatabase } from '../harness/scratch-database.js';
import { until, within } from '../harness/wait.js';
import { startedByUnit } from '../house/example-files.js';

describePostgres('the units for systemd', () => {
  test('a Webapp and a Coreapp started by their ExecStart lines listen, are ready, and stop', async () => {
    const database = await createScratchDatabase();
    onTestFinished(() => database.drop());
    // What an operator fills in, and nothing else but ports that are free here.
    const filledIn = {
      DATABASE_URL: database.url,
      MESSAGE_GC_CLUSTER_SECRET: randomBytes(32).toString('hex'),
      MESSAGE_GC_ADMIN_PASSWORD: adminPassword,
      MESSAGE_GC_LISTEN: '127.0.0.1:0',
      MESSAGE_GC_CONTROL_LISTEN: '127.0.0.1:0',
    };
    for (const role of ['coreapp', 'webapp']) {
      const { args, env } = startedByUnit(`examples/systemd/message-gc-${role}.service`);
      const running = startCommand(args, { ...env, ...filledIn });
      onTestFinished(() => running.close());
      const line = await until(
        `the ${role} to listen\n${running.describe()}`,
        20_000,
        () => /^stdout: .*"msg":"listening".*$/m.exec(running.describe())?.[0],
      );
      const told = JSON.parse(line.slice('stdout: '.length)) as Readonly<Record<string, string>>;
      expect(told).toMatchObject({ role });
      const url = told['http'] ?? told['control'] ?? '';
      const ready = await fetch(`${url}/readyz`);
      expect({ status: ready.status, body: await ready.json() }).toEqual({
        status: 200,
        body: { status: 'ready' },
      });
      running.terminate();
      const { code } = await within(`the ${role} to stop`, 20_000, running.ended);
      expect(code, running.describe()).toBe(0);
    }
  });

  test('as they are shipped they start nothing, and say what is to be filled in', async () => {
    const { args, env } = startedByUnit('examples/systemd/message-gc-coreapp.service');
    const running = startCommand(args, env);
    onTestFinished(() => running.close());
    const { code, stderr } = await within('the refusal', 20_000, running.ended);
    expect({ code, stderr }).toMatchObject({
      code: 2,
      stderr: expect.stringContaining('MESSAGE_GC_CLUSTER_SECRET is not set'),
    });
  });
});

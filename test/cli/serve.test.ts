import { once } from 'node:events';
import { type AddressInfo, createServer } from 'node:net';
import { expect, onTestFinished, test } from 'vitest';
import { startCommand } from '../harness/processes.js';
import { until, within } from '../harness/wait.js';

test('a signal that comes while the process still starts ends it in order, as one does later', async () => {
  // A database that takes the connection and says nothing: the start is on its way, and has not got anywhere.
  const silent = createServer();
  silent.listen(0, '127.0.0.1');
  await once(silent, 'listening');
  onTestFinished(() => void silent.close());
  const asked = once(silent, 'connection');
  const { port } = silent.address() as AddressInfo;
  const command = startCommand(['serve'], {
    DATABASE_URL: `postgres://nobody@127.0.0.1:${port}/none`,
    MESSAGE_GC_LISTEN: '127.0.0.1:0',
  });
  onTestFinished(() => command.close());
  await within('the database to be asked', 20_000, asked);
  command.terminate();
  // `timeout` tells the process and then its group. Sent sooner, the system would make one signal of both.
  await until('the first signal to be told', 10_000, () => command.describe().includes('"msg":"stopping"'));
  command.terminate();
  const { code, stdout } = await within('the process to end', 30_000, command.ended);
  expect(code).toBe(0);
  expect(stdout).toContain('"msg":"stopped"');
});

import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test, vi } from 'vitest';
import { runCommand } from '../harness/processes.js';

// Each test starts processes of its own; on a machine that is busy with others that takes its time.
vi.setConfig({ testTimeout: 120_000 });

test('hold add wants a key or a contact, one of the two, and says so before it connects', async () => {
  const env = { DATABASE_URL: 'postgres://gc@127.0.0.1:1/none' };
  for (const words of ['hold add', 'hold remove', 'hold add --key 1 --contact 2']) {
    const refused = await runCommand(words.split(' '), env);
    expect(refused.code, refused.stderr).toBe(2);
    expect(refused.stderr).toContain('--key with the key of a message, or --contact with a contact');
  }
  const twice = await runCommand('hold add --key 1 --key 2'.split(' '), env);
  expect(twice.code, twice.stderr).toBe(2);
  expect(twice.stderr).toContain('--key was given 2 times, expected 1: once for each column of the key (id)');
  // Nothing is missing: it goes on to the server, which is not there.
  for (const words of ['hold add --key 1', 'hold add --contact 2']) {
    const unreachable = await runCommand(words.split(' '), env);
    expect(unreachable.code, unreachable.stderr).toBe(4);
  }
});

test('a contact cannot be held where the mapping does not say which column it is, and nothing is kept', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'mgc-hold-'));
  onTestFinished(() => rm(folder, { recursive: true, force: true }));
  const file = join(folder, 'message-gc.yaml');
  const mapping = `stores:
  - name: gateway
    table: chat
    key: [id]
    age: {column: done, unit: epoch_s}
    retention: 7d
    processed: {everything: true}
`;
  await writeFile(file, mapping);
  const env = { DATABASE_URL: 'postgres://gc@127.0.0.1:1/none', MESSAGE_GC_CONFIG: file };
  const refused = await runCommand('hold add --contact 4915112345678'.split(' '), env);
  expect(refused.code, refused.stderr).toBe(2);
  expect(refused.stderr).toContain('The mapping of gateway does not say which column is the contact');
  expect(refused.stderr).toContain('hold_list: {contact: COLUMN}');
  // What another mapping has put on the list can be taken off it: this goes on to the server, which is not there.
  for (const words of ['hold remove --contact 4915112345678', 'hold add --key 1']) {
    const unreachable = await runCommand(words.split(' '), env);
    expect(unreachable.code, unreachable.stderr).toBe(4);
  }
});

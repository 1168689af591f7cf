import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { hostname, tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { afterAll, beforeEach, expect, test } from 'vitest';
import { lockFolder } from '../../src/storage/pglite/folder-lock.js';

const root = mkdtempSync(join(tmpdir(), 'message-gc-lock-'));
const children = new Set<ChildProcess>();
let path = '';
let locks = 0;
beforeEach(() => {
  locks += 1;
  path = join(root, `folder-${locks}.lock`);
});
afterAll(() => {
  for (const child of children) child.kill('SIGKILL');
  rmSync(root, { recursive: true, force: true });
});

const onLinux = existsSync('/proc/self/stat');
const record = (): Record<string, unknown> => JSON.parse(readFileSync(path, 'utf8'));
const write = (change: Record<string, unknown>): void => writeFileSync(path, JSON.stringify(change));
const leftovers = (): string[] => readdirSync(root).filter((name) => name.startsWith(`folder-${locks}.`));

/** The record of an owner that lived on this machine and lives no more. */
async function deadRecord(token: string): Promise<Record<string, unknown>> {
  const child = spawn(process.execPath, ['-e', '']);
  await once(child, 'exit');
  return {
    token,
    pid: child.pid,
    started: '1',
    bootId: null,
    host: hostname(),
    since: '2026-11-01',
    note: null,
  };
}

test('the lock tells who has the folder, and is gone after its release', () => {
  const lock = lockFolder(path);
  expect(record()).toMatchObject({ pid: process.pid, host: hostname(), note: null });
  lock.note('http://127.0.0.1:9090');
  expect(record()).toMatchObject({ pid: process.pid, note: 'http://127.0.0.1:9090' });
  lock.release();
  expect(leftovers()).toEqual([]);
});

test('a living owner is named with its number, its time and its note', () => {
  const lock = lockFolder(path);
  lock.note('http://127.0.0.1:9090');
  const { since } = record();
  expect(() => lockFolder(path)).toThrow(
    expect.objectContaining({
      reason: 'refused',
      message: expect.stringMatching(
        new RegExp(
          `process ${process.pid} since ${String(since)} \\(http://127.0.0.1:9090\\).*Stop that one`,
        ),
      ),
    }),
  );
  expect(record()).toMatchObject({ pid: process.pid });
  lock.release();
});

test('a dead owner is followed, and nothing is left of the change', async () => {
  write(await deadRecord('a'));
  const lock = lockFolder(path);
  expect(record()).toMatchObject({ pid: process.pid });
  expect(leftovers()).toEqual([`folder-${locks}.lock`]);
  lock.release();
});

test('an owner from before the machine was started again is followed, though its number is in use', () => {
  const lock = lockFolder(path);
  const own = record();
  lock.release();
  write({ ...own, token: 'b', bootId: 'another start of the machine' });
  if (own['bootId'] === null) expect(() => lockFolder(path)).toThrow('in use by process');
  else lockFolder(path).release();
});

test.runIf(onLinux)('a number that another process has now does not stand for the owner', () => {
  const lock = lockFolder(path);
  const own = record();
  lock.release();
  write({ ...own, token: 'c', started: '1' });
  lockFolder(path).release();
  expect(leftovers()).toEqual([]);
});

test('an owner on another host is never followed, not even when its number is free here', async () => {
  write({ ...(await deadRecord('d')), host: 'elsewhere.example' });
  expect(() => lockFolder(path)).toThrow(/another host, "elsewhere.example".*delete/);
  expect(record()).toMatchObject({ token: 'd' });
});

test('a file that is no record of ours is refused and named', () => {
  writeFileSync(path, '');
  expect(() => lockFolder(path)).toThrow(/delete that file/);
  expect(existsSync(path)).toBe(true);
});

test('a lock that has another owner by now is neither noted on nor released', () => {
  const lock = lockFolder(path);
  write({ ...record(), token: 'another' });
  lock.note('http://127.0.0.1:1');
  lock.release();
  expect(record()).toMatchObject({ token: 'another', note: null });
});

test('a claimant that died while it took over does not stand in the way', async () => {
  write(await deadRecord('e'));
  writeFileSync(`${path}.after-e`, JSON.stringify(await deadRecord('f')));
  const lock = lockFolder(path);
  expect(record()).toMatchObject({ pid: process.pid });
  expect(leftovers()).toEqual([`folder-${locks}.lock`]);
  lock.release();
});

test('of many processes that find the same dead owner exactly one wins, every time', async () => {
  const racers = 6;
  const rounds = 80;
  // Each waits for a line, locks the file that it names, says how it went, and holds what it won until the next.
  const script = `
    import { createInterface } from 'node:readline';
    import { lockFolder } from './dist/storage/pglite/folder-lock.js';
    let lock = null;
    for await (const path of createInterface({ input: process.stdin })) {
      lock?.release();
      lock = null;
      try { lock = lockFolder(path); console.log('won'); }
      catch (error) { console.log(error.reason === 'refused' ? 'refused' : error.stack); }
    }`;
  const processes = Array.from({ length: racers }, () => {
    const child = spawn(process.execPath, ['--input-type=module', '-e', script], {
      stdio: ['pipe', 'pipe', 'inherit'],
      cwd: new URL('../..', import.meta.url),
    });
    children.add(child);
    return { child, lines: createInterface({ input: child.stdout })[Symbol.asyncIterator]() };
  });
  const dead = await deadRecord('g');
  for (let round = 0; round < rounds; round += 1) {
    path = join(root, `race-${round}.lock`);
    write({ ...dead, token: `g${round}` });
    for (const { child } of processes) child.stdin.write(`${path}\n`);
    const answers = await Promise.all(processes.map(async ({ lines }) => (await lines.next()).value));
    expect(answers.filter((answer) => answer === 'won')).toHaveLength(1);
    expect(answers.filter((answer) => answer === 'refused')).toHaveLength(racers - 1);
  }
  for (const { child } of processes) child.stdin.end();
}, 60_000);

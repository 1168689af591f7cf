import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import { seeStopFile, StopFile, stopFileFinding } from '../../src/app/stop-file.js';
import { silentLog } from '../../src/kit/log.js';
import { until } from '../harness/wait.js';

async function place(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'mgc-stop-'));
  onTestFinished(() => rm(folder, { recursive: true, force: true }));
  return join(folder, 'message-gc.stop');
}

describe('the stop file', () => {
  it('closes the gate from the first look on, and opens it when it is removed', async () => {
    const path = await place();
    await writeFile(path, '');
    const lines: string[] = [];
    const log = { ...silentLog, info: (_facts: object, words: string) => lines.push(words) };
    const file = new StopFile(path, { ...log, warn: log.info });
    onTestFinished(() => file.end());
    await file.begin();
    expect(file.gate()).toEqual({ code: 'stop_file', signal: 'file', value: path, limit: null });
    await rm(path);
    await until('the gate to open', 10_000, () => file.gate() === null);
    await writeFile(path, '');
    await until('the gate to close', 10_000, () => file.gate() !== null);
    expect(lines).toEqual([
      `the stop file is there, so no batch begins here: ${path}`,
      'the stop file is gone: batches may begin',
      `the stop file is there, so no batch begins here: ${path}`,
    ]);
  });

  it('counts as there when nobody can say that it is not', async () => {
    const path = await place();
    const unseen = `${path}${'x'.repeat(300)}`;
    expect(await seeStopFile(unseen)).toContain('cannot be looked at');
    await writeFile(path, '');
    expect(await seeStopFile(join(path, 'below a file'))).toBeNull();
  });

  it('counts as there while the file system does not answer, and such a look keeps nobody from ending', async () => {
    let answer: (sight: string | null) => void = () => undefined;
    const pending = new Promise<string | null>((resolve) => {
      answer = resolve;
    });
    const looks = [Promise.resolve(null), pending, Promise.resolve(null), new Promise<null>(() => undefined)];
    const asked: string[] = [];
    const file = new StopFile(await place(), silentLog, (path) => {
      asked.push(path);
      return looks[asked.length - 1] ?? Promise.resolve(null);
    });
    await file.begin();
    expect(file.gate()).toBeNull();
    await until('the gate to close', 10_000, () => file.gate() !== null);
    expect(file.gate()?.value).toMatch(/cannot be looked at: no answer within 2 s$/);
    // Nobody is sent after the one who has not come back.
    expect(asked).toHaveLength(2);
    answer(null);
    await until('the gate to open', 10_000, () => file.gate() === null);
    await until('another look that hangs', 10_000, () => asked.length === 4);
    const began = performance.now();
    await file.end();
    expect(performance.now() - began).toBeLessThan(1_000);
  });

  it('is a finding of the doctor only while it is there', async () => {
    const path = await place();
    expect(await stopFileFinding(path)).toBeNull();
    await writeFile(path, '');
    expect(await stopFileFinding(path)).toMatchObject({
      level: 'warning',
      check: 'stop_file',
      todo: expect.stringContaining(path),
    });
  });
});

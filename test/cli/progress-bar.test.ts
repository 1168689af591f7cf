import { PassThrough, Writable } from 'node:stream';
import { expect, test } from 'vitest';
import { createOutput, formatCount, formatDuration, formatShare, reasonWords } from '../../src/cli/output.js';
import { createProgress, progressWords } from '../../src/cli/progress-bar.js';
import type { ProgressUpdate } from '../../src/cli/progress-bar.js';
import type { Clock } from '../../src/kit/clock.js';
import { reasonCodes } from '../../src/core/reason.js';

class Paper extends Writable {
  text = '';
  override _write(part: Buffer, _encoding: string, done: () => void): void {
    this.text += part.toString('utf8');
    done();
  }
  get lines(): string[] {
    return this.text.split('\n').slice(0, -1);
  }
}

const base: ProgressUpdate = {
  share: 0,
  deleted: 0,
  rowsPerSecond: 210_000,
  etaSeconds: 10,
  reason: 'working',
};

function lines(): {
  paper: Paper;
  at: (ms: number, now: Partial<ProgressUpdate>) => void;
  finish: () => void;
} {
  let nowMs = 0;
  const clock: Clock = { monotonicMs: () => nowMs, now: () => new Date(0) };
  const paper = new Paper();
  const progress = createProgress({ stream: paper, isTTY: false, clock });
  return {
    paper,
    at: (ms, now) => {
      nowMs = ms;
      progress.update({ ...base, ...now });
    },
    finish: () => progress.finish(),
  };
}

test('without a terminal a line comes at each tenth, never two within 2 s', () => {
  const { paper, at, finish } = lines();
  for (let ms = 0; ms <= 100_000; ms += 100) at(ms, { share: ms / 100_000, deleted: ms });
  finish();
  expect(paper.lines).toHaveLength(11);
  expect(paper.lines[1]).toBe('10.0 %  10,000 deleted  210,000 rows/s  10 s left');
  expect(paper.text).not.toContain('\u001b');
});

test('without a terminal a fast run has a line each 2 s at most, and its end', () => {
  const { paper, at, finish } = lines();
  for (let ms = 0; ms <= 5_000; ms += 10) at(ms, { share: ms / 5_000, deleted: ms });
  finish();
  finish();
  expect(paper.lines.map((line) => line.split('  ')[0])).toEqual(['0 %', '40.0 %', '80.0 %', '100 %']);
});

test('without a terminal a new reason has a line, and a long wait has one each half minute', () => {
  const { paper, at } = lines();
  at(0, {});
  at(3_000, { reason: 'waiting for the database' });
  for (let ms = 4_000; ms <= 63_000; ms += 1_000) at(ms, { reason: 'waiting for the database' });
  expect(paper.lines).toHaveLength(4);
  expect(paper.lines[1]).toMatch(/waiting for the database$/);
});

test('on a terminal a bar is drawn over itself, and finishing leaves no timer and wrapping untouched', () => {
  const terminal = Object.assign(new PassThrough(), { isTTY: true, columns: 120 });
  const timers = (): number => process.getActiveResourcesInfo().filter((kind) => kind === 'Timeout').length;
  const before = timers();
  const progress = createProgress({ stream: terminal, isTTY: true });
  progress.update({ ...base, share: 0.5, deleted: 1_234_567 });
  progress.finish();
  progress.finish();
  const drawn = String(terminal.read());
  expect(drawn).toContain('████████████░░░░░░░░░░░░ 50.0 %  1,234,567 deleted  210,000 rows/s  10 s left');
  expect(drawn).not.toContain('\u001b[?');
  expect(timers()).toBe(before);
});

test('a run without a plan has no share, and one without an estimate does not guess', () => {
  expect(progressWords({ ...base, share: null, etaSeconds: null, reason: 'starting' })).toBe(
    '– %  0 deleted  210,000 rows/s  starting',
  );
});

test.each([
  [0, '0 ms'],
  [86.6, '87 ms'],
  [999.6, '1.0 s'],
  [4_230, '4.2 s'],
  [9_960, '10 s'],
  [59_700, '1 min 00 s'],
  [185_000, '3 min 05 s'],
  [3_599_700, '1 h 00 min'],
  [7_620_000, '2 h 07 min'],
  [273_600_000, '3 d 4 h'],
])('%d ms are %s', (ms, words) => {
  expect(formatDuration(ms)).toBe(words);
});

test('counts have thousands, and a share is neither 0 nor 100 % before it is', () => {
  expect(formatCount(1_234_567)).toBe('1,234,567');
  expect([0, 0.00001, 0.4213, 0.99999, 1].map(formatShare)).toEqual([
    '0 %',
    '0.1 %',
    '42.1 %',
    '99.9 %',
    '100 %',
  ]);
});

test('every reason has words, and the value that decided stands beside them', () => {
  for (const code of reasonCodes) {
    expect(reasonWords({ code, signal: null, value: null, limit: null, since: '' })).not.toBe('');
  }
  expect(reasonWords({ code: 'resting', signal: 'replica_lag_s', value: 7, limit: 5, since: '' })).toBe(
    'resting for the application (replica_lag_s 7, limit 5)',
  );
  const value = 'session 12 (anna, idle in transaction)';
  expect(reasonWords({ code: 'rows_locked', signal: 'session', value, limit: null, since: '' })).toContain(
    '(session 12 (anna, idle in transaction))',
  );
});

test('lines are for people, JSON is for scripts, and notes go to standard error', () => {
  for (const json of [false, true]) {
    const [stdout, stderr] = [new Paper(), new Paper()];
    const output = createOutput({ json, stdout, stderr });
    output.print('hello');
    output.printJson({ a: 1 });
    output.note('careful');
    expect([stdout.text, stderr.text]).toEqual([json ? '{"a":1}\n' : 'hello\n', 'careful\n']);
  }
});

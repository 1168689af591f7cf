import { describe, expect, it } from 'vitest';
import { ReasonLog } from '../../src/coreapp/reason-log.js';
import type { Reason, ReasonCode } from '../../src/core/reason.js';
import { silentLog } from '../../src/kit/log.js';

const of = (code: ReasonCode, signal: string | null = null): Reason => ({
  code,
  signal,
  value: 7,
  limit: 5,
  since: '2026-11-22T10:00:00.000Z',
});

function seen(codes: readonly ReasonCode[]): readonly string[] {
  const lines: string[] = [];
  const log = new ReasonLog({
    ...silentLog,
    info: (facts, words) => lines.push(`${words}: ${(facts as { readonly code: string }).code}`),
  });
  for (const code of codes) log.look('r', of(code));
  return lines;
}

describe('the log of reasons', () => {
  it('says nothing while a run goes on, whatever it does', () => {
    expect(seen(['starting', 'working', 'resting', 'looking', 'waited_for', 'working'])).toEqual([]);
  });

  it('says at once that the run stands still, and that it goes on', () => {
    expect(seen(['resting', 'stopped', 'stopped', 'resting'])).toEqual([
      'the run stands still here: stopped',
      'the run goes on here: resting',
    ]);
  });

  it('says once that it stands still, though the cause changes', () => {
    expect(seen(['paused', 'stop_file', 'stopped'])).toEqual(['the run stands still here: paused']);
  });

  it('says that a run goes slower when it lasts, and not of every batch', () => {
    expect(seen(['resting', 'rate_limited', 'resting', 'rate_limited', 'resting'])).toEqual([]);
    expect(seen(['slowed', 'slowed', 'slowed', 'resting', 'resting'])).toEqual([
      'the run goes slower here: slowed',
      'the run goes on here: resting',
    ]);
  });

  it('says nothing of a single error that is tried again', () => {
    expect(seen(['working', 'retrying', 'working'])).toEqual([]);
    expect(seen(['retrying', 'retrying'])).toEqual(['the run stands still here: retrying']);
  });

  it('tells run, code, signal, value and limit, and begins anew with each run', () => {
    const facts: object[] = [];
    const log = new ReasonLog({ ...silentLog, info: (fact) => facts.push(fact) });
    log.look('a', of('stopped', 'replica_lag'));
    log.look('b', of('working'));
    log.look('b', of('stopped', 'canary'));
    expect(facts).toEqual([
      { run: 'a', code: 'stopped', signal: 'replica_lag', value: 7, limit: 5 },
      { run: 'b', code: 'stopped', signal: 'canary', value: 7, limit: 5 },
    ]);
  });
});

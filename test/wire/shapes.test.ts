import { describe, expect, it } from 'vitest';
import type { ReasonCode } from '../../src/core/reason.js';
import { defaultSchedule } from '../../src/core/schedule.js';
import type { LiveProgress, RunView } from '../../src/core/run-view.js';
import { healthReply } from '../../src/wire/health-reply.js';
import { expiresAfter, loginReply } from '../../src/wire/login-reply.js';
import { meta } from '../../src/wire/meta.js';
import { metricsReply } from '../../src/wire/metrics-reply.js';
import { runShape, runsReply } from '../../src/wire/run-reply.js';

const view: RunView = {
  id: 'b'.repeat(32),
  state: 'running',
  requestedBy: 'admin',
  joinedBy: ['c'.repeat(32)],
  horizon: '2026-11-22T10:00:00.000000Z',
  startedAt: '2026-11-22T10:00:01.000000Z',
  endedAt: null,
  messagesDeleted: 1234,
  dependentsDeleted: { message_receipts: 2345 },
  parked: 2,
  batches: 9,
  share: 0.41,
  plan: { walk: 'blocks', foreignKeys: 'checked', why: 'the keys are random' },
  nodes: { 'wacore2:9dfe77618dba': { messagesDeleted: 700, state: 'working', live: null } },
  steering: { pausedBy: null, maxRate: null, profile: null },
  errors: [],
};
const liveWith = (code: ReasonCode): LiveProgress => ({
  rowsPerSecond: 51_000,
  etaSeconds: 38,
  reason: { code, signal: 'duty', value: 0.5, limit: null, since: '2026-11-22T10:00:02.000Z' },
});

describe('a run on the wire', () => {
  it('has no forecast while it stands still for nobody knows how long, and one while it works or waits for a window', () => {
    const ahead = { plan: defaultSchedule, now: new Date('2026-11-22T10:00:05Z'), usualSpeed: 1_000 };
    const fits = (code: ReasonCode, of: RunView = view): boolean | null =>
      runShape(of, liveWith(code), undefined, ahead).progress.forecast?.fits ?? null;
    expect(fits('resting')).toBe(true);
    expect(fits('outside_window')).toBe(true);
    for (const code of ['paused', 'stopped', 'signal_lost', 'stop_file', 'rows_locked'] as const)
      expect(fits(code), code).toBeNull();
    expect(fits('resting', { ...view, state: 'paused' })).toBeNull();
  });

  it('is forecast at its rate limit where its own speed is not known, and never beyond the usual one', () => {
    const now = new Date('2026-11-22T10:00:00Z');
    const ahead = { plan: defaultSchedule, now, usualSpeed: 1_000 };
    const waiting = { ...liveWith('outside_window'), etaSeconds: null };
    const secondsAt = (maxRate: number | null): number => {
      const of = { ...view, messagesDeleted: 41_000, steering: { ...view.steering, maxRate } };
      const { forecast } = runShape(of, waiting, undefined, ahead).progress;
      return (Date.parse(forecast?.ends_at ?? '') - now.getTime()) / 1_000;
    };
    expect(secondsAt(null)).toBeCloseTo(59);
    expect(secondsAt(100)).toBeCloseTo(590);
    expect(secondsAt(5_000)).toBeCloseTo(59);
  });

  it('has the shape that the product promises', () => {
    expect(runsReply([runShape(view, liveWith('resting'))])).toStrictEqual({
      services: {
        message: {
          gc: {
            runs: [
              {
                id: 'b'.repeat(32),
                state: 'running',
                requested_by: 'admin',
                joined_by: ['c'.repeat(32)],
                horizon: '2026-11-22T10:00:00.000000Z',
                started_at: '2026-11-22T10:00:01.000000Z',
                ended_at: null,
                messages_deleted: 1234,
                dependents_deleted: { message_receipts: 2345 },
                parked: 2,
                batches: 9,
                progress: { share: 0.41, rows_per_second: 51_000, eta_seconds: 38, forecast: null },
                reason: {
                  code: 'resting',
                  signal: 'duty',
                  value: 0.5,
                  limit: null,
                  since: '2026-11-22T10:00:02.000Z',
                },
                plan: { walk: 'blocks', foreign_keys: 'checked', why: 'the keys are random' },
                nodes: {
                  'wacore2:9dfe77618dba': {
                    messages_deleted: 700,
                    state: 'working',
                    rows_per_second: null,
                    reason: null,
                    signals: null,
                  },
                },
                steering: { paused_by: null, max_rows_per_second: null, profile: null },
                errors: [],
              },
            ],
          },
        },
      },
      meta,
    });
  });

  it('waits when its reason is something that it can only wait for', () => {
    expect(runShape(view, liveWith('rows_locked')).state).toBe('waiting');
    expect(runShape(view, liveWith('database_unreachable')).state).toBe('waiting');
    expect(runShape(view, liveWith('looking')).state).toBe('running');
  });

  it('keeps the state of its end, whatever the worker last said', () => {
    const ended: RunView = { ...view, state: 'failed', endedAt: '2026-11-22T11:00:00.000000Z' };
    expect(runShape(ended, liveWith('rows_locked')).state).toBe('failed');
  });

  it('runs for its clients before it is planned, without speed or plan', () => {
    const shape = runShape({ ...view, state: 'requested', plan: null, share: null, horizon: null }, null);
    expect(shape.state).toBe('running');
    expect(shape.plan).toBeNull();
    expect(shape.progress).toStrictEqual({
      share: null,
      rows_per_second: null,
      eta_seconds: null,
      forecast: null,
    });
  });

  it('tells its callbacks where they were asked for', () => {
    const shape = runShape(view, null, [
      { id: 'd'.repeat(32), state: 'waiting', attempts: 3, lastStatus: 500, lastError: 'answered 500' },
    ]);
    expect(shape.callbacks).toStrictEqual([
      { id: 'd'.repeat(32), state: 'waiting', attempts: 3, last_status: 500, last_error: 'answered 500' },
    ]);
  });
});

describe('a log-in on the wire', () => {
  it('tells the end of the token with a space and an offset', () => {
    expect(expiresAfter(new Date('2021-12-29T14:12:02.999Z'))).toBe('2021-12-29 14:12:02+00:00');
    expect(loginReply('t', new Date('2021-12-29T14:12:02Z'))).toStrictEqual({
      users: [{ token: 't', expires_after: '2021-12-29 14:12:02+00:00' }],
      meta,
    });
  });
});

describe('health on the wire', () => {
  it('is the original body when there is nothing to warn of', () => {
    expect(healthReply('connected', [])).toStrictEqual({ health: { gateway_status: 'connected' }, meta });
  });
});

describe('metrics on the wire', () => {
  it('leave labels out where there are none and spread histograms by line', () => {
    expect(
      metricsReply([
        { name: 'a', help: 'h', type: 'gauge', values: [{ labels: {}, value: 1, line: null }] },
        {
          name: 'b',
          help: 'h',
          type: 'histogram',
          values: [
            { labels: { le: 5 }, value: 2, line: 'b_bucket' },
            { labels: {}, value: 7, line: 'b_sum' },
          ],
        },
      ]),
    ).toStrictEqual({
      metrics: {
        a: { type: 'gauge', help: 'h', data: [{ value: 1 }] },
        b_bucket: { type: 'histogram', help: 'h', data: [{ labels: { le: 5 }, value: 2 }] },
        b_sum: { type: 'histogram', help: 'h', data: [{ value: 7 }] },
      },
    });
  });
});

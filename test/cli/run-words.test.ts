import { describe, expect, it } from 'vitest';
import { runLines } from '../../src/cli/run-words.js';
import type { RunView } from '../../src/core/run-view.js';
import { runShape } from '../../src/wire/run-reply.js';
import { aRun } from '../webapp/world.js';

const reason = {
  code: 'stopped',
  signal: 'replica_lag',
  value: 12,
  limit: 5,
  since: '2026-11-22T10:00:30.000Z',
} as const;
const working: RunView = {
  ...aRun,
  nodes: {
    'wacore2:9dfe77618dba': {
      messagesDeleted: 700,
      state: 'working',
      live: {
        rowsPerSecond: 51_000,
        etaSeconds: 38,
        reason,
        signals: [
          { signal: 'replica_lag', state: 'stopping', value: 12, limit: 5, unit: 's', detail: 'replica b' },
          { signal: 'canary', state: 'waiting', value: null, limit: 10, unit: 'ms', detail: null },
          {
            signal: 'wal_archive',
            state: 'absent',
            value: null,
            limit: null,
            unit: 'segments',
            detail: 'no archive',
          },
        ],
      },
    },
  },
  steering: { pausedBy: 'lena', maxRate: 20_000, profile: 'balanced' },
};

describe('a run in words', () => {
  it('tells of a run that is on: speed, time left, reason, steering, nodes and signals', () => {
    expect(runLines(runShape(working, null))).toEqual([
      `${aRun.id}  waiting  1,234 deleted, 41.0 % walked  by admin at 2026-11-22T10:00:00.000000Z`,
      '  51,000 rows/s, 38 s left',
      '  standing still for the database (replica_lag 12, limit 5), since 2026-11-22T10:00:30.000Z',
      '  paused by lena, at most 20,000 rows/s, profile balanced',
      '  node                  deleted  rows/s  state    reason',
      '  wacore2:9dfe77618dba  700      51,000  working  standing still for the database (replica_lag 12, limit 5)',
      '  signal at wacore2:9dfe77618dba  value    limit  unit  state',
      '  replica_lag                     12       5      s     stopping  replica b',
      '  canary                          unknown  10     ms    waiting',
      '  1 signal(s) not watched there; --json says why',
    ]);
  });

  it('says what nobody knows', () => {
    expect(runLines(runShape(aRun, null)).slice(1)).toEqual([
      '  speed unknown, time left unknown',
      '  nobody works on it now: an instance, or the next gc, goes on with it',
      '  node                  deleted  rows/s   state    reason',
      '  wacore2:9dfe77618dba  700      unknown  working  unknown',
    ]);
  });

  it('tells of a run that is over in one line, with its error', () => {
    const over: RunView = {
      ...aRun,
      state: 'failed',
      endedAt: '2026-11-22T10:01:00.000Z',
      errors: [{ code: 1014, details: 'Cancelled by lena' }],
    };
    expect(runLines(runShape(over, null))).toEqual([
      `${aRun.id}  failed  1,234 deleted  by admin at 2026-11-22T10:00:00.000000Z: Cancelled by lena`,
    ]);
  });
});

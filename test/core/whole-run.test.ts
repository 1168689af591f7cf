import { describe, expect, it } from 'vitest';
import type { ReasonCode } from '../../src/core/reason.js';
import type { NodeView } from '../../src/core/run-view.js';
import { reasonCodes } from '../../src/core/reason.js';
import { wholeRun } from '../../src/core/whole-run.js';

const node = (code: ReasonCode, rowsPerSecond: number, etaSeconds: number | null = null): NodeView => ({
  messagesDeleted: 0,
  state: 'working',
  live: {
    rowsPerSecond,
    etaSeconds,
    reason: { code, signal: null, value: null, limit: null, since: '2026-11-26T00:00:00.000Z' },
    signals: [],
  },
});
const silent: NodeView = { messagesDeleted: 7, state: 'idle', live: null };

describe('what the nodes together say of a run', () => {
  it('is nothing when none has said anything', () => {
    expect(wholeRun([])).toBeNull();
    expect(wholeRun([silent])).toBeNull();
  });

  it('adds up their speeds and takes the soonest estimate', () => {
    expect(wholeRun([node('working', 10, 30), silent, node('resting', 5, 20)])).toMatchObject({
      rowsPerSecond: 15,
      etaSeconds: 20,
    });
    expect(wholeRun([node('starting', 0)])?.etaSeconds).toBeNull();
  });

  it('is held back only when every node is', () => {
    expect(wholeRun([node('stopped', 0), node('resting', 5)])?.reason.code).toBe('resting');
    expect(wholeRun([node('other_policy', 0), node('stopped', 0)])?.reason.code).toBe('stopped');
  });

  it.each(reasonCodes)('knows where the reason %s stands', (code) => {
    expect(wholeRun([node('other_policy', 0), node(code, 0)])?.reason.code).toBe(code);
  });
});

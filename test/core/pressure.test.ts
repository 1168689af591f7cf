import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { closedGate } from '../../src/core/gate.js';
import { createPressure, lostAfterMs, type Pressure } from '../../src/core/pressure.js';
import { type SignalName, signalNames, signalRules } from '../../src/core/signals.js';
import { createHandClock } from './hand-clock.js';

const used = (...names: readonly SignalName[]) => names.map((signal) => ({ signal, state: 'used' as const }));

/** One look a second, as the node makes it. */
function watching(profile: 'gentle' | 'balanced' | 'full' = 'gentle', choices = {}) {
  const clock = createHandClock();
  const pressure = createPressure(clock, profile, choices);
  const look = (signal: SignalName, value: number, more = {}): Pressure['now'] => {
    pressure.absorb([{ signal, value, ...more }]);
    const now = pressure.now;
    clock.advance(1_000);
    return now;
  };
  return { clock, pressure, look };
}

describe('pressure', () => {
  it('leaves the run alone while nothing was said, and while every load is at most 0.6', () => {
    const { pressure, look } = watching();
    pressure.begin(used('canary'));
    expect(pressure.now).toEqual({ duty: 1, because: null });
    expect(look('canary', 6)).toEqual({ duty: 1, because: null });
  });

  it('steers in a line from full work at a load of 0.6 to a tenth just below 1', () => {
    const at = (value: number): number => {
      const { pressure, look } = watching();
      pressure.begin(used('canary'));
      return look('canary', value).duty;
    };
    expect(at(8)).toBeCloseTo(0.55);
    expect(at(9.999)).toBeCloseTo(0.1, 2);
    expect(at(10)).toBe(0);
  });

  it('lets one slow look at the beginning stop nothing, where the figure from before is known', () => {
    const { pressure, look } = watching();
    pressure.begin(used('canary'));
    expect(look('canary', 12, { baseline: 2 }).duty).toBe(1);
    for (let i = 0; i < 10; i += 1) look('canary', 12, { baseline: 2 });
    expect(pressure.now.duty).toBe(0);
  });

  it('tells the value that stopped the run while it waits to go on', () => {
    const { pressure, look } = watching();
    pressure.begin(used('replica_lag'));
    look('replica_lag', 7);
    look('replica_lag', 9);
    expect(look('replica_lag', 1).because).toMatchObject({ code: 'stopped', value: 9, limit: 5 });
    expect(pressure.signals).toContainEqual(expect.objectContaining({ signal: 'replica_lag', value: 1 }));
  });

  it('says which signal, its value and its limit', () => {
    const { pressure, look } = watching();
    pressure.begin(used('replica_lag', 'canary'));
    look('canary', 8);
    expect(look('replica_lag', 7).because).toEqual({
      code: 'stopped',
      signal: 'replica_lag',
      value: 7,
      limit: 5,
    });
  });

  it('goes on only after the load has been below 0.8 for five seconds', () => {
    const { pressure, look } = watching();
    pressure.begin(used('replica_lag'));
    expect(look('replica_lag', 5).duty).toBe(0);
    expect(look('replica_lag', 4.5).duty).toBe(0);
    for (let second = 0; second < 4; second += 1) expect(look('replica_lag', 1).duty).toBe(0);
    // Above the release load for a moment: the five seconds begin anew.
    expect(look('replica_lag', 4.2).duty).toBe(0);
    for (let second = 0; second < 5; second += 1) expect(look('replica_lag', 1).duty).toBe(0);
    expect(look('replica_lag', 1)).toEqual({ duty: 1, because: null });
  });

  it('takes a level as it is: the redo log is full while a smoothed value would still rise', () => {
    const { pressure, look } = watching();
    pressure.begin(used('redo_log'));
    expect(look('redo_log', 0.1)).toEqual({ duty: 1, because: null });
    expect(look('redo_log', 0.855).duty).toBeCloseTo(0.325);
    expect(look('redo_log', 0.95).because).toMatchObject({
      code: 'stopped',
      signal: 'redo_log',
      limit: 0.95,
    });
    // Where the server leaves it: five calm seconds at less would never come.
    expect(look('redo_log', 0.91).duty).toBe(0);
    expect(look('redo_log', 0.88).because).toMatchObject({ code: 'slowed', signal: 'redo_log' });
    look('redo_log', 0.96);
    pressure.setProfile('full');
    expect(pressure.now.duty).toBe(1);
  });

  it('smooths what steers, so that one slow probe does not stop the run, and does not smooth what stops', () => {
    const { pressure, look } = watching();
    pressure.begin(used('canary', 'replica_lag'));
    look('canary', 1);
    expect(look('canary', 20).duty).toBeGreaterThan(0);
    expect(look('canary', 60).duty).toBe(0);
    look('replica_lag', 0);
    expect(look('replica_lag', 6).because?.signal).toBe('canary');
  });

  it('works half as much while a vacuum runs, and never stands still for it', () => {
    const { pressure, look } = watching();
    pressure.begin(used('vacuum'));
    expect(look('vacuum', 1)).toMatchObject({ duty: 0.5, because: { code: 'slowed', signal: 'vacuum' } });
    expect(look('vacuum', 9).duty).toBe(0.5);
    expect(look('vacuum', 0).duty).toBe(1);
  });

  it('stands still when a signal that is watched is silent for five seconds, and says what the server said', () => {
    const { clock, pressure, look } = watching();
    pressure.begin(used('replica_lag'));
    look('replica_lag', 0);
    pressure.absorb([{ signal: 'replica_lag', trouble: 'permission denied' }]);
    expect(pressure.now.duty).toBe(1);
    clock.advance(lostAfterMs);
    expect(pressure.now).toEqual({
      duty: 0,
      because: { code: 'signal_lost', signal: 'replica_lag', value: 'permission denied', limit: 5 },
    });
    expect(look('replica_lag', 0).duty).toBe(1);
  });

  it('stands still from the first look on when a signal that should be there cannot be read at all', () => {
    const { pressure, look } = watching();
    pressure.begin(used('own_check'));
    pressure.absorb([{ signal: 'own_check', trouble: 'syntax error' }]);
    expect(pressure.now.because).toMatchObject({ code: 'signal_lost', value: 'syntax error' });
    expect(look('own_check', 0)).toEqual({ duty: 1, because: null });
  });

  it('forgets one answer that came far too late within seconds', () => {
    const { pressure, look } = watching();
    pressure.begin(used('canary'));
    expect(look('canary', 100_000).duty).toBe(0);
    let seconds = 0;
    while (look('canary', 1).duty < 1 && seconds < 60) seconds += 1;
    // Two seconds until the smoothed load is below 0.8 or so, and the five of every stand-still.
    expect(seconds).toBeLessThanOrEqual(11);
  });

  it('goes on without a silent signal that may be missing, without one that is off, and without an absent one', () => {
    const { clock, pressure } = watching('gentle', {
      replica_lag: { optional: true },
      own_check: { off: true },
    });
    pressure.begin([
      ...used('replica_lag', 'own_check'),
      { signal: 'canary', state: 'absent', why: 'no privilege' },
    ]);
    clock.advance(60_000);
    expect(pressure.now).toEqual({ duty: 1, because: null });
    expect(pressure.signals).toContainEqual(
      expect.objectContaining({ signal: 'canary', state: 'absent', detail: 'no privilege' }),
    );
    expect(pressure.signals.find(({ signal }) => signal === 'own_check')?.state).toBe('off');
  });

  it('measures the canary against three times its figure before the first batch where that is more', () => {
    const { pressure, look } = watching();
    pressure.begin(used('canary'));
    // A server that is 80 ms away: 100 ms are nothing there.
    expect(look('canary', 100, { baseline: 80 })).toEqual({ duty: 1, because: null });
    expect(pressure.signals[0]).toMatchObject({ limit: 240 });
  });

  it("takes the server's own limit where it is lower, and the operator's in place of the profile's", () => {
    const { pressure, look } = watching('gentle', { replica_lag: { limit: 30 } });
    pressure.begin(used('replication_slots', 'replica_lag'));
    expect(look('replica_lag', 20).duty).toBe(1);
    expect(look('replication_slots', 600, { limit: 512 }).because).toMatchObject({ limit: 512 });
  });

  it('knows no canary at full speed, but still the replicas; and another profile acts at once', () => {
    const { pressure, look } = watching('full');
    pressure.begin(used('canary', 'replica_lag'));
    expect(look('canary', 1_000).duty).toBe(1);
    expect(look('replica_lag', 61).duty).toBe(0);
    const other = watching('full');
    other.pressure.begin(used('canary'));
    other.look('canary', 1_000);
    other.pressure.setProfile('gentle');
    expect(other.look('canary', 1_000).duty).toBe(0);
  });

  it('keeps its duty from 0 to 1, with a reason whenever it is below 1, whatever it is told', () => {
    const value = fc.oneof(fc.double({ min: 0, max: 1e12, noNaN: true }), fc.constant(0));
    const reading = fc.record({ signal: fc.constantFrom(...signalNames), value, ms: fc.nat(3_000) });
    const profile = fc.constantFrom('gentle' as const, 'balanced' as const, 'full' as const);
    fc.assert(
      fc.property(profile, fc.array(reading, { maxLength: 40 }), (name, readings) => {
        const { clock, pressure } = watching(name);
        pressure.begin(used(...signalNames));
        for (const { signal, value: seen, ms } of readings) {
          pressure.absorb([{ signal, value: seen }]);
          clock.advance(ms);
          const { duty, because } = pressure.now;
          expect(duty).toBeGreaterThanOrEqual(0);
          expect(duty).toBeLessThanOrEqual(1);
          expect(because === null).toBe(duty === 1);
          if (because === null || because.code === 'signal_lost') continue;
          const kind = signalRules[because.signal as SignalName].kind;
          if (kind === 'slow') expect(duty).toBe(0.5);
          expect(kind).not.toBe('yield');
        }
      }),
    );
  });

  it('never lets the run work more because a steering signal grew', () => {
    const load = fc.double({ min: 0, max: 2, noNaN: true });
    fc.assert(
      fc.property(load, load, (a, b) => {
        const at = (value: number): number => {
          const { pressure, look } = watching();
          pressure.begin(used('canary'));
          return look('canary', value * 10).duty;
        };
        expect(at(Math.max(a, b))).toBeLessThanOrEqual(at(Math.min(a, b)));
      }),
    );
  });
});

describe('gates', () => {
  it('the first that is closed says why', () => {
    const closed = { code: 'stop_file', signal: 'file', value: '/run/stop', limit: null } as const;
    expect(closedGate([() => null, () => closed])).toEqual(closed);
    expect(closedGate([() => null])).toBeNull();
  });
});

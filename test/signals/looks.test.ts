import { afterEach, expect, test, vi } from 'vitest';
import type { Reading, SignalName } from '../../src/core/signals.js';
import { type Found, gather, type Watcher } from '../../src/storage/signals/gather.js';

afterEach(() => {
  vi.useRealTimers();
});

const names = ['active_sessions', 'replica_lag', 'vacuum'] as const;
const nobody = new Set<never>();

/** A watch over three signals that are read like this. */
const watching = (read: (signal: SignalName) => Promise<Found>) =>
  gather(
    names.map((signal): Watcher => ({ signal, probe: async () => null, read: () => read(signal) })),
    nobody,
  );

test('the looks of one second are made one after another', async () => {
  let atOnce = 0;
  let most = 0;
  const watch = await watching(async () => {
    atOnce += 1;
    most = Math.max(most, atOnce);
    await new Promise((done) => setImmediate(done));
    atOnce -= 1;
    return { value: 1 };
  });
  const told: Reading[] = [];
  await watch.sample(0, (reading) => told.push(reading));
  expect(told).toEqual(names.map((signal) => ({ signal, value: 1 })));
  expect(most).toBe(1);
});

test('the looks of one second begin evenly over it, are told at once, and none is begun after the watch is over', async () => {
  vi.useFakeTimers();
  const asked: (readonly [string, number])[] = [];
  const told: string[] = [];
  const begunAt = performance.now();
  const watch = await watching(async (signal) => {
    asked.push([signal, Math.round(performance.now() - begunAt)]);
    return { value: 1 };
  });
  const sample = watch.sample(900, ({ signal }) => told.push(signal));
  await vi.advanceTimersByTimeAsync(350);
  expect(told).toEqual(['active_sessions', 'replica_lag']);
  expect(asked).toEqual([
    ['active_sessions', 0],
    ['replica_lag', 300],
  ]);
  await watch.close();
  await vi.advanceTimersByTimeAsync(1_000);
  await sample;
  expect(told).toEqual(['active_sessions', 'replica_lag']);
});

test('a look that hangs makes the others wait for a moment only, and is told as trouble', async () => {
  vi.useFakeTimers();
  const asked: string[] = [];
  const watch = await watching((signal) => {
    asked.push(signal);
    return signal === 'active_sessions' ? new Promise(() => undefined) : Promise.resolve({ value: 0 });
  });
  const told: Reading[] = [];
  const sample = watch.sample(0, (reading) => told.push(reading));
  await vi.advanceTimersByTimeAsync(100);
  expect(asked).toEqual(names);
  await vi.advanceTimersByTimeAsync(2_000);
  await sample;
  expect(told).toEqual([
    { signal: 'replica_lag', value: 0 },
    { signal: 'vacuum', value: 0 },
    { signal: 'active_sessions', trouble: 'no answer within 2 s' },
  ]);
  const again: Reading[] = [];
  const next = watch.sample(0, (reading) => again.push(reading));
  await vi.advanceTimersByTimeAsync(100);
  await next;
  expect(again[0]).toEqual({
    signal: 'active_sessions',
    trouble: 'the look before has not been answered',
  });
});

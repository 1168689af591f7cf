import { describe, expect, it } from 'vitest';
import { Scheduler } from '../../src/app/scheduler.js';
import { Timetable } from '../../src/app/timetable.js';
import { StoreError } from '../../src/core/errors.js';
import { defaultSchedule, type Schedule, slotRequestId } from '../../src/core/schedule.js';
import { defaultSettings } from '../../src/core/settings.js';
import type { RunAnswer, RunRequest } from '../../src/coreapp/coreapp.js';
import type { Clock } from '../../src/kit/clock.js';
import { silentLog } from '../../src/kit/log.js';
import { createMemoryStore } from '../../src/storage/memory/store.js';
import { createTables } from '../../src/storage/memory/tables.js';
import { createHandClock, type HandClock } from '../core/hand-clock.js';

const hour = 3_600_000;
const nightly: Schedule = { ...defaultSchedule, enabled: true };
const started: RunAnswer = { kind: 'started', runId: 'r'.repeat(32), joined: false };

/** A node whose database has the given clock, and whose own wall clock is anything. */
async function nodeOf(tables = createTables(), database: HandClock = createHandClock(), wall?: Clock) {
  const store = createMemoryStore(database, tables);
  const timetable = new Timetable({ store, clock: wall ?? database, log: silentLog });
  await timetable.refresh();
  const asked: RunRequest[] = [];
  const answers: (() => Promise<RunAnswer>)[] = [];
  if (timetable.record === null) throw new Error('nothing was read');
  const coreapp = {
    askForRun: async (request: RunRequest) => {
      asked.push(request);
      return (await answers.shift()?.()) ?? started;
    },
  };
  const scheduler = new Scheduler(
    { timetable, slots: store.slots, coreapp, log: silentLog },
    timetable.record,
  );
  return {
    store,
    timetable,
    asked,
    answers,
    database,
    set: (schedule: Schedule) => store.home.changeSettings(() => ({ ...defaultSettings, schedule })),
    look: async () => {
      await timetable.refresh();
      await scheduler.act();
    },
  };
}

describe('the scheduler of a node', () => {
  it('asks for the run of a slot once, under an id that every node arrives at', async () => {
    const node = await nodeOf();
    await node.set(nightly);
    await node.look();
    expect(node.asked).toEqual([]);
    node.database.advance(3 * hour);
    await node.look();
    await node.look();
    const { storeId, last } = await node.store.slots.read();
    expect(last?.toISOString()).toBe('2026-01-01T03:00:00.000Z');
    expect(node.asked).toEqual([
      { requestId: slotRequestId(storeId, last ?? new Date(0)), by: 'schedule', confirmed: false },
    ]);
  });

  it('takes part in a slot on which another node has acted, but not in one from before its own start', async () => {
    const tables = createTables();
    const clock = createHandClock();
    const [first, second] = [await nodeOf(tables, clock), await nodeOf(tables, clock)];
    await first.set(nightly);
    clock.advance(3 * hour);
    await first.look();
    await second.look();
    expect(second.asked.map(({ requestId }) => requestId)).toEqual(
      first.asked.map(({ requestId }) => requestId),
    );
    const late = await nodeOf(tables, clock);
    await late.look();
    expect(late.asked).toEqual([]);
  });

  it('tries a slot again that it could not ask for', async () => {
    const node = await nodeOf();
    await node.set(nightly);
    node.database.advance(3 * hour);
    node.answers.push(() =>
      Promise.reject(new StoreError('unreachable', 'ECONNRESET', 'start the run', 'gone', undefined)),
    );
    await expect(node.look()).rejects.toThrow('gone');
    expect((await node.store.slots.read()).last).toBeNull();
    await node.look();
    expect(node.asked).toHaveLength(2);
    expect(node.asked[1]).toEqual(node.asked[0]);
  });

  it('does not confirm a first run that is braked: it says so, and the slot is done', async () => {
    const node = await nodeOf();
    await node.set(nightly);
    node.database.advance(3 * hour);
    node.answers.push(() => Promise.resolve({ kind: 'braked', words: 'About 99 % would be deleted' }));
    await node.look();
    const { last, warning } = await node.store.slots.read();
    expect(last?.toISOString()).toBe('2026-01-01T03:00:00.000Z');
    expect(warning).toContain('About 99 % would be deleted');
    expect(warning).toContain('gc --yes');
    await node.look();
    expect(node.asked).toHaveLength(1);
    // The next slot that runs takes the warning away.
    node.database.advance(24 * hour);
    await node.look();
    expect((await node.store.slots.read()).warning).toBeNull();
  });

  it('runs no slot of the past when the schedule is switched on again or changed', async () => {
    const node = await nodeOf();
    await node.set(nightly);
    node.database.advance(hour);
    await node.look();
    await node.set(defaultSchedule);
    node.database.advance(9 * hour);
    await node.look();
    await node.set(nightly);
    await node.look();
    await node.set({ ...nightly, cron: '0 9 * * *' });
    await node.look();
    expect(node.asked).toEqual([]);
    node.database.advance(24 * hour);
    await node.look();
    expect(node.asked).toHaveLength(1);
  });

  it('goes by the clock of the database, whatever its own says', async () => {
    let own = Date.UTC(2026, 0, 1);
    const wall: Clock = { monotonicMs: () => 0, now: () => new Date(own) };
    const node = await nodeOf(createTables(), createHandClock(), wall);
    await node.set(nightly);
    own += 1_000 * hour;
    await node.look();
    expect(node.asked).toEqual([]);
    own = 0;
    node.database.advance(3 * hour);
    await node.look();
    expect(node.asked).toHaveLength(1);
  });
});

describe("a node's gate", () => {
  const night: Schedule = {
    ...defaultSchedule,
    windows: [{ days: ['sun', 'mon', 'tue', 'wed', 'thu', 'fri', 'sat'], from: '22:00', to: '06:00' }],
  };

  it('closes when the window ends and names the next one, without looking at the database', async () => {
    const { timetable, set, database } = await nodeOf();
    expect(timetable.gate()).toBeNull();
    await set(night);
    await timetable.refresh();
    expect(timetable.gate()).toBeNull();
    database.advance(6 * hour - 1);
    expect(timetable.gate()).toBeNull();
    database.advance(1);
    expect(timetable.gate()).toEqual({
      code: 'outside_window',
      signal: 'next_window',
      value: '2026-01-01T22:00:00.000Z',
      limit: null,
    });
    database.advance(16 * hour);
    expect(timetable.gate()).toBeNull();
  });

  it('obeys changed windows after the next look', async () => {
    const { timetable, set, database } = await nodeOf();
    database.advance(12 * hour);
    await set(night);
    expect(timetable.gate()).toBeNull();
    await timetable.refresh();
    expect(timetable.gate()).not.toBeNull();
    await set(defaultSchedule);
    await timetable.refresh();
    expect(timetable.gate()).toBeNull();
  });

  it('stays as it is while the database is away, and goes on reckoning', async () => {
    const { timetable, set, store, database } = await nodeOf();
    await set(night);
    await timetable.refresh();
    store.home.settings = () =>
      Promise.reject(new StoreError('unreachable', 'ECONNREFUSED', 'read a setting', 'gone', undefined));
    await expect(timetable.refresh()).rejects.toThrow('gone');
    database.advance(7 * hour);
    expect(timetable.gate()?.code).toBe('outside_window');
  });
});

import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { newId } from '../../src/core/node-name.js';
import { defaultSchedule, dueSlot, hasOtherSlots, nextSlot, slotRequestId } from '../../src/core/schedule.js';

const at = (text: string) => new Date(text);
const nightly = { ...defaultSchedule, enabled: true };
const due = (now: string, since: string | null, last: string | null) =>
  dueSlot(nightly, {
    now: at(now),
    since: since === null ? null : at(since),
    last: last === null ? null : at(last),
  })?.toISOString() ?? null;

describe('a schedule', () => {
  it('is off until it is switched on', () => {
    expect(dueSlot(defaultSchedule, { now: new Date(), since: null, last: null })).toBeNull();
    expect(nextSlot(defaultSchedule, new Date())).toBeNull();
  });

  it('runs no slot from before it was switched on', () => {
    expect(due('2026-11-26T10:00Z', '2026-11-26T09:00Z', null)).toBeNull();
    expect(due('2026-11-27T03:00Z', '2026-11-26T09:00Z', null)).toBe('2026-11-27T03:00:00.000Z');
  });

  it('makes up for a long downtime once, with the latest slot', () => {
    expect(due('2026-11-26T10:00Z', '2026-01-01T00:00Z', '2026-11-01T03:00Z')).toBe(
      '2026-11-26T03:00:00.000Z',
    );
    expect(due('2026-11-26T10:00Z', '2026-01-01T00:00Z', '2026-11-26T03:00Z')).toBeNull();
  });

  it('waits for a clock that was set back', () => {
    expect(due('2026-11-25T04:00Z', '2026-01-01T00:00Z', '2026-11-26T03:00Z')).toBeNull();
  });

  it('has other slots when cron, zone or the switch change, and the same when only windows do', () => {
    const windows = [{ days: ['mon'], from: '01:00', to: '02:00' }] as const;
    expect(hasOtherSlots(nightly, { ...nightly, windows })).toBe(false);
    expect(hasOtherSlots(nightly, { ...nightly, cron: '0 4 * * *' })).toBe(true);
    expect(hasOtherSlots(nightly, { ...nightly, timeZone: 'Europe/Berlin' })).toBe(true);
    expect(hasOtherSlots(nightly, defaultSchedule)).toBe(true);
  });

  it('acts on each slot at most once, and never on one of the past, however late it looks', () => {
    const looks = fc.array(fc.integer({ min: 1, max: 400_000 }), { minLength: 1, maxLength: 60 });
    fc.assert(
      fc.property(looks, (gaps) => {
        const schedule = { ...nightly, cron: '*/5 * * * *' };
        const since = at('2026-11-26T00:00:17Z');
        let now = since.getTime();
        let last: Date | null = null;
        for (const gap of gaps) {
          now += gap;
          const slot = dueSlot(schedule, { now: new Date(now), since, last });
          if (slot === null) continue;
          expect(slot.getTime()).toBeGreaterThan(Math.max(since.getTime(), last?.getTime() ?? 0));
          expect(slot.getTime()).toBeLessThanOrEqual(now);
          expect(now - slot.getTime()).toBeLessThan(300_000);
          last = slot;
        }
      }),
    );
  });
});

describe("a slot's request id", () => {
  it('is the same on every node of a store, and another for another slot or store', () => {
    const [store, other] = [newId(), newId()];
    const slot = at('2026-11-26T03:00Z');
    expect(slotRequestId(store, slot)).toMatch(/^[0-9a-f]{32}$/);
    expect(slotRequestId(store, at('2026-11-26T03:00:00.000Z'))).toBe(slotRequestId(store, slot));
    expect(slotRequestId(other, slot)).not.toBe(slotRequestId(store, slot));
    expect(slotRequestId(store, at('2026-11-27T03:00Z'))).not.toBe(slotRequestId(store, slot));
  });
});

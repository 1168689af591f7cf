import type { Closed, Gate } from '../core/gate.js';
import { canonicalJson } from '../core/policy.js';
import type { SlotRecord, Store } from '../core/ports.js';
import { defaultSchedule, nextSlot, type Schedule } from '../core/schedule.js';
import { lookAheadMs, type Opening, openings, stateWithin } from '../core/windows.js';
import { StoreError, wordsOf } from '../core/errors.js';
import type { Clock } from '../kit/clock.js';
import type { Log } from '../kit/log.js';
import { Bell } from '../kit/sleep.js';

/** A slot is looked for a little after its time: timers may be early by a millisecond. */
const afterSlotMs = 5;
const leastLookMs = 10;
/** Windows that were reckoned so long ago are reckoned anew. */
const reckonedForMs = 86_400_000;

export type TimetableDeps = {
  readonly store: Pick<Store, 'home' | 'slots'>;
  readonly clock: Clock;
  readonly log: Log;
};

/**
 * The schedule and the windows as this process knows them, by the database's clock: between two looks its own monotonic
 * clock is added to what the database last said, so that a wall clock that jumps changes nothing.
 */
export class Timetable {
  readonly #deps: TimetableDeps;
  readonly #bell = new Bell();
  #schedule: Schedule = defaultSchedule;
  #heartbeatMs = 5_000;
  #record: SlotRecord | null = null;
  #readAtMs = 0;
  #reckoned: { readonly of: Schedule; readonly from: number; readonly openings: readonly Opening[] } | null =
    null;
  #hasComplained = false;

  constructor(deps: TimetableDeps) {
    this.#deps = deps;
  }

  get schedule(): Schedule {
    return this.#schedule;
  }

  /** What the ledger last said of the schedule; null before the first look. */
  get record(): SlotRecord | null {
    return this.#record;
  }

  /** Throws StoreError. Must have been done once before anybody works: until then every window seems open. */
  async refresh(): Promise<void> {
    const { store, clock } = this.#deps;
    const { schedule, heartbeatIntervalS } = await store.home.settings();
    this.#heartbeatMs = heartbeatIntervalS * 1_000;
    // An idle instance without a schedule asks for no time.
    if (this.#record === null || schedule.enabled || schedule.windows.length > 0) {
      this.#record = await store.slots.read();
      this.#readAtMs = clock.monotonicMs();
    }
    // After the time: with the new windows and no time the gate would reckon by an old one.
    // The same object while nothing changes: windows are reckoned for it once.
    if (canonicalJson(schedule) !== canonicalJson(this.#schedule)) this.#schedule = schedule;
  }

  /** Closed outside of the windows; `value` is the start of the next one, ISO 8601. */
  readonly gate: Gate = (): Closed | null => {
    if (this.#schedule.windows.length === 0) return null;
    const now = this.#nowMs();
    const state = stateWithin(this.#openings(now), now);
    if (state.kind !== 'closed') return null;
    const opens = state.opens === null ? null : new Date(state.opens).toISOString();
    return { code: 'outside_window', signal: 'next_window', value: opens, limit: null };
  };

  /** Looks again at every heartbeat and at every slot, and when it is woken; then calls `then`. Never throws. */
  async keep(signal: AbortSignal, then: () => Promise<void> = async () => undefined): Promise<void> {
    while (!signal.aborted) {
      try {
        await this.refresh();
        await then();
        this.#hasComplained = false;
      } catch (error) {
        this.#complain(error);
      }
      await this.#bell.wait(this.#nextLookMs(), signal);
    }
  }

  /** The settings were changed in this process. */
  wake(): void {
    this.#bell.ring();
  }

  #nextLookMs(): number {
    const now = this.#nowMs();
    const slot = nextSlot(this.#schedule, new Date(now));
    const untilSlot = slot === null ? Number.POSITIVE_INFINITY : slot.getTime() - now + afterSlotMs;
    return Math.max(leastLookMs, Math.min(this.#heartbeatMs, untilSlot));
  }

  #nowMs(): number {
    const { clock } = this.#deps;
    if (this.#record === null) return clock.now().getTime();
    return this.#record.now.getTime() + clock.monotonicMs() - this.#readAtMs;
  }

  /** Asked before every batch: reckoned once a day, and when the settings are other ones. */
  #openings(now: number): readonly Opening[] {
    const known = this.#reckoned;
    if (
      known !== null &&
      known.of === this.#schedule &&
      now >= known.from &&
      now < known.from + reckonedForMs
    )
      return known.openings;
    const made = openings(this.#schedule, now, now + lookAheadMs);
    this.#reckoned = { of: this.#schedule, from: now, openings: made };
    return made;
  }

  /** Once per outage, not once per look. */
  #complain(error: unknown): void {
    if (this.#hasComplained) return;
    this.#hasComplained = true;
    const facts = error instanceof StoreError ? { kind: error.kind, code: error.nativeCode } : {};
    this.#deps.log.warn(facts, `the schedule could not be looked at, trying again: ${wordsOf(error)}`);
  }
}

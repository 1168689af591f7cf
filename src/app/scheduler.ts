import type { SlotRecord, Store } from '../core/ports.js';
import { dueSlot, scheduleName, slotRequestId } from '../core/schedule.js';
import type { Coreapp } from '../coreapp/coreapp.js';
import type { Log } from '../kit/log.js';
import type { Timetable } from './timetable.js';

export type SchedulerDeps = {
  readonly timetable: Pick<Timetable, 'schedule' | 'record'>;
  readonly slots: Pick<Store['slots'], 'acted'>;
  readonly coreapp: Pick<Coreapp, 'askForRun'>;
  readonly log: Log;
};

/**
 * Asks for the run of a slot, on every node: the request id is the same on all of them, so that there is one run, and
 * each node takes part in it (docs/decisions/0037-the-schedule-has-no-leader.md).
 */
export class Scheduler {
  readonly #deps: SchedulerDeps;
  /** What this process acted on: that another node did is no reason not to take part. */
  #acted: { readonly since: number; readonly last: Date | null };
  readonly #begunWith: Date;

  /** `record`: what the ledger said when this process began. A slot that others have acted on by then is past. */
  constructor(deps: SchedulerDeps, record: SlotRecord) {
    this.#deps = deps;
    this.#begunWith = record.now;
    this.#acted = { since: timeOf(record.since), last: record.last };
  }

  /** Called after each look at the timetable. What throws is tried again: only a slot that was acted on is past. */
  async act(): Promise<void> {
    const { timetable, slots, coreapp, log } = this.#deps;
    const { record, schedule } = timetable;
    if (record === null) return;
    // Another schedule has other slots, and marks of its own.
    if (this.#acted.since !== timeOf(record.since)) this.#acted = { since: timeOf(record.since), last: null };
    const slot = dueSlot(schedule, {
      now: record.now,
      since: record.since ?? this.#begunWith,
      last: this.#acted.last,
    });
    if (slot === null) return;
    const facts = { slot: slot.toISOString() };
    const answer = await coreapp.askForRun({
      requestId: slotRequestId(record.storeId, slot),
      by: scheduleName,
      confirmed: false,
    });
    if (answer.kind === 'started') {
      log.info(
        { ...facts, run: answer.runId, joined: answer.joined },
        answer.joined ? 'the schedule joined the active run' : 'the schedule asked for a run',
      );
      await slots.acted(slot, null);
    } else {
      const words = `The scheduled run of ${slot.toISOString()} was not started. ${answer.words}, then start the first run by hand: "message-gc gc --yes", or PUT …?confirm=true.`;
      log.warn(facts, words);
      await slots.acted(slot, words);
    }
    this.#acted = { ...this.#acted, last: slot };
  }
}

function timeOf(since: Date | null): number {
  return since?.getTime() ?? 0;
}

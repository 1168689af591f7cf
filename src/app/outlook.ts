import { StoreError, wordsOf } from '../core/errors.js';
import { keepUpOf, laggingWords, type Outlook } from '../core/outlook.js';
import type { Store } from '../core/ports.js';
import type { Log } from '../kit/log.js';
import { sleep } from '../kit/sleep.js';
import type { Meters } from '../metrics/meters.js';

/** Enough for a week of runs every half hour; the rows of runs are small. */
const runsAsked = 350;
/** Gauges of days need not be newer. Whoever asks for runs or health gets them fresh. */
const everyMs = 60_000;

/** Throws StoreError. */
export async function readOutlook({
  home,
  slots,
  ledger,
}: Pick<Store, 'home' | 'slots' | 'ledger'>): Promise<Outlook> {
  const [{ schedule }, record, runs] = await Promise.all([
    home.settings(),
    slots.read(),
    ledger.pastRuns(runsAsked),
  ]);
  return { schedule, record, runs };
}

export type LookoutDeps = {
  readonly store: Pick<Store, 'home' | 'slots' | 'ledger'>;
  readonly meters: Pick<Meters, 'keepUp'>;
  readonly log: Log;
};

/** Reads the outlook for whoever asks, and for the gauges; says once when runs no longer keep up, and when they do again. */
export class Lookout {
  readonly #deps: LookoutDeps;
  #isLagging = false;

  constructor(deps: LookoutDeps) {
    this.#deps = deps;
  }

  /** Throws StoreError. */
  async read(): Promise<Outlook> {
    const { store, meters, log } = this.#deps;
    const outlook = await readOutlook(store);
    const found = keepUpOf(outlook);
    meters.keepUp(found);
    const words = laggingWords(found);
    const facts = {
      eligible_rows_per_day: found.eligiblePerDay,
      capacity_rows_per_day: found.capacityPerDay,
    };
    if (words !== null && !this.#isLagging) log.warn(facts, words);
    else if (words === null && this.#isLagging) log.info(facts, 'runs keep up again, or it is not known');
    this.#isLagging = words !== null;
    return outlook;
  }

  /** For the gauges, until the signal fires. */
  async watch(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      try {
        await this.read();
      } catch (error) {
        // That the database is away is told by whoever looks after it.
        if (!(error instanceof StoreError))
          this.#deps.log.warn({}, `no outlook could be made: ${wordsOf(error)}`);
      }
      await sleep(everyMs, signal);
    }
  }
}

import type { Config } from '../../config/read-config.js';
import type { EngineFacts, Store } from '../../core/ports.js';
import type { Log } from '../../kit/log.js';
import type { Meters } from '../../metrics/meters.js';
import type { Lookout } from '../outlook.js';
import type { StoreKeeper } from '../store-keeper.js';
import type { Finish } from '../workshop.js';

/** What the process is made of whatever it is to be. */
export type Base = {
  readonly config: Config;
  readonly store: Store;
  readonly keeper: StoreKeeper;
  readonly meters: Meters;
  readonly log: Log;
  readonly lookout: Lookout;
  readonly finish: Finish;
};

/** One of the three processes that `serve` can be: single instance, Webapp or Coreapp. */
export interface ServedRole {
  /** Once, before the door opens, when the database is there by then; otherwise as soon as it is. */
  secure(): Promise<void>;
  /** Opens the door; the facts stand in the log line `listening`. Throws a Refusal when the address cannot be had. */
  listen(): Promise<{ readonly url: string; readonly facts: Readonly<Record<string, string>> }>;
  /** The database is there. */
  begin(engine: EngineFacts): Promise<void>;
  /** From the door inwards: no new requests, the batch in hand, callbacks in hand. */
  readonly closing: readonly (readonly [what: string, close: () => Promise<unknown>])[];
}

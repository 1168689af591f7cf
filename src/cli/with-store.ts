import type { Config } from '../config/read-config.js';
import type { EngineFacts, Store } from '../core/ports.js';
import { silentLog } from '../kit/log.js';
import { prepareOrRefuse } from '../app/store-keeper.js';
import { openStore } from '../storage/open-store.js';

/** Opens the store of this configuration for one command, and closes it whatever happens. */
export async function withStore<T>(
  config: Config,
  options: { readonly migrate: boolean; readonly needsLedger?: boolean },
  work: (store: Store, facts: EngineFacts) => Promise<T>,
): Promise<T> {
  const store = openStore({ database: config.database, workers: 1, log: silentLog });
  try {
    return await work(store, await prepareOrRefuse(store, config, options.migrate, options.needsLedger));
  } finally {
    await store.close();
  }
}

/** What `pause`, `resume`, `rate` and `cancel` have in common: who asks, and the run that is on. */
import { userInfo } from 'node:os';
import { steerRun } from '../coreapp/steer-run.js';
import { environment } from '../config/environment.js';
import { type Config, readConfig } from '../config/read-config.js';
import { Refusal } from '../core/errors.js';
import type { SteerChange, Store } from '../core/ports.js';
import type { RunView } from '../core/run-view.js';
import { silentLog } from '../kit/log.js';
import { runShape } from '../wire/run-reply.js';
import { type HttpCall, orAskOverHttp } from './embedded-elsewhere.js';
import { createOutput, type Output } from './output.js';
import { withStore } from './with-store.js';

export type SteerOptions = { readonly by?: string; readonly json?: boolean };

export const byOption = [
  '--by <name>',
  'who is named in the run, the log and callbacks (default: your user name)',
] as const;

/** Longer names would not fit into a line. */
const longestName = 64;
/** A node that has been silent for longer will not go on by itself soon. */
const liveMs = 30_000;

/**
 * `work` has the store and the name, and answers null when no run is active, which is refused with 3. `tell` puts the
 * outcome into words.
 */
export async function onActiveRun(
  options: SteerOptions,
  call: HttpCall,
  work: (store: Store, by: string, config: Config) => Promise<RunView | null>,
  tell: (run: RunView, output: Output, store: Store) => Promise<void>,
): Promise<void> {
  const config = readConfig(environment);
  const output = createOutput({ json: options.json === true });
  const by = nameOf(options.by);
  await orAskOverHttp(config, call, () =>
    withStore(config, { migrate: false }, async (store) => {
      const run = await work(store, by, config);
      if (run === null) {
        throw new Refusal(
          'refused',
          `No run is active in ${config.database.where}, so nothing was changed; "message-gc status" shows past ones`,
        );
      }
      output.printJson({ run: runShape(run, null) });
      await tell(run, output, store);
    }),
  );
}

/** Writes into the run; nodes read it before their next batch. */
export function steering(change: SteerChange): (store: Store, by: string) => Promise<RunView | null> {
  // The lines are for the log of a service; here the command's own words tell.
  return (store, by) => steerRun(store.ledger, change, by, silentLog);
}

/** Nobody may be there to obey: a run can be steered while all nodes are down. */
export async function noteIfNobodyWorks(store: Store, output: Output): Promise<void> {
  const nodes = await store.ledger.nodes(liveMs);
  if (nodes.length === 0)
    output.print('  no node is up now: an instance, or "message-gc gc", goes on with the run');
}

/** A container may run under a number that no name belongs to. */
function loginName(): string {
  try {
    return userInfo().username;
  } catch {
    return `uid ${process.getuid?.() ?? 'unknown'}`;
  }
}

function nameOf(given: string | undefined): string {
  const name = given ?? loginName();
  if (name.length > 0 && name.length <= longestName && !/[\p{Cc}]/u.test(name)) return name;
  throw new Refusal(
    'configuration',
    `--by is ${JSON.stringify(name)}, expected a name of 1 to ${longestName} characters in one line`,
  );
}

import type { Role } from '../config/options.js';
import type { Config } from '../config/read-config.js';
import { type ExitReason, Refusal, StoreError, wordsOf } from '../core/errors.js';
import { nameOf } from '../core/mapping.js';
import { nodeName } from '../core/node-name.js';
import { mostWorkersOf, paceOf } from '../core/pace.js';
import { jittered } from '../kit/backoff.js';
import { systemClock } from '../kit/clock.js';
import type { Log } from '../kit/log.js';
import { sleep } from '../kit/sleep.js';
import { createMeters } from '../metrics/meters.js';
import { openStore } from '../storage/open-store.js';
import { packageVersion } from '../wire/package-version.js';
import { heldLog } from './held-log.js';
import { Lookout } from './outlook.js';
import { policyOf } from './policy.js';
import { coreappRole } from './roles/coreapp.js';
import type { Base, ServedRole } from './roles/role.js';
import { singleRole } from './roles/single.js';
import { webappRole } from './roles/webapp.js';
import { StoreKeeper } from './store-keeper.js';

export interface Instance {
  /** The address in use. */
  readonly url: string;
  /** Ends the batch in hand, keeps the run resumable, closes everything. */
  stop(): Promise<void>;
  /** Resolves when the instance cannot go on by itself (displaced, a refusal after the start); never rejects. */
  readonly over: Promise<{ readonly reason: ExitReason; readonly words: string }>;
}

const makers: Readonly<Record<Role, (base: Base) => Promise<ServedRole>>> = {
  single: singleRole,
  webapp: webappRole,
  coreapp: coreappRole,
};

/** One process of `serve`, from opening the store to closing it. */
export async function startInstance(
  config: Config,
  processLog: Log,
  role: Role = 'single',
): Promise<Instance> {
  const { log, release } = heldLog(processLog);
  const policy = policyOf(config);
  const name = nodeName(config.host, config.control.port, config.nodeId);
  const meters = createMeters(name.slice(name.lastIndexOf(':') + 1));
  const store = openStore({
    database: config.database,
    workers: mostWorkersOf(paceOf(config)),
    signals: config.signalSources,
    log,
  });
  const keeper = new StoreKeeper(store, config, log, systemClock, meters);
  const lookout = new Lookout({ store, meters, log });
  const stopping = new AbortController();
  let finish: (end: { reason: ExitReason; words: string }) => void = () => undefined;
  const over = new Promise<{ reason: ExitReason; words: string }>((resolve) => {
    finish = resolve;
  });
  const served = await makers[role]({
    config,
    store,
    keeper,
    meters,
    log,
    lookout,
    finish: (end) => finish(end),
  });
  const closing = [...served.closing, ['the database', () => store.close()]] as const;
  const stop = (): Promise<void> => closeAll(closing, stopping, log);

  const begin = async (): Promise<void> => {
    if (keeper.facts === null) return;
    await served.begin(keeper.facts);
    void keeper.watch(stopping.signal);
    void lookout.watch(stopping.signal);
  };

  let isReady = false;
  let door: Awaited<ReturnType<ServedRole['listen']>>;
  try {
    // One try before the door opens, so that whoever waits for "listening" finds a service that works.
    isReady = (await keeper.tryOnce()) && (await unlessLost(() => served.secure(), log));
    // Before the node's name is taken: a second process that cannot have the port must not displace the first.
    door = await served.listen();
    isReady = isReady && (await unlessLost(begin, log));
  } catch (error) {
    await stop();
    throw error;
  }
  store.note(door.url);
  processLog.info(
    {
      ...door.facts,
      role,
      database: config.database.where,
      store: policy.mapping.store,
      table: nameOf(policy.mapping.table),
      profile: config.profile,
      version: packageVersion,
    },
    'listening',
  );
  release();
  if (!isReady) {
    void (async () => {
      try {
        while (!isReady && (await keeper.untilPrepared(stopping.signal))) {
          isReady = await unlessLost(async () => {
            await served.secure();
            await begin();
          }, log);
          if (!isReady) await sleep(jittered(lostAgainMs), stopping.signal);
        }
      } catch (error) {
        finish({ reason: error instanceof Refusal ? error.reason : 'failed', words: wordsOf(error) });
      }
    })();
  }
  return { url: door.url, over, stop };
}

/** A server that comes and goes is not asked without a pause. */
const lostAgainMs = 500;

/** False: the database went away in the middle. What was not begun is begun again when it is back, as before the start. */
async function unlessLost(work: () => Promise<void>, log: Log): Promise<boolean> {
  try {
    await work();
    return true;
  } catch (error) {
    if (!(error instanceof StoreError) || error.kind !== 'unreachable') throw error;
    log.warn(
      { code: error.nativeCode },
      `the database was lost while the process began, trying again: ${error.message}`,
    );
    return false;
  }
}

/** Each step of closing; a database that does not answer must not hold the process. */
const stepMs = 4_000;

async function endsWithin(work: Promise<unknown>, ms: number): Promise<boolean> {
  const late = new AbortController();
  // Its own error, should it come after we have gone on, has been waited for long enough.
  const ended = work.then(() => true);
  ended.catch(() => undefined);
  try {
    return await Promise.race([ended, sleep(ms, late.signal).then(() => false)]);
  } finally {
    late.abort();
  }
}

async function closeAll(steps: ServedRole['closing'], stopping: AbortController, log: Log): Promise<void> {
  stopping.abort();
  for (const [what, close] of steps) {
    try {
      if (!(await endsWithin(close(), stepMs)))
        log.warn({}, `closing ${what} takes too long, going on without it`);
    } catch (error) {
      log.warn({}, `closing ${what} met an error: ${wordsOf(error)}`);
    }
  }
}

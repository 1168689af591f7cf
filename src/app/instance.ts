import { isLoopback } from '../config/address.js';
import type { Config } from '../config/read-config.js';
import { Refusal, type ExitReason, wordsOf } from '../core/errors.js';
import { newId, nodeName } from '../core/node-name.js';
import { paces } from '../core/pace.js';
import type { Policy } from '../core/policy.js';
import { nameOf, ownMapping } from '../core/mapping.js';
import { Coreapp } from '../coreapp/coreapp.js';
import { systemClock } from '../kit/clock.js';
import { sleep } from '../kit/sleep.js';
import { formatAddress } from '../config/address.js';
import type { Log } from '../kit/log.js';
import { createMeters } from '../metrics/meters.js';
import { openStore } from '../storage/open-store.js';
import { createWebapp, type Webapp } from '../webapp/webapp.js';
import { adminHasOwnPassword, ensureAdmin } from '../webapp/passwords.js';
import { Dispatcher } from '../webhooks/dispatcher.js';
import { createSender } from '../webhooks/sender.js';
import { renderCallback } from '../wire/callback-body.js';
import { packageVersion } from '../wire/package-version.js';
import { RunDeskOf } from './desk.js';
import { heldLog } from './held-log.js';
import { StoreKeeper } from './store-keeper.js';
import { watchFor } from './watch.js';

/** The policy that this configuration means: what a run freezes. */
export function policyOf(config: Config): Policy {
  return { mapping: config.mapping ?? ownMapping, retentionSeconds: config.retentionSeconds };
}

export interface Instance {
  /** The address in use. */
  readonly url: string;
  /** Ends the batch in hand, keeps the run resumable, closes everything. */
  stop(): Promise<void>;
  /** Resolves when the instance cannot go on by itself (displaced, a refusal after the start); never rejects. */
  readonly over: Promise<{ readonly reason: ExitReason; readonly words: string }>;
}

/** Webapp and Coreapp in one process: the single instance. */
export async function startInstance(config: Config, processLog: Log): Promise<Instance> {
  const { log, release } = heldLog(processLog);
  const name = nodeName(config.host, config.control.port, config.nodeId);
  const node = { name, boot: newId(), address: formatAddress(config.control) };
  const pace = paces[config.profile];
  const meters = createMeters(name.slice(name.lastIndexOf(':') + 1));
  const store = openStore({ database: config.database, workers: pace.workers, log });
  const keeper = new StoreKeeper(store, config, log, systemClock, meters);
  const stopping = new AbortController();
  let finish: (end: { reason: ExitReason; words: string }) => void = () => undefined;
  const over = new Promise<{ reason: ExitReason; words: string }>((resolve) => {
    finish = resolve;
  });

  const dispatcher = new Dispatcher({
    outbox: store.outbox,
    settings: () => store.home.settings(),
    sender: createSender(),
    clock: systemClock,
    log,
    version: packageVersion,
    requireHttps: config.requireHttps,
    onAttempt: (result) => meters.callback(result),
  });
  const desk = new RunDeskOf(keeper, store, policyOf(config), pace);
  const webapp = await createWebapp({
    settings: {
      allowUsers: config.allowUsers,
      requireHttps: config.requireHttps,
      coreHost: config.coreHost,
      jwtKey: config.jwtKey,
    },
    clock: systemClock,
    log,
    home: store.home,
    ledger: store.ledger,
    outbox: store.outbox,
    desk,
    metrics: meters,
    settingsChanged: () => dispatcher.wake(),
  });

  const secureDoor = async (): Promise<void> => {
    await ensureAdmin(store.home, config.adminPassword);
    await refuseOpenDoor(config, () => adminHasOwnPassword(store.home));
  };
  const begin = async (): Promise<void> => {
    const facts = keeper.facts;
    if (facts === null) return;
    const coreapp = new Coreapp({
      store,
      engine: facts,
      node,
      form: 'single',
      policy: policyOf(config),
      pace,
      intervals: async () => {
        const settings = await store.home.settings();
        return {
          heartbeatMs: settings.heartbeatIntervalS * 1_000,
          leaseMs: settings.unhealthyIntervalS * 1_000,
        };
      },
      renderCallback,
      clock: systemClock,
      log,
      watch: watchFor(meters, () => {
        dispatcher.wake();
        void store
          .tidyUp(policyOf(config))
          .catch((error: unknown) => log.warn({}, `could not tidy up after the run: ${wordsOf(error)}`));
      }),
      onDisplaced: () =>
        finish({
          reason: 'displaced',
          words: `another process runs under the name ${name}: give each its own COREAPP_HOSTNAME, MESSAGE_GC_CONTROL_LISTEN or MESSAGE_GC_NODE_ID`,
        }),
      maxRows: null,
    });
    await coreapp.start();
    desk.open(coreapp);
    await dispatcher.start();
    void keeper.watch(stopping.signal);
  };

  // One try before the door opens, so that whoever waits for "listening" finds a service that works.
  let isPrepared = await keeper.tryOnce().catch(async (error: unknown) => {
    await store.close();
    throw error;
  });
  let listening: { readonly host: string; readonly port: number };
  try {
    if (isPrepared) await secureDoor();
    // Before the node's name is taken: a second process that cannot have the port must not displace the first.
    listening = await webapp.listen(config.listen);
    if (isPrepared) await begin();
  } catch (error) {
    await closeAll(webapp, desk, dispatcher, store, stopping, log);
    throw error;
  }
  const url = `http://${formatAddress(listening)}`;
  store.note(url);
  processLog.info(
    {
      http: url,
      node: name,
      database: config.database.where,
      store: policyOf(config).mapping.store,
      table: nameOf(policyOf(config).mapping.table),
      profile: config.profile,
      version: packageVersion,
    },
    'listening',
  );
  release();
  if (!isPrepared) {
    void (async () => {
      try {
        while (!isPrepared && !stopping.signal.aborted) {
          isPrepared = await keeper.untilPrepared(stopping.signal);
          if (!isPrepared) continue;
          await secureDoor();
          await begin();
        }
      } catch (error) {
        finish({ reason: error instanceof Refusal ? error.reason : 'failed', words: wordsOf(error) });
      }
    })();
  }
  return { url, over, stop: () => closeAll(webapp, desk, dispatcher, store, stopping, log) };
}

/** Beyond loopback anybody could log in with the built-in password. */
async function refuseOpenDoor(config: Config, hasOwnPassword: () => Promise<boolean>): Promise<void> {
  if (isLoopback(config.listen.host) || (await hasOwnPassword())) return;
  throw new Refusal(
    'configuration',
    `Listening on ${formatAddress(config.listen)} is refused while admin has the built-in password. Set MESSAGE_GC_ADMIN_PASSWORD, or log in once on loopback with a new_password`,
  );
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

/** From the door inwards: no new requests, the batch in hand, callbacks in hand, the database. */
async function closeAll(
  webapp: Webapp,
  desk: RunDeskOf,
  dispatcher: Dispatcher,
  store: ReturnType<typeof openStore>,
  stopping: AbortController,
  log: Log,
): Promise<void> {
  stopping.abort();
  for (const [what, close] of [
    ['the HTTP server', () => webapp.close()],
    ['the workers', () => desk.close()],
    ['the dispatcher', () => dispatcher.stop()],
    ['the database', () => store.close()],
  ] as const) {
    try {
      if (!(await endsWithin(close(), stepMs)))
        log.warn({}, `closing ${what} takes too long, going on without it`);
    } catch (error) {
      log.warn({}, `closing ${what} met an error: ${wordsOf(error)}`);
    }
  }
}

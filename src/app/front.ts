import { formatAddress, isLoopback } from '../config/address.js';
import type { Config } from '../config/read-config.js';
import { Refusal } from '../core/errors.js';
import type { Store } from '../core/ports.js';
import { systemClock } from '../kit/clock.js';
import type { Log } from '../kit/log.js';
import type { Meters } from '../metrics/meters.js';
import type { Lookout } from './outlook.js';
import type { RunDesk } from '../webapp/deps.js';
import { adminHasOwnPassword, ensureAdmin } from '../webapp/passwords.js';
import { createWebapp, type Webapp } from '../webapp/webapp.js';

export type FrontDeps = {
  readonly config: Config;
  readonly store: Store;
  readonly meters: Meters;
  readonly log: Log;
  readonly desk: RunDesk;
  readonly settingsChanged: () => void;
  readonly lookout: Lookout;
};

/** The Webapp of this process. */
export function createFront({
  config,
  store,
  meters,
  log,
  desk,
  settingsChanged,
  lookout,
}: FrontDeps): Promise<Webapp> {
  return createWebapp({
    settings: {
      allowUsers: config.allowUsers,
      builtInMayLogIn: isLoopback(config.listen.host),
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
    settingsChanged,
    outlook: () => lookout.read(),
  });
}

/** Makes admin, once there is a database, and refuses a door that anybody could open. */
export async function secureDoor(config: Config, store: Store): Promise<void> {
  await ensureAdmin(store.home, config.adminPassword);
  // Beyond loopback anybody could log in with the built-in password.
  if (isLoopback(config.listen.host) || (await adminHasOwnPassword(store.home))) return;
  throw new Refusal(
    'configuration',
    `Listening on ${formatAddress(config.listen)} is refused while admin has the built-in password. Set MESSAGE_GC_ADMIN_PASSWORD, or log in once on loopback with a new_password`,
  );
}

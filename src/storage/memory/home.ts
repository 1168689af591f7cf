import type { Home } from '../../core/ports.js';
import { hasOtherSlots } from '../../core/schedule.js';
import { defaultSettings } from '../../core/settings.js';
import type { Clock } from '../../kit/clock.js';
import type { HomeRows } from './tables.js';

/** What the Webapps keep. Copied on the way in and out, as through a database. */
export function createHome(rows: HomeRows, clock: Clock): Home {
  return {
    async settings() {
      return structuredClone(rows.settings ?? defaultSettings);
    },
    async changeSettings(change) {
      const before = rows.settings ?? defaultSettings;
      const settings = change(structuredClone(before));
      if (settings === null) return;
      if (hasOtherSlots(before.schedule, settings.schedule))
        rows.slots = { since: clock.now().getTime(), last: null, warning: null };
      rows.settings = structuredClone(settings);
    },
    async secret(name, make) {
      const value = rows.secrets.get(name) ?? make();
      rows.secrets.set(name, value);
      return value;
    },
    async user(name) {
      return rows.users.get(name.toLowerCase()) ?? null;
    },
    async saveUser(user) {
      rows.users.set(user.name.toLowerCase(), user);
    },
    async isRevoked(tokenId) {
      return rows.revoked.has(tokenId);
    },
    async revoke(tokenId, expires) {
      // Tokens that expired by themselves need no row any more.
      for (const [id, until] of rows.revoked) if (until < clock.now().getTime()) rows.revoked.delete(id);
      rows.revoked.set(tokenId, expires.getTime());
    },
  };
}

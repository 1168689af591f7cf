import type { Home, User } from '../../core/ports.js';
import { hasOtherSlots } from '../../core/schedule.js';
import { type ApplicationSettings, defaultSettings } from '../../core/settings.js';
import { control, type Db, type Dialect, reading } from './dialect.js';
import { beginSlotsAnew } from './slots.js';

/** Settings, users and revoked tokens: what the Webapps keep. */
export function homeOf(dialect: Dialect): Home {
  return {
    async settings() {
      return settingsFrom(await readSetting(dialect, 'application'));
    },
    changeSettings: (change) => changeSettings(dialect, change),
    async secret(name, make) {
      await control(dialect, 'make a secret', (trx) =>
        dialect.insertUnlessThere(trx, 'setting', { name, value: make() }),
      );
      const value = await readSetting(dialect, name);
      if (value === null) throw new Error(`The secret "${name}" is gone from the settings table`);
      return value;
    },
    async user(name) {
      const row = await reading(dialect, 'read a user', (db) =>
        db.selectFrom('user').selectAll().where('name', '=', name.toLowerCase()).executeTakeFirst(),
      );
      return row === undefined
        ? null
        : { name: row.shown_name, role: row.role, passwordHash: row.password_hash };
    },
    saveUser: (user) => saveUser(dialect, user),
    async isRevoked(tokenId) {
      const row = await reading(dialect, 'look a token up', (db) =>
        db.selectFrom('revoked_token').select('id').where('id', '=', tokenId).executeTakeFirst(),
      );
      return row !== undefined;
    },
    async revoke(tokenId, expires) {
      await control(dialect, 'revoke a token', (trx) =>
        dialect.insertUnlessThere(trx, 'revoked_token', { id: tokenId, expires_at: expires }),
      );
    },
  };
}

/** What an older version saved has not every setting. */
function settingsFrom(value: string | null): ApplicationSettings {
  if (value === null) return defaultSettings;
  return { ...defaultSettings, ...(JSON.parse(value) as Partial<ApplicationSettings>) };
}

async function changeSettings(
  dialect: Dialect,
  change: (before: ApplicationSettings) => ApplicationSettings | null,
): Promise<void> {
  await control(dialect, 'save the settings', async (trx) => {
    const before = settingsFrom((await lockSettings(trx)) ?? (await makeSettings(dialect, trx)));
    const settings = change(before);
    if (settings === null) return;
    const value = JSON.stringify(settings);
    await trx.updateTable('setting').set({ value }).where('name', '=', 'application').execute();
    if (hasOtherSlots(before.schedule, settings.schedule)) await beginSlotsAnew(dialect, trx);
  });
}

async function lockSettings(trx: Db): Promise<string | null> {
  const row = await trx
    .selectFrom('setting')
    .select('value')
    .where('name', '=', 'application')
    .forUpdate()
    .executeTakeFirst();
  return row?.value ?? null;
}

/** Of two that are the first, one waits here for the other, and finds what that one wrote. */
async function makeSettings(dialect: Dialect, trx: Db): Promise<string | null> {
  const value = JSON.stringify(defaultSettings);
  await dialect.insertUnlessThere(trx, 'setting', { name: 'application', value });
  return lockSettings(trx);
}

export async function readSetting(dialect: Dialect, name: string): Promise<string | null> {
  const row = await reading(dialect, 'read a setting', (db) =>
    db.selectFrom('setting').select('value').where('name', '=', name).executeTakeFirst(),
  );
  return row?.value ?? null;
}

export async function writeSetting(dialect: Dialect, name: string, value: string): Promise<void> {
  await control(dialect, 'write a setting', async (trx) => {
    await dialect.insertUnlessThere(trx, 'setting', { name, value });
    await trx.updateTable('setting').set({ value }).where('name', '=', name).execute();
  });
}

async function saveUser(dialect: Dialect, user: User): Promise<void> {
  const name = user.name.toLowerCase();
  await control(dialect, 'save a user', async (trx) => {
    await dialect.insertUnlessThere(trx, 'user', {
      name,
      shown_name: user.name,
      role: user.role,
      password_hash: user.passwordHash,
      made_at: dialect.now(),
    });
    await trx
      .updateTable('user')
      .set({ role: user.role, password_hash: user.passwordHash })
      .where('name', '=', name)
      .execute();
  });
}

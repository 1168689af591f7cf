import { expect, it } from 'vitest';
import type { User } from '../../src/core/ports.js';
import { defaultSettings } from '../../src/core/settings.js';
import type { InWorld } from './exercise-store.js';

export function homeSentences(inWorld: InWorld): void {
  it(
    'settings are the defaults until they are saved, and then what was saved',
    inWorld(async (world) => {
      const { home } = world.store;
      expect(await home.settings()).toEqual(defaultSettings);
      const changed = {
        ...defaultSettings,
        webhookUrl: 'https://receiver.test/hook?a=1&b=ü',
        callbackBackoffDelayMs: 1_000,
        heartbeatIntervalS: 7,
        kept: { sent_status: true, nested: { list: [1, 'zwei', null] } },
      };
      await home.saveSettings(changed);
      expect(await home.settings()).toEqual(changed);
      await home.saveSettings(defaultSettings);
      expect(await home.settings()).toEqual(defaultSettings);
    }),
  );

  it(
    'a user is found by its name without regard to case, and saving changes it',
    inWorld(async (world) => {
      const { home } = world.store;
      const user: User = { name: 'Anna', role: 'ROLE_USER', passwordHash: 'scrypt$1$2$3$c2FsdA==$aGFzaA==' };
      expect(await home.user('anna')).toBeNull();
      await home.saveUser(user);
      for (const name of ['anna', 'ANNA', 'Anna']) {
        const found = await home.user(name);
        expect(found?.name.toLowerCase()).toBe('anna');
        expect(found).toMatchObject({ role: user.role, passwordHash: user.passwordHash });
      }
      await home.saveUser({ ...user, name: 'ANNA', role: 'ROLE_ADMIN', passwordHash: 'other' });
      expect(await home.user('anna')).toMatchObject({ role: 'ROLE_ADMIN', passwordHash: 'other' });
      expect(await home.user('ann')).toBeNull();
    }),
  );

  it(
    'a revoked token stays revoked, and no other one is',
    inWorld(async (world) => {
      const { home } = world.store;
      const tomorrow = new Date(Date.now() + 86_400_000);
      expect(await home.isRevoked('token-1')).toBe(false);
      await home.revoke('token-1', tomorrow);
      await home.revoke('token-1', tomorrow);
      await home.revoke('token-2', tomorrow);
      expect(await home.isRevoked('token-1')).toBe(true);
      expect(await home.isRevoked('token-2')).toBe(true);
      expect(await home.isRevoked('token-3')).toBe(false);
    }),
  );

  it(
    'the first writer of a secret wins, also when several make one at once',
    inWorld(async (world) => {
      const { home } = world.store;
      const answers = await Promise.all(
        ['a', 'b', 'c'].map((letter) => home.secret('jwt_key', () => letter.repeat(32))),
      );
      expect(new Set(answers).size).toBe(1);
      expect(['a', 'b', 'c'].map((letter) => letter.repeat(32))).toContain(answers[0]);
      expect(await home.secret('jwt_key', () => 'late')).toBe(answers[0]);
    }),
  );
}

import { expect, it } from 'vitest';
import type { User } from '../../src/core/ports.js';
import { defaultSchedule } from '../../src/core/schedule.js';
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
      await home.changeSettings(() => changed);
      expect(await home.settings()).toEqual(changed);
      await home.changeSettings(() => defaultSettings);
      expect(await home.settings()).toEqual(defaultSettings);
    }),
  );

  it(
    'settings that several Webapps change at once lose no change',
    inWorld(async ({ store: { home } }) => {
      const add = (number: number) =>
        home.changeSettings((before) => ({
          ...before,
          kept: { ...before.kept, [`from_${number}`]: number },
        }));
      await Promise.all(Array.from({ length: 8 }, (_, number) => add(number)));
      const { kept } = await home.settings();
      expect(Object.keys(kept).toSorted()).toEqual(
        Array.from({ length: 8 }, (_, number) => `from_${number}`),
      );
      await home.changeSettings(() => null);
      expect((await home.settings()).kept).toEqual(kept);
    }),
  );

  it(
    'a schedule that is switched on or changed begins anew, in the time of the database',
    inWorld(async ({ store: { home, slots } }) => {
      const before = await slots.read();
      expect(before).toMatchObject({ since: null, last: null, warning: null });
      expect(before.storeId).toMatch(/^[0-9a-f]{32}$/);
      const on = { ...defaultSchedule, enabled: true };
      await home.changeSettings(() => ({ ...defaultSettings, schedule: on }));
      const switched = await slots.read();
      expect(switched.since?.getTime()).toBeGreaterThanOrEqual(before.now.getTime());
      expect(switched.since?.getTime()).toBeLessThanOrEqual(switched.now.getTime());

      await slots.acted(new Date('2026-11-26T03:00Z'), 'a warning');
      const windows = [{ days: ['mon'], from: '01:00', to: '02:00' }] as const;
      await home.changeSettings(() => ({
        ...defaultSettings,
        schedule: { ...on, windows },
        webhookUrl: 'https://a.test/',
      }));
      expect(await slots.read()).toMatchObject({
        since: switched.since,
        last: new Date('2026-11-26T03:00Z'),
        warning: 'a warning',
      });
      await home.changeSettings(() => ({ ...defaultSettings, schedule: { ...on, cron: '0 4 * * *' } }));
      expect(await slots.read()).toMatchObject({ last: null, warning: null });
    }),
  );

  it(
    'the last slot acted on is only ever raised, whoever says so',
    inWorld(async ({ store: { slots } }) => {
      const at = (hour: number) => new Date(Date.UTC(2026, 10, 26, hour));
      await Promise.all([3, 5, 4].map((hour) => slots.acted(at(hour), `slot ${hour}`)));
      expect(await slots.read()).toMatchObject({ last: at(5), warning: 'slot 5' });
      await slots.acted(at(5), null);
      await slots.acted(at(2), 'late');
      expect(await slots.read()).toMatchObject({ last: at(5), warning: 'slot 5' });
      await slots.acted(at(6), null);
      expect(await slots.read()).toMatchObject({ last: at(6), warning: null });
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

import { decodeJwt, decodeProtectedHeader } from 'jose';
import { describe, expect, it } from 'vitest';
import {
  adminHasOwnPassword,
  ensureAdmin,
  hashPassword,
  passwordFault,
  verifyPassword,
} from '../../src/webapp/passwords.js';
import { basic, gc, unreachable, World } from './world.js';

const url = '/v1/users/login';

describe('a log-in', () => {
  it('gives a token for seven days, in the form that clients parse', async () => {
    const world = new World();
    await world.withAdmin('Own-passw0rd');
    const webapp = await world.webapp();
    const answer = await webapp.inject({
      method: 'POST',
      url,
      headers: { authorization: basic('ADMIN', 'Own-passw0rd') },
    });
    expect(answer.statusCode).toBe(200);
    const [{ token, expires_after: expires }] = answer.json().users;
    const claims = decodeJwt(token);
    expect(decodeProtectedHeader(token).alg).toBe('HS256');
    expect(claims['user']).toBe('admin');
    expect((claims.exp ?? 0) - (claims.iat ?? 0)).toBe(604_800);
    expect(expires).toMatch(/^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\+00:00$/);
    expect(new Date(expires).getTime() / 1_000).toBe(claims.exp);
    const put = await webapp.inject({
      method: 'PUT',
      url: gc,
      headers: { authorization: `Bearer ${token}` },
    });
    expect(put.statusCode).toBe(200);
  });

  it.each([
    ['a wrong password', basic('admin', 'wrong')],
    ['the built-in password after it was replaced', basic('admin', 'secret')],
    ['an unknown user', basic('nobody', 'Own-passw0rd')],
  ])('is refused for %s with the same words', async (_what, authorization) => {
    const world = new World();
    await world.withAdmin('Own-passw0rd');
    const webapp = await world.webapp();
    const answer = await webapp.inject({ method: 'POST', url, headers: { authorization } });
    expect(answer.statusCode).toBe(401);
    expect(answer.json().errors).toStrictEqual([
      { code: 1005, title: 'Access denied', details: 'Invalid credentials.' },
    ]);
  });

  it.each([undefined, 'Basic', 'Basic %%%', 'Bearer x', basic('', 'x')])(
    'is refused without user and password: %s',
    async (authorization) => {
      const webapp = await new World().webapp();
      const headers = authorization === undefined ? {} : { authorization };
      const answer = await webapp.inject({ method: 'POST', url, headers });
      expect(answer.statusCode).toBe(401);
      expect(answer.headers['www-authenticate']).toContain('Basic');
    },
  );

  it('with the built-in password asks for another, and takes it once', async () => {
    const world = new World();
    await world.withAdmin(null);
    const webapp = await world.webapp();
    const builtIn = { authorization: basic('admin', 'secret') };
    const asked = await webapp.inject({ method: 'POST', url, headers: builtIn });
    expect([asked.statusCode, asked.json().errors[0].code]).toStrictEqual([403, 1024]);
    expect(asked.json().errors[0].details).toContain('new_password');
    const weak = await webapp.inject({
      method: 'POST',
      url,
      headers: builtIn,
      payload: { new_password: 'short' },
    });
    expect([weak.statusCode, weak.json().errors[0].code]).toStrictEqual([400, 1009]);
    expect(await adminHasOwnPassword(world.home)).toBe(false);

    const set = await webapp.inject({
      method: 'POST',
      url,
      headers: builtIn,
      payload: { new_password: 'Own-passw0rd' },
    });
    expect(set.statusCode).toBe(200);
    expect(await adminHasOwnPassword(world.home)).toBe(true);
    expect((await webapp.inject({ method: 'POST', url, headers: builtIn })).statusCode).toBe(401);
    const own = { authorization: basic('admin', 'Own-passw0rd') };
    expect((await webapp.inject({ method: 'POST', url, headers: own })).statusCode).toBe(200);
    const again = await webapp.inject({
      method: 'POST',
      url,
      headers: own,
      payload: { new_password: 'Other-passw0rd' },
    });
    expect([again.statusCode, again.json().errors[0].code]).toStrictEqual([400, 1010]);
  });

  it('opens nothing with the built-in password beyond loopback, whenever the door was opened', async () => {
    const world = new World();
    await world.withAdmin(null);
    const webapp = await world.webapp({ builtInMayLogIn: false });
    const answer = await webapp.inject({
      method: 'POST',
      url,
      headers: { authorization: basic('admin', 'secret') },
      payload: { new_password: 'Taken-0ver' },
    });
    expect([answer.statusCode, answer.json().errors[0].code]).toStrictEqual([401, 1005]);
    expect(answer.json().errors[0].details).toContain('MESSAGE_GC_ADMIN_PASSWORD');
    expect(await adminHasOwnPassword(world.home)).toBe(false);
  });

  it('lets only one of two first passwords win', async () => {
    const world = new World();
    await world.withAdmin(null);
    const webapp = await world.webapp();
    const statuses = await Promise.all(
      ['First-passw0rd', 'Second-passw0rd'].map((password) =>
        webapp
          .inject({
            method: 'POST',
            url,
            headers: { authorization: basic('admin', 'secret') },
            payload: { new_password: password },
          })
          .then(({ statusCode }) => statusCode),
      ),
    );
    expect(new Set(statuses)).toStrictEqual(new Set([200, 401]));
  });

  it('with a wrong built-in password is not told that one must be set', async () => {
    const world = new World();
    await world.withAdmin(null);
    const webapp = await world.webapp();
    const answer = await webapp.inject({
      method: 'POST',
      url,
      headers: { authorization: basic('admin', 'Secret') },
    });
    expect(answer.json().errors[0].code).toBe(1005);
  });

  it.each([['[]'], ['{"new_password":7}'], ['{"newpassword":"x"}']])(
    'refuses the body %s',
    async (payload) => {
      const webapp = await new World().webapp();
      const headers = { authorization: basic('admin', 'secret'), 'content-type': 'application/json' };
      const answer = await webapp.inject({ method: 'POST', url, headers, payload });
      expect(answer.statusCode).toBe(400);
    },
  );

  it('answers 503 while the database cannot be reached', async () => {
    const world = new World();
    world.homeDown = unreachable();
    const webapp = await world.webapp();
    const answer = await webapp.inject({
      method: 'POST',
      url,
      headers: { authorization: basic('admin', 'secret') },
    });
    expect([answer.statusCode, answer.json().errors[0].code]).toStrictEqual([503, 1011]);
  });

  it('answers 503, and not that the password is wrong, until the accounts have been made', async () => {
    const world = new World();
    const webapp = await world.webapp();
    world.users.clear();
    const log = (name: string) =>
      webapp.inject({ method: 'POST', url, headers: { authorization: basic(name, 'Own-passw0rd') } });
    const early = await log('admin');
    expect([early.statusCode, early.json().errors[0].code]).toStrictEqual([503, 1011]);
    expect(early.headers['retry-after']).toBe('5');
    expect((await log('nobody')).statusCode).toBe(401);
  });
});

describe('passwords', () => {
  it('are kept with the parameters of their hash, and two hashes of one differ', async () => {
    const [one, other] = await Promise.all([hashPassword('Own-passw0rd'), hashPassword('Own-passw0rd')]);
    expect(one).toMatch(/^scrypt\$32768\$8\$3\$[\w-]{22}\$[\w-]{43}$/);
    expect(one).not.toBe(other);
    expect(await verifyPassword('Own-passw0rd', one)).toBe(true);
    expect(await verifyPassword('own-passw0rd', one)).toBe(false);
  });

  it('take as long to refuse for somebody unknown as for anybody', async () => {
    const known = await hashPassword('Own-passw0rd');
    const timed = async (stored: string | null): Promise<number> => {
      const begun = performance.now();
      expect(await verifyPassword('wrong', stored)).toBe(false);
      return performance.now() - begun;
    };
    const knownMs = await timed(known);
    // A missing hash would make these a thousand times faster; a quarter leaves room for a busy machine.
    expect(await timed(null)).toBeGreaterThan(knownMs / 4);
    expect(await timed('initial')).toBeGreaterThan(knownMs / 4);
  });

  it('are told what they lack', () => {
    expect(passwordFault('Own-passw0rd')).toBeNull();
    expect(passwordFault('abcdefgh')).toBe(
      'new_password needs a digit, an upper-case letter, a special character such as ! # % + -',
    );
    expect(passwordFault('aB1!')).toContain('8 to 64 characters (it has 4)');
    expect(passwordFault(`aB1!${'x'.repeat(61)}`)).toContain('it has 65');
  });

  it('of automation are applied once and never replace one that was set', async () => {
    const world = new World();
    await ensureAdmin(world.home, null);
    expect(await adminHasOwnPassword(world.home)).toBe(false);
    await ensureAdmin(world.home, 'From-the-env1');
    expect(await adminHasOwnPassword(world.home)).toBe(true);
    const kept = world.users.get('admin')?.passwordHash ?? '';
    await ensureAdmin(world.home, 'Another-env-1');
    expect(world.users.get('admin')?.passwordHash).toBe(kept);
    expect(await verifyPassword('From-the-env1', kept)).toBe(true);
  });

  it('are hashed two at once at most, and a flood is refused', async () => {
    const world = new World();
    await world.withAdmin('Own-passw0rd');
    const kept = world.users.get('admin')?.passwordHash ?? '';
    // One cheap round stands for the real cost: the queue counts calls, not time.
    const cheap = kept.replace('$32768$8$3$', '$2$1$1$');
    const answers = await Promise.allSettled(Array.from({ length: 100 }, () => verifyPassword('x', cheap)));
    expect(answers.filter(({ status }) => status === 'rejected')).toHaveLength(100 - 66);
  });
});

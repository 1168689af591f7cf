import { SignJWT } from 'jose';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { gc, unreachable, World } from './world.js';

afterEach(() => {
  vi.useRealTimers();
});

const key = new TextEncoder().encode('a key of sixteen or more');
const code = (answer: { json: () => { errors: [{ code: number }] } }): number => answer.json().errors[0].code;

describe('a door', () => {
  it.each([
    ['PUT', gc],
    ['GET', gc],
    ['DELETE', gc],
    ['PATCH', gc],
    ['GET', `${gc}/${'a'.repeat(32)}`],
    ['POST', '/v1/users/logout'],
    ['GET', '/v1/settings/application'],
    ['PATCH', '/v1/settings/application'],
    ['DELETE', '/v1/settings/application'],
    ['GET', '/v1/health'],
    ['GET', '/metrics'],
    ['GET', `${gc}/events`],
    ['HEAD', gc],
    ['PUT', `${gc}/`],
  ] as const)('%s %s is closed without a token', async (method, url) => {
    const webapp = await new World().webapp();
    const answer = await webapp.inject({ method, url });
    expect(answer.statusCode).toBe(401);
    if (method !== 'HEAD') expect(code(answer)).toBe(1005);
    expect(answer.headers['www-authenticate']).toBe('Bearer');
  });

  it('is closed to tokens that are signed with another key, run out, unsigned or no tokens', async () => {
    const world = new World();
    const webapp = await world.webapp();
    await world.bearer();
    const sign = (exp: number, by: Uint8Array) =>
      new SignJWT({ user: 'admin' })
        .setProtectedHeader({ alg: 'HS256' })
        .setIssuedAt(0)
        .setExpirationTime(exp)
        .setJti('0'.repeat(32))
        .sign(by);
    const soon = Math.floor(Date.now() / 1_000) + 60;
    const unsigned = `${Buffer.from('{"alg":"none"}').toString('base64url')}.${Buffer.from(`{"user":"admin","exp":${soon},"jti":"1"}`).toString('base64url')}.`;
    const wrong = [
      await sign(soon, new TextEncoder().encode('another key of sixteen')),
      await sign(1, key),
      unsigned,
      'x',
      '',
    ];
    for (const token of wrong) {
      const answer = await webapp.inject({
        method: 'PUT',
        url: gc,
        headers: { authorization: `Bearer ${token}` },
      });
      expect(answer.statusCode).toBe(401);
    }
    const right = await webapp.inject({
      method: 'PUT',
      url: gc,
      headers: { authorization: `Bearer ${await sign(soon, key)}` },
    });
    expect(right.statusCode).toBe(200);
  });

  it('is closed to a token that has been let in before and has run out since', async () => {
    const world = new World();
    const webapp = await world.webapp();
    const authorization = await world.bearer();
    const look = () => webapp.inject({ method: 'GET', url: gc, headers: { authorization } });
    expect((await look()).statusCode).toBe(200);
    vi.useFakeTimers({ toFake: ['Date'], now: Date.now() + 8 * 86_400_000 });
    expect((await look()).statusCode).toBe(401);
  });

  it('is closed to users who are no admin, with 403, unless they are let in', async () => {
    const world = new World();
    const authorization = await world.bearer('clerk');
    const strict = await world.webapp();
    const refused = await strict.inject({ method: 'PUT', url: gc, headers: { authorization } });
    expect([refused.statusCode, code(refused)]).toStrictEqual([403, 1005]);
    const open = await world.webapp({ allowUsers: true });
    expect((await open.inject({ method: 'PUT', url: gc, headers: { authorization } })).statusCode).toBe(200);
    const settings = await open.inject({
      method: 'GET',
      url: '/v1/settings/application',
      headers: { authorization },
    });
    expect([settings.statusCode, code(settings)]).toStrictEqual([403, 1005]);
    expect(
      (await open.inject({ method: 'GET', url: '/v1/health', headers: { authorization } })).statusCode,
    ).toBe(200);
  });

  it('is closed to the tokens of a user who is gone', async () => {
    const world = new World();
    const webapp = await world.webapp();
    const authorization = await world.bearer();
    world.users.clear();
    expect((await webapp.inject({ method: 'GET', url: gc, headers: { authorization } })).statusCode).toBe(
      401,
    );
  });

  it('closes at once behind a log-out, and only for that token', async () => {
    const world = new World();
    const webapp = await world.webapp();
    const [one, other] = [await world.bearer(), await world.bearer()];
    const look = (authorization: string) =>
      webapp
        .inject({ method: 'GET', url: gc, headers: { authorization } })
        .then(({ statusCode }) => statusCode);
    expect(await look(one)).toBe(200);
    const out = await webapp.inject({
      method: 'POST',
      url: '/v1/users/logout',
      headers: { authorization: one },
    });
    expect(out.statusCode).toBe(200);
    expect(Object.keys(out.json())).toStrictEqual(['meta']);
    expect(await look(one)).toBe(401);
    expect(await look(other)).toBe(200);
  });
});

describe('while the database cannot be reached', () => {
  it('a well-signed token passes for the PUT, which then starts nothing', async () => {
    const world = new World();
    const webapp = await world.webapp();
    const authorization = await world.bearer('clerk');
    world.homeDown = unreachable();
    const answer = await webapp.inject({ method: 'PUT', url: gc, headers: { authorization } });
    expect(answer.statusCode).toBe(500);
    expect(answer.json().errors[0]).toMatchObject({
      code: 1014,
      details: 'connect ECONNREFUSED 127.0.0.1:5432. Please check if wacore is running: wacore:6252',
    });
    // The role was not looked up, so nothing may be started even if the desk could.
    expect(world.asked).toHaveLength(0);
  });

  it('a well-signed token passes for health, which says disconnected', async () => {
    const world = new World();
    const webapp = await world.webapp();
    const authorization = await world.bearer();
    world.homeDown = unreachable();
    const answer = await webapp.inject({ method: 'GET', url: '/v1/health', headers: { authorization } });
    expect(answer.statusCode).toBe(200);
    expect(answer.json().health).toStrictEqual({ gateway_status: 'disconnected' });
  });

  const lastSeen = [
    { name: 'wacore2:9dfe77618dba', gateway_status: 'disconnected', role: 'coreapp' },
  ] as const;

  it('health of a cluster keeps its form: the nodes last seen, disconnected', async () => {
    const world = new World();
    world.nodesLastSeen = lastSeen;
    const webapp = await world.webapp();
    const authorization = await world.bearer();
    world.homeDown = unreachable();
    const { health, warnings } = (
      await webapp.inject({ method: 'GET', url: '/v1/health', headers: { authorization } })
    ).json();
    expect(health).toStrictEqual({
      'wacore2:9dfe77618dba': { gateway_status: 'disconnected', role: 'coreapp' },
    });
    expect(warnings).toStrictEqual([expect.stringMatching(/^The database does not answer this Webapp/)]);
  });

  it('and no token can be verified, health of a cluster names no node', async () => {
    const world = new World();
    world.nodesLastSeen = lastSeen;
    world.homeDown = unreachable();
    const webapp = await world.webapp({ jwtKey: null });
    const headers = { authorization: 'Bearer x.y.z' };
    const answer = await webapp.inject({ method: 'GET', url: '/v1/health', headers });
    expect(answer.json()).toMatchObject({ health: {}, warnings: [expect.stringContaining('database')] });
    expect(answer.body).not.toContain('wacore2');
  });

  it('a badly signed token passes nowhere', async () => {
    const world = new World();
    const webapp = await world.webapp();
    const authorization = await world.bearer('admin', 'another key of sixteen');
    world.homeDown = unreachable();
    for (const [method, url] of [
      ['PUT', gc],
      ['GET', '/v1/health'],
    ] as const) {
      expect((await webapp.inject({ method, url, headers: { authorization } })).statusCode).toBe(401);
    }
  });

  it('everything else answers 503 and 1011, and tells no address', async () => {
    const world = new World();
    const webapp = await world.webapp();
    const authorization = await world.bearer();
    world.homeDown = unreachable();
    for (const [method, url] of [
      ['GET', gc],
      ['DELETE', gc],
      ['PATCH', gc],
      ['GET', '/v1/settings/application'],
      ['GET', '/metrics'],
      ['POST', '/v1/users/logout'],
    ] as const) {
      const answer = await webapp.inject({ method, url, headers: { authorization } });
      expect([url, answer.statusCode, code(answer)]).toStrictEqual([url, 503, 1011]);
      expect(answer.body).not.toContain('127.0.0.1');
    }
  });

  it('and the key was never loaded, a PUT with any token says that it cannot start', async () => {
    const world = new World();
    world.homeDown = unreachable();
    const webapp = await world.webapp({ jwtKey: null });
    const put = (authorization?: string) =>
      webapp.inject({
        method: 'PUT',
        url: gc,
        headers: authorization === undefined ? {} : { authorization },
      });
    expect((await put('Bearer x.y.z')).json().errors[0].code).toBe(1014);
    expect((await put()).statusCode).toBe(401);
  });
});

describe('while the database hangs', () => {
  it('a PUT still answers within five seconds', async () => {
    const world = new World();
    const webapp = await world.webapp();
    const authorization = await world.bearer();
    let asked = false;
    world.home.isRevoked = () => {
      asked = true;
      return new Promise(() => undefined);
    };
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
    const pending = webapp.inject({ method: 'PUT', url: gc, headers: { authorization } });
    await vi.waitFor(() => expect(asked).toBe(true), { interval: 1 });
    await vi.advanceTimersByTimeAsync(4_999);
    const answer = await pending;
    expect(answer.json().errors[0].details).toBe(
      'Connection timed out. Please check if wacore is running: wacore:6252',
    );
    expect(world.asked).toHaveLength(0);
  });
});

describe('the key of the tokens', () => {
  it('is made once and kept when none is configured', async () => {
    const world = new World();
    await world.withAdmin('Own-passw0rd');
    const login = { authorization: `Basic ${Buffer.from('admin:Own-passw0rd').toString('base64')}` };
    const first = await world.webapp({ jwtKey: null });
    const answer = await first.inject({ method: 'POST', url: '/v1/users/login', headers: login });
    expect(world.key).toMatch(/^[\w-]{43}$/);
    const second = await world.webapp({ jwtKey: null });
    const authorization = `Bearer ${answer.json().users[0].token}`;
    expect((await second.inject({ method: 'GET', url: gc, headers: { authorization } })).statusCode).toBe(
      200,
    );
  });
});

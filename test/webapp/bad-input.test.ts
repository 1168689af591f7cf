import { once } from 'node:events';
import { request } from 'node:http';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import { setImmediate } from 'node:timers/promises';
import { afterEach, describe, expect, it } from 'vitest';
import { Refusal } from '../../src/core/errors.js';
import { meta } from '../../src/wire/meta.js';
import type { Address, Webapp } from '../../src/webapp/webapp.js';
import { gc, runId, World } from './world.js';

const opened: Webapp[] = [];
afterEach(async () => {
  for (const webapp of opened.splice(0)) await webapp.close();
});
async function listening(world: World): Promise<{ readonly webapp: Webapp; readonly at: Address }> {
  const webapp = await world.webapp();
  opened.push(webapp);
  return { webapp, at: await webapp.listen({ host: '127.0.0.1', port: 0 }) };
}

/** Sends bytes as they are and gives back all that comes until the connection ends. */
async function raw(at: Address, bytes: string): Promise<string> {
  const socket = await connected(at);
  let text = '';
  socket.on('data', (chunk: Buffer) => {
    text += chunk.toString('utf8');
  });
  socket.write(bytes);
  await once(socket, 'close');
  return text;
}

async function connected({ host, port }: Address): Promise<Socket> {
  const socket = connect(port, host);
  socket.on('error', () => socket.destroy());
  await once(socket, 'connect');
  return socket;
}

async function put(
  at: Address,
  headers: Record<string, string>,
  body: string,
): Promise<{ status: number; json: unknown }> {
  const call = request({ ...at, method: 'PUT', path: gc, headers, agent: false });
  // A refused body is not read to its end: the rest of it may meet a closed connection.
  call.on('error', () => undefined);
  call.end(body);
  const [answer] = (await once(call, 'response')) as [import('node:http').IncomingMessage];
  let text = '';
  for await (const chunk of answer) text += String(chunk);
  return { status: answer.statusCode ?? 0, json: JSON.parse(text) };
}

const envelope = (code: number, words: string) => ({
  meta,
  errors: [{ code, title: expect.any(String), details: expect.stringContaining(words) }],
});

describe('what is no route', () => {
  it('answers 404 and 1006', async () => {
    const webapp = await new World().webapp();
    const answer = await webapp.inject({ method: 'GET', url: '/v1/nothing?x=1' });
    expect(answer.statusCode).toBe(404);
    expect(answer.json()).toStrictEqual(envelope(1006, '/v1/nothing'));
  });

  it.each([
    ['POST', gc, 'PUT, GET, HEAD, PATCH, DELETE'],
    ['PATCH', `${gc}/${runId}`, 'GET, HEAD'],
    ['GET', '/v1/users/login', 'POST'],
    ['OPTIONS', '/metrics', 'GET, HEAD'],
    ['PUT', '/v1/settings/application', 'GET, HEAD, PATCH, DELETE'],
  ] as const)('answers 405 to %s %s and says what is allowed', async (method, url, allow) => {
    const webapp = await new World().webapp();
    const answer = await webapp.inject({ method, url });
    expect(answer.statusCode).toBe(405);
    expect(answer.headers.allow).toBe(allow);
    expect(answer.json()).toStrictEqual(envelope(1025, 'takes'));
  });

  it('answers 400 to a path that cannot be decoded', async () => {
    const webapp = await new World().webapp();
    const answer = await webapp.inject({ method: 'GET', url: '/v1/%zz' });
    expect(answer.statusCode).toBe(400);
    expect(answer.json()).toStrictEqual(envelope(1025, 'path'));
  });

  it('makes no meter of its own for every path that somebody tries', async () => {
    const world = new World();
    const webapp = await world.webapp();
    await webapp.inject({ method: 'GET', url: '/wp-login.php' });
    const { body } = await world.meters.text();
    expect(body).toContain('method="unmatched"');
    expect(body).not.toContain('wp-login');
  });
});

describe('a body', () => {
  it.each([
    ['application/json', '{"a":', 400, 'no valid JSON'],
    ['text/plain', 'hello', 415, 'send application/json'],
    ['nonsense', '{}', 415, 'application/json'],
  ])('of type %s with %s is refused in the envelope', async (type, payload, status, words) => {
    const world = new World();
    const webapp = await world.webapp();
    const headers = { authorization: await world.bearer(), 'content-type': type };
    const answer = await webapp.inject({ method: 'PUT', url: gc, headers, payload });
    expect(answer.statusCode).toBe(status);
    expect(answer.json()).toStrictEqual(envelope(1025, words));
    expect(world.asked).toHaveLength(0);
  });

  it('of 10 MB is refused with 413, and the process goes on', async () => {
    const world = new World();
    const { at } = await listening(world);
    const headers = { authorization: await world.bearer(), 'content-type': 'application/json' };
    const answer = await put(at, headers, `"${'x'.repeat(10_000_000)}"`);
    expect(answer.status).toBe(413);
    expect(answer.json).toStrictEqual(envelope(1025, '1048576 bytes'));
    expect((await put(at, headers, '')).status).toBe(200);
  });
});

describe('a connection', () => {
  it('with a header of 64 KB gets 431 in the envelope, and the process goes on', async () => {
    const world = new World();
    const { at } = await listening(world);
    const text = await raw(at, `GET /healthz HTTP/1.1\r\nHost: x\r\nX-Long: ${'x'.repeat(65_536)}\r\n\r\n`);
    expect(text).toMatch(/^HTTP\/1\.1 431 /);
    expect(JSON.parse(text.split('\r\n\r\n')[1] ?? '')).toStrictEqual(envelope(1025, 'headers'));
    expect((await put(at, { authorization: await world.bearer() }, '')).status).toBe(200);
  });

  it('with a method that nobody knows here gets 405 on a known path', async () => {
    const { at } = await listening(new World());
    const text = await raw(at, `PROPFIND ${gc} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n`);
    expect(text).toMatch(/^HTTP\/1\.1 405 /);
    expect(text).toContain('"code":1025');
  });

  it('that speaks no HTTP gets 400 in the envelope', async () => {
    const { at } = await listening(new World());
    const text = await raw(at, 'EHLO mail\r\n\r\n');
    expect(text).toMatch(/^HTTP\/1\.1 400 /);
    expect(text).toContain('"code":1025');
  });
});

describe('closing', () => {
  it('does not wait for connections that are kept alive or never say anything', async () => {
    const { webapp, at } = await listening(new World());
    const silent = await connected(at);
    const idle = await connected(at);
    idle.write('GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n');
    await once(idle, 'data');
    const begun = performance.now();
    await Promise.all([webapp.close(), once(silent, 'close'), once(idle, 'close')]);
    expect(performance.now() - begun).toBeLessThan(1_500);
    await webapp.close();
  });

  it('finishes the answer in hand', async () => {
    const world = new World();
    let answerNow = (): void => undefined;
    world.start = () =>
      new Promise((resolve) => {
        answerNow = () => resolve({ runId, joined: false });
      });
    const { webapp, at } = await listening(world);
    const pending = put(at, { authorization: await world.bearer() }, '');
    await expect.poll(() => world.asked.length).toBe(1);
    const closed = webapp.close();
    // Enough turns for a close that cuts connections to have cut this one.
    for (let turn = 0; turn < 20; turn += 1) await setImmediate();
    answerNow();
    expect((await pending).status).toBe(200);
    await closed;
  });
});

describe('listening', () => {
  it('on an address that is taken is refused with words', async () => {
    const blocker = createServer().listen(0, '127.0.0.1');
    await once(blocker, 'listening');
    const { port } = blocker.address() as AddressInfo;
    const webapp = await new World().webapp();
    opened.push(webapp);
    const error: unknown = await webapp
      .listen({ host: '127.0.0.1', port })
      .catch((thrown: unknown) => thrown);
    expect(error).toBeInstanceOf(Refusal);
    expect(error).toMatchObject({ reason: 'configuration', message: expect.stringContaining('EADDRINUSE') });
    blocker.close();
  });

  it('on the port that was closed a moment ago works at once', async () => {
    const first = await listening(new World());
    await put(first.at, {}, '');
    await first.webapp.close();
    const second = await new World().webapp();
    opened.push(second);
    expect(await second.listen(first.at)).toStrictEqual(first.at);
  });
});

describe('a body that reaches for the prototype of objects', () => {
  it.each(['{"__proto__":1}', '{"paused":true,"__proto__":{"x":1}}', '{"a":[{"__proto__":null}]}'])(
    '%s is refused with its key',
    async (payload) => {
      const world = new World();
      const webapp = await world.webapp();
      const answer = await webapp.inject({
        method: 'PATCH',
        url: gc,
        headers: { authorization: await world.bearer(), 'content-type': 'application/json' },
        payload,
      });
      expect(answer.statusCode).toBe(400);
      expect(answer.json()).toEqual(envelope(1010, '"__proto__"'));
    },
  );
});

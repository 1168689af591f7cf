import { createServer } from 'node:net';
import type { AddressInfo } from 'node:net';
import { expect, onTestFinished, test } from 'vitest';
import { failureWords } from '../../src/webhooks/failure-words.js';
import { createSender, senderTimeouts } from '../../src/webhooks/sender.js';
import type { Sender, SenderTimeouts } from '../../src/webhooks/sender.js';
import { closedUrl, receiver } from './receiver.js';
import type { Receiver } from './receiver.js';

function sender(timeouts: Partial<SenderTimeouts> = {}): Sender {
  const made = createSender({ ...senderTimeouts, ...timeouts });
  onTestFinished(() => made.close());
  return made;
}

async function listening(answer: Parameters<typeof receiver>[0]): Promise<Receiver> {
  const made = await receiver(answer);
  onTestFinished(() => made[Symbol.asyncDispose]());
  return made;
}

test('body and headers arrive as they were given, on a connection that is not kept', async () => {
  const hook = await listening((response) => response.end());
  const outcome = await sender().send({ url: hook.url, body: '{"a":"ä"}', headers: { 'webhook-id': 'c1' } });
  expect(outcome).toEqual({ kind: 'answered', status: 200 });
  expect(hook.arrived[0]?.body).toBe('{"a":"ä"}');
  expect(hook.arrived[0]?.headers).toMatchObject({ 'webhook-id': 'c1', connection: 'close' });
});

test.each([201, 204, 301, 404, 500])('a %i is told as it is', async (status) => {
  const hook = await listening((response) => response.writeHead(status).end());
  expect(await sender().send({ url: hook.url, body: '{}', headers: {} })).toEqual({
    kind: 'answered',
    status,
  });
});

test('a redirect is not followed', async () => {
  const target = await listening((response) => response.end());
  const hook = await listening((response) => response.writeHead(302, { Location: target.url }).end());
  const outcome = await sender().send({ url: hook.url, body: '{}', headers: {} });
  expect(outcome).toEqual({ kind: 'answered', status: 302 });
  expect(target.arrived).toHaveLength(0);
});

test('a receiver that never answers is left at the total limit', async () => {
  const hook = await listening(() => undefined);
  const began = performance.now();
  const outcome = await sender({ totalMs: 200 }).send({ url: hook.url, body: '{}', headers: {} });
  expect(outcome).toEqual({ kind: 'failed', words: expect.stringContaining('within 0.2 s') });
  expect(performance.now() - began).toBeLessThan(2_000);
});

test('a receiver that sends headers byte by byte without end is left at the total limit', async () => {
  const drip = createServer((socket) => {
    socket.write('HTTP/1.1 200 OK\r\n');
    const timer = setInterval(() => socket.write('x: y\r\n'), 20);
    socket.on('error', () => undefined).on('close', () => clearInterval(timer));
  });
  await new Promise<void>((resolve) => drip.listen(0, '127.0.0.1', resolve));
  onTestFinished(() => void drip.close());
  const { port } = drip.address() as AddressInfo;
  const outcome = await sender({ totalMs: 300 }).send({
    url: `http://127.0.0.1:${port}/`,
    body: '{}',
    headers: {},
  });
  expect(outcome).toEqual({ kind: 'failed', words: expect.stringContaining('No answer') });
});

test('a 200 whose body streams without end counts at once and its connection is cut after a bounded read', async () => {
  let written = 0;
  let cut: () => void = () => undefined;
  const closed = new Promise<void>((resolve) => {
    cut = resolve;
  });
  const hook = await listening((response) => {
    response.writeHead(200);
    const part = Buffer.alloc(16 * 1024);
    const more = (): void => {
      while (!response.destroyed && response.write(part)) written += part.length;
    };
    response.on('drain', more).on('error', () => undefined);
    response.on('close', cut);
    more();
  });
  // Only the number of bytes can end this read: the time is out of reach.
  const outcome = await sender({ bodyMs: 60_000, totalMs: 60_000 }).send({
    url: hook.url,
    body: '{}',
    headers: {},
  });
  expect(outcome).toEqual({ kind: 'answered', status: 200 });
  await closed;
  // What the kernel's buffers took is beyond us; that it ended is the point.
  expect(written).toBeLessThan(64 * 1024 * 1024);
});

test('a 200 whose body trickles is cut after a moment', async () => {
  let cut: () => void = () => undefined;
  const closed = new Promise<void>((resolve) => {
    cut = resolve;
  });
  const hook = await listening((response) => {
    response.writeHead(200);
    response.write('.');
    response.on('close', cut);
  });
  const outcome = await sender({ bodyMs: 50 }).send({ url: hook.url, body: '{}', headers: {} });
  expect(outcome).toEqual({ kind: 'answered', status: 200 });
  await closed;
});

test('headers beyond the limit are a failure in words', async () => {
  const hook = await listening((response) => response.writeHead(200, { 'X-Big': 'x'.repeat(64_000) }).end());
  const outcome = await sender().send({ url: hook.url, body: '{}', headers: {} });
  expect(outcome).toEqual({ kind: 'failed', words: expect.stringContaining('more headers than are read') });
});

test('a refused connection names host and port and nothing else of the URL', async () => {
  const url = await closedUrl();
  const outcome = await sender().send({ url: `${url}?token=secret`, body: '{}', headers: {} });
  expect(outcome).toEqual({
    kind: 'failed',
    words: `${new URL(url).host} refused the connection. Is the receiver running?`,
  });
});

test('a socket closed without an answer says so', async () => {
  const hook = await listening((response) => response.destroy());
  const outcome = await sender().send({ url: hook.url, body: '{}', headers: {} });
  expect(outcome).toEqual({ kind: 'failed', words: expect.stringContaining('without an answer') });
});

test('https:// to a port that speaks plain HTTP says that it is no TLS', async () => {
  const hook = await listening((response) => response.end());
  const outcome = await sender().send({
    url: hook.url.replace('http:', 'https:'),
    body: '{}',
    headers: {},
  });
  expect(outcome).toEqual({ kind: 'failed', words: expect.stringContaining('does not speak TLS') });
});

test('a certificate that nobody vouches for is named with the way to mend it', () => {
  const error = Object.assign(new Error('self-signed certificate'), { code: 'DEPTH_ZERO_SELF_SIGNED_CERT' });
  expect(failureWords(new TypeError('fetch failed', { cause: error }), 'h:443')).toMatch(
    /certificate of h:443 .* NODE_EXTRA_CA_CERTS/,
  );
});

test.each(['', 'not a url', 'ftp://127.0.0.1/x', '127.0.0.1:80'])('%j is no URL to send to', async (url) => {
  const outcome = await sender().send({ url, body: '{}', headers: {} });
  expect(outcome).toEqual({ kind: 'failed', words: expect.stringContaining('webhooks.url') });
});

test('a signal breaks the attempt off', async () => {
  const hook = await listening(() => undefined);
  const stop = new AbortController();
  const sending = sender().send({ url: hook.url, body: '{}', headers: {} }, stop.signal);
  await hook.count(1);
  stop.abort();
  expect(await sending).toEqual({ kind: 'failed', words: expect.stringContaining('this process stops') });
});

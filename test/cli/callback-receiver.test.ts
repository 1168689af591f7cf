import { request } from 'undici';
import { expect, onTestFinished, test } from 'vitest';
import { formatReceived, startReceiver } from '../../src/cli/callback-receiver.js';
import type { Received } from '../../src/cli/callback-receiver.js';
import { Refusal } from '../../src/core/errors.js';

async function receiving(
  onCallback: (received: Received) => void = () => undefined,
): Promise<{ url: string; port: number; got: Received[] }> {
  const got: Received[] = [];
  const made = await startReceiver({
    host: '127.0.0.1',
    port: 0,
    onCallback: (received) => {
      got.push(received);
      onCallback(received);
    },
  });
  onTestFinished(() => made.close());
  return { url: made.url, port: Number(new URL(made.url).port), got };
}

test('a POST is shown with its headers and its body and answered with 200', async () => {
  const { url, got } = await receiving();
  const answer = await request(url, {
    method: 'POST',
    headers: { 'X-Request-ID': 'run-1', 'webhook-id': 'c1', Authorization: 'Bearer secret' },
    body: '{"services":[]}',
  });
  expect(answer.statusCode).toBe(200);
  await answer.body.dump();
  expect(got).toEqual([
    {
      at: expect.stringMatching(/^\d{4}-.*Z$/),
      headers: { 'X-Request-ID': 'run-1', 'webhook-id': 'c1' },
      body: '{"services":[]}',
      json: { services: [] },
    },
  ]);
});

test('a body that is no JSON is shown as text', async () => {
  const { url, got } = await receiving();
  const answer = await request(url, { method: 'POST', body: 'hello' });
  expect(answer.statusCode).toBe(200);
  expect(got[0]).toMatchObject({ body: 'hello', json: null });
});

test.each(['GET', 'PUT', 'DELETE'] as const)(
  'a %s is answered with 405 and is no callback',
  async (method) => {
    const { url, got } = await receiving();
    const answer = await request(url, { method });
    expect([answer.statusCode, answer.headers['allow']]).toEqual([405, 'POST']);
    expect(got).toEqual([]);
  },
);

test('a body of 1 MiB is taken, one byte more is answered with 413', async () => {
  const { url, got } = await receiving();
  const fits = await request(url, { method: 'POST', body: 'x'.repeat(1024 * 1024) });
  expect(fits.statusCode).toBe(200);
  const more = await request(url, { method: 'POST', body: 'x'.repeat(1024 * 1024 + 1) });
  expect(more.statusCode).toBe(413);
  expect(got).toHaveLength(1);
});

test('a callback that cannot be shown is answered with 500, so that it is sent again', async () => {
  const { url } = await receiving(() => {
    throw new Error('standard output is closed');
  });
  const answer = await request(url, { method: 'POST', body: '{}' });
  expect(answer.statusCode).toBe(500);
  expect(await answer.body.text()).toContain('standard output is closed');
});

test('a port that is taken is refused with the address in words', async () => {
  const { port } = await receiving();
  const second = startReceiver({ host: '127.0.0.1', port, onCallback: () => undefined });
  const error = await second.catch((thrown: unknown) => thrown);
  expect(error).toBeInstanceOf(Refusal);
  expect(error).toMatchObject({
    reason: 'configuration',
    message: expect.stringContaining(`127.0.0.1:${port}`),
  });
});

test('closing twice is one closing, and the port is free again', async () => {
  const first = await startReceiver({ host: '127.0.0.1', port: 0, onCallback: () => undefined });
  await Promise.all([first.close(), first.close()]);
  const port = Number(new URL(first.url).port);
  const second = await startReceiver({ host: '127.0.0.1', port, onCallback: () => undefined });
  await second.close();
});

test('a short body is printed as it came, a long one indented', () => {
  const body = '{"services":[{"message":{"gc":{"messages_deleted":5,"status":"complete"}}}]}';
  const at = '2026-01-01T00:00:00.000Z';
  const short = formatReceived({ at, headers: { 'webhook-id': 'c1' }, body, json: JSON.parse(body) });
  expect(short).toBe(`POST received at ${at}\n  webhook-id: c1\n\n  ${body}`);
  const long = JSON.stringify({ a: 'b'.repeat(200) });
  expect(formatReceived({ at, headers: {}, body: long, json: JSON.parse(long) })).toContain('\n    "a": "b');
});

test('control characters of a stranger do not reach the terminal', () => {
  const shown = formatReceived({
    at: 'now',
    headers: { 'User-Agent': 'a\u001b]0;title\u0007' },
    body: '\u001b[2J\u009b',
    json: null,
  });
  expect(shown.replaceAll('\n', '')).not.toMatch(/\p{Cc}/u);
});

import { request } from 'node:http';
import { expect, onTestFinished, test } from 'vitest';
import { Receiver } from './receiver.js';

async function open(): Promise<Receiver> {
  const receiver = await Receiver.start();
  onTestFinished(() => receiver.close());
  return receiver;
}

/** Resolves with the status, the bytes read before giving up, or the error's code. */
function post(url: string, id: string, body: string, giveUpMs = 300): Promise<string> {
  return new Promise((resolve) => {
    let bytes = 0;
    const outgoing = request(
      url,
      { method: 'POST', agent: false, headers: { 'webhook-id': id } },
      (response) => {
        response.on('data', (part: Buffer) => {
          bytes += part.length;
        });
        response.on('end', () => resolve(String(response.statusCode)));
        response.on('error', () => resolve(`more than ${bytes > 100_000 ? 'much' : 'little'}`));
      },
    );
    outgoing.on('error', (cause: NodeJS.ErrnoException) => resolve(bytes > 0 ? 'much' : String(cause.code)));
    setTimeout(() => outgoing.destroy(), giveUpMs);
    outgoing.end(body);
  });
}

test('each mode answers as it says, and every delivery is kept with its body', async () => {
  const receiver = await open();
  const answers: string[] = [];
  for (const mode of ['ok', 'fail500', 'redirect', 'dropAnswer', 'hang', 'endless'] as const) {
    receiver.mode = mode;
    answers.push(await post(receiver.url, 'a', mode));
  }
  expect(answers).toEqual(['200', '500', '302', 'ECONNRESET', 'ECONNRESET', 'more than much']);
  expect(receiver.deliveries.map(({ body }) => body)).toEqual([
    'ok',
    'fail500',
    'redirect',
    'dropAnswer',
    'hang',
    'endless',
  ]);
  expect(receiver.accepted.length).toBe(1);
});

test('two bodies under one id are seen', async () => {
  const receiver = await open();
  await post(receiver.url, 'a', 'one');
  await post(receiver.url, 'a', 'two');
  await receiver.waitFor(2);
  expect([...(receiver.byId.get('a') ?? [])]).toEqual(['one', 'two']);
});

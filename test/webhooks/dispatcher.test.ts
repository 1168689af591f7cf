import { expect, onTestFinished, test, vi } from 'vitest';
import { StoreError } from '../../src/core/errors.js';
import { defaultSettings } from '../../src/core/settings.js';
import { systemClock } from '../../src/kit/clock.js';
import type { Log } from '../../src/kit/log.js';
import { Dispatcher } from '../../src/webhooks/dispatcher.js';
import type { DispatcherDeps } from '../../src/webhooks/dispatcher.js';
import { createSender, senderTimeouts } from '../../src/webhooks/sender.js';
import { MemoryOutbox } from './memory-outbox.js';
import { closedUrl, receiver } from './receiver.js';
import type { Receiver } from './receiver.js';

type World = {
  readonly outbox: MemoryOutbox;
  readonly dispatcher: Dispatcher;
  readonly lines: { readonly level: string; readonly words: string; readonly facts: object }[];
  readonly results: string[];
  url: string;
};

/** A dispatcher over an outbox in memory; it is stopped when the test ends. */
function world(url: string, options: { totalMs?: number; deps?: Partial<DispatcherDeps> } = {}): World {
  const lines: { level: string; words: string; facts: object }[] = [];
  const results: string[] = [];
  const say =
    (level: string) =>
    (facts: object, words: string): void =>
      void lines.push({ level, words, facts });
  const log: Log = {
    error: say('error'),
    warn: say('warn'),
    info: say('info'),
    debug: say('debug'),
    trace: say('trace'),
  };
  const outbox = new MemoryOutbox();
  const made: World = {
    url,
    outbox,
    lines,
    results,
    dispatcher: new Dispatcher({
      outbox,
      log,
      clock: systemClock,
      version: '9.9.9',
      sender: createSender({ ...senderTimeouts, totalMs: options.totalMs ?? senderTimeouts.totalMs }),
      settings: () => Promise.resolve({ ...defaultSettings, webhookUrl: made.url }),
      onAttempt: (result) => void results.push(result),
      ...options.deps,
    }),
  };
  onTestFinished(() => made.dispatcher.stop());
  return made;
}

async function listening(answer: Parameters<typeof receiver>[0]): Promise<Receiver> {
  const made = await receiver(answer);
  onTestFinished(() => made[Symbol.asyncDispose]());
  return made;
}

/** Lets the time of the outbox pass and says so to the dispatcher. */
function pass(w: World, ms: number): void {
  w.outbox.nowMs += ms;
  w.dispatcher.wake();
}

test('a callback is sent with its body and headers and is delivered by a 200', async () => {
  const hook = await listening((response) => response.end());
  const w = world(hook.url);
  const joined = Array.from({ length: 25 }, (_, n) => `r${n}`);
  w.outbox.add('c1', { run: 'run-a', joined });
  await w.dispatcher.start();
  await w.outbox.until('delivered', () => w.outbox.row('c1').state === 'delivered');
  const [arrived] = hook.arrived;
  expect(arrived?.body).toBe(w.outbox.row('c1').body);
  expect(arrived?.headers).toMatchObject({
    'content-type': 'application/json',
    'user-agent': 'message-gc/9.9.9',
    'x-request-id': 'run-a',
    'webhook-id': 'c1',
    'x-joined-request-id': joined.slice(0, 20).join(','),
  });
  expect(Math.abs(Number(arrived?.headers['webhook-timestamp']) - Date.now() / 1_000)).toBeLessThan(10);
  expect(w.results).toEqual(['delivered']);
  expect(w.lines).toContainEqual({
    level: 'info',
    words: 'callback delivered',
    facts: expect.objectContaining({ callback: 'c1', run: 'run-a', status: 200, attempt: 1 }),
  });
});

test('a callback that nobody joined carries no header for joined requests', async () => {
  const hook = await listening((response) => response.end());
  const w = world(hook.url);
  w.outbox.add('c1');
  await w.dispatcher.start();
  await hook.count(1);
  expect(hook.arrived[0]?.headers).not.toHaveProperty('x-joined-request-id');
});

test('refusals are sent again under the same id and with the same body, each a step later', async () => {
  const hook = await listening((response, nth) => response.writeHead(nth < 4 ? 500 : 200).end());
  const w = world(hook.url);
  w.outbox.add('c1');
  await w.dispatcher.start();
  for (let nth = 1; nth < 4; nth += 1) {
    await w.outbox.until(`refusal ${nth}`, () => w.outbox.delays.length === nth);
    pass(w, nth * 3_000);
  }
  await w.outbox.until('delivered', () => w.outbox.row('c1').state === 'delivered');
  expect(w.outbox.delays).toEqual([3_000, 6_000, 9_000]);
  expect(new Set(hook.arrived.map(({ body }) => body)).size).toBe(1);
  expect(hook.arrived.map(({ headers }) => headers['webhook-id'])).toEqual(['c1', 'c1', 'c1', 'c1']);
  expect(w.lines).toContainEqual({
    level: 'warn',
    words: expect.any(String),
    facts: expect.objectContaining({ status: 500, againMs: 6_000, attempt: 2 }),
  });
});

test('a refused callback is not sent before its time', async () => {
  const hook = await listening((response) => response.writeHead(500).end());
  const w = world(hook.url);
  w.outbox.add('c1');
  await w.dispatcher.start();
  await w.outbox.until('refused', () => w.outbox.delays.length === 1);
  pass(w, 2_999);
  const { claims } = w.outbox;
  await w.outbox.until('looked again', () => w.outbox.claims > claims);
  expect(hook.arrived).toHaveLength(1);
});

/** A callback on its way to a receiver that answers when the test says so. */
async function slowlyReceived() {
  const answers: (() => void)[] = [];
  const hook = await listening((response) => answers.push(() => response.writeHead(200).end()));
  const w = world(hook.url);
  w.outbox.add('c1');
  await w.dispatcher.start();
  return { w, hook, answers };
}

test('a claim is renewed while the receiver takes its time', async () => {
  const { w, answers } = await slowlyReceived();
  await w.outbox.until('renewed', () => w.outbox.renewals === 1);
  expect(answers, 'attempts').toHaveLength(1);
  for (const answer of answers) answer();
  await w.outbox.until('delivered', () => w.outbox.row('c1').state === 'delivered');
});

test('what is in hand is not sent a second time, though its claim has run out', async () => {
  const { w, hook, answers } = await slowlyReceived();
  await vi.waitFor(() => expect(answers).toHaveLength(1));
  const { claims } = w.outbox;
  pass(w, 60_000);
  await w.outbox.until('looked again', () => w.outbox.claims > claims);
  expect(w.outbox.row('c1').attempts).toBe(1);
  for (const answer of answers) answer();
  await w.outbox.until('delivered', () => w.outbox.row('c1').state === 'delivered');
  expect(hook.arrived).toHaveLength(1);
});

test.each([201, 204])('a %i is a refusal', async (status) => {
  const hook = await listening((response) => response.writeHead(status).end());
  const w = world(hook.url);
  w.outbox.add('c1');
  await w.dispatcher.start();
  await w.outbox.until('refused', () => w.outbox.delays.length === 1);
  expect(w.outbox.row('c1')).toMatchObject({ state: 'waiting', lastStatus: status });
});

test('a redirect is a refusal, and its target hears nothing', async () => {
  const target = await listening((response) => response.end());
  const hook = await listening((response) => response.writeHead(307, { Location: target.url }).end());
  const w = world(hook.url);
  w.outbox.add('c1');
  await w.dispatcher.start();
  await w.outbox.until('refused', () => w.outbox.delays.length === 1);
  expect(w.outbox.row('c1').lastError).toContain('redirect');
  expect(target.arrived).toHaveLength(0);
});

test('a lost answer is sent again with the same id and body', async () => {
  const hook = await listening((response, nth) => (nth === 1 ? response.destroy() : response.end()));
  const w = world(hook.url);
  w.outbox.add('c1');
  await w.dispatcher.start();
  await w.outbox.until('refused', () => w.outbox.delays.length === 1);
  pass(w, 3_000);
  await w.outbox.until('delivered', () => w.outbox.row('c1').state === 'delivered');
  const [first, second] = hook.arrived;
  expect(second?.body).toBe(first?.body);
  expect(second?.headers['webhook-id']).toBe(first?.headers['webhook-id']);
});

test('a receiver that is down is tried again, with words that say where', async () => {
  const url = await closedUrl();
  const w = world(url);
  w.outbox.add('c1');
  await w.dispatcher.start();
  await w.outbox.until('refused', () => w.outbox.delays.length === 1);
  expect(w.outbox.row('c1')).toMatchObject({
    lastStatus: null,
    lastError: `${new URL(url).host} refused the connection. Is the receiver running?`,
  });
});

test('a receiver that hangs takes one slot: the other callbacks go on, and it is left at the limit', async () => {
  const hook = await listening((response, nth) => (nth === 1 ? undefined : response.end()));
  const w = world(hook.url, { totalMs: 700 });
  for (let n = 1; n <= 9; n += 1) w.outbox.add(`c${n}`);
  await w.dispatcher.start();
  const delivered = (): number =>
    [...w.outbox.rows.values()].filter((row) => row.state === 'delivered').length;
  await w.outbox.until('the eight others', () => delivered() === 8);
  expect(w.outbox.delays).toEqual([]);
  await w.outbox.until('left', () => w.outbox.delays.length === 1);
});

test('a receiver that streams its answer without end has received', async () => {
  const hook = await listening((response) => {
    response.writeHead(200).on('error', () => undefined);
    const more = (): void => {
      while (!response.destroyed && response.write('x'.repeat(10_000)));
    };
    response.on('drain', more);
    more();
  });
  const w = world(hook.url);
  w.outbox.add('c1');
  await w.dispatcher.start();
  await w.outbox.until('delivered', () => w.outbox.row('c1').state === 'delivered');
});

test('without a URL nothing is claimed; once it is set and the bell rings, the callback leaves', async () => {
  const hook = await listening((response) => response.end());
  const w = world('');
  w.outbox.add('c1');
  await w.dispatcher.start();
  const said = (): boolean => w.lines.some(({ words }) => words.includes('no webhooks.url'));
  await vi.waitFor(() => expect(said()).toBe(true));
  expect(w.outbox.claims).toBe(0);
  w.url = hook.url;
  w.dispatcher.wake();
  await w.outbox.until('delivered', () => w.outbox.row('c1').state === 'delivered');
  expect(w.outbox.row('c1').attempts).toBe(1);
});

test('an http:// URL is used with a warning, said once', async () => {
  const hook = await listening((response) => response.end());
  const w = world(hook.url);
  w.outbox.add('c1');
  w.outbox.add('c2');
  await w.dispatcher.start();
  await hook.count(2);
  w.dispatcher.wake();
  await w.outbox.until('looked again', () => w.outbox.claims > 2);
  expect(w.lines.filter(({ words }) => words.includes('unencrypted'))).toHaveLength(1);
});

test('an http:// URL is not used where https is required', async () => {
  const hook = await listening((response) => response.end());
  const w = world(hook.url, { deps: { requireHttps: true } });
  w.outbox.add('c1');
  expect(await w.dispatcher.deliverOnce('run-1', 1_000)).toEqual({ delivered: 0, waiting: 1 });
  expect(w.outbox.claims).toBe(0);
  expect(w.lines.some(({ level, words }) => level === 'error' && words.includes('REQUIRE_HTTPS'))).toBe(true);
});

test('a ring during the wait sends within 250 ms', async () => {
  const hook = await listening((response) => response.end());
  const w = world(hook.url);
  await w.dispatcher.start();
  await w.outbox.until('idle', () => w.outbox.claims === 1);
  w.outbox.add('c1');
  const began = performance.now();
  w.dispatcher.wake();
  await hook.count(1);
  expect(performance.now() - began).toBeLessThan(250);
});

test('a database that is away is said once, and what waited goes out when it is back', async () => {
  const hook = await listening((response) => response.end());
  const w = world(hook.url);
  w.outbox.add('c1');
  w.outbox.broken = new StoreError('unreachable', 'ECONNREFUSED', 'claim', 'no server', null);
  await w.dispatcher.start();
  await vi.waitFor(() => {
    w.dispatcher.wake();
    expect(w.outbox.looks).toBeGreaterThan(3);
  });
  w.outbox.broken = null;
  w.dispatcher.wake();
  await w.outbox.until('delivered', () => w.outbox.row('c1').state === 'delivered');
  const about = w.lines.filter(({ words }) => words.includes('database')).map(({ level }) => level);
  expect(about).toEqual(['warn']);
});

test('a 200 that cannot be recorded at once is recorded when the database is back, and not sent twice', async () => {
  const w = world('');
  const hook = await listening((response) => {
    w.outbox.broken = new StoreError('unreachable', '57P01', 'record', 'shutting down', null);
    response.end();
  });
  w.url = hook.url;
  w.outbox.add('c1');
  await w.dispatcher.start();
  const said = (): boolean => w.lines.some(({ words }) => words.includes('database'));
  await vi.waitFor(() => expect(said()).toBe(true));
  w.outbox.broken = null;
  await w.outbox.until('delivered', () => w.outbox.row('c1').state === 'delivered');
  expect(hook.arrived).toHaveLength(1);
});

test('no exception ends the loop, whoever throws it', async () => {
  const hook = await listening((response) => response.end());
  let throws = 2;
  const w: World = world(hook.url, {
    deps: {
      settings: () => {
        throws -= 1;
        if (throws >= 0) throw new Error('settings row is broken');
        return Promise.resolve({ ...defaultSettings, webhookUrl: hook.url });
      },
    },
  });
  w.outbox.add('c1');
  await w.dispatcher.start();
  w.dispatcher.wake();
  await vi.waitFor(() => {
    w.dispatcher.wake();
    expect(w.outbox.row('c1').state).toBe('delivered');
  });
  expect(w.lines.filter(({ level }) => level === 'error')).toHaveLength(1);
});

test('stop breaks off what hangs, records it for another try and leaves no timer', async () => {
  const hook = await listening(() => undefined);
  const w = world(hook.url);
  w.outbox.add('c1');
  await w.dispatcher.start();
  await hook.count(1);
  const began = performance.now();
  await Promise.all([w.dispatcher.stop(), w.dispatcher.stop()]);
  expect(performance.now() - began).toBeLessThan(4_000);
  expect(w.outbox.delays).toEqual([3_000]);
  expect(w.outbox.row('c1').lastError).toContain('this process stops');
  const { claims } = w.outbox;
  w.dispatcher.wake();
  expect(w.outbox.claims).toBe(claims);
  expect(process.getActiveResourcesInfo().filter((kind) => kind === 'TCPSocketWrap')).toHaveLength(0);
});

test('start and stop a hundred times leave nothing behind', async () => {
  for (let round = 0; round < 100; round += 1) {
    const w = world('http://127.0.0.1:9/hook');
    await w.dispatcher.start();
    w.dispatcher.wake();
    await w.dispatcher.stop();
  }
});

test('a foreground run delivers its callbacks, through a refusal, and counts them', async () => {
  const hook = await listening((response, nth) => response.writeHead(nth === 1 ? 503 : 200).end());
  const w = world(hook.url);
  w.outbox.add('c1');
  w.outbox.add('c2');
  w.outbox.add('other', { run: 'run-2' });
  const counting = w.dispatcher.deliverOnce('run-1', 10_000);
  await w.outbox.until('refused', () => w.outbox.delays.length === 1);
  pass(w, 3_000);
  expect(await counting).toEqual({ delivered: 2, waiting: 0 });
});

test('a foreground run leaves at its deadline what the receiver does not take', async () => {
  const url = await closedUrl();
  const w = world(url);
  w.outbox.add('c1');
  const began = performance.now();
  expect(await w.dispatcher.deliverOnce('run-1', 300)).toEqual({ delivered: 0, waiting: 1 });
  expect(performance.now() - began).toBeLessThan(2_000);
});

test('a foreground run without a URL does not wait', async () => {
  const w = world('');
  w.outbox.add('c1');
  const began = performance.now();
  expect(await w.dispatcher.deliverOnce('run-1', 10_000)).toEqual({ delivered: 0, waiting: 1 });
  expect(performance.now() - began).toBeLessThan(1_000);
});

import { describe, expect, it, onTestFinished } from 'vitest';
import type { RunView } from '../../src/core/run-view.js';
import { Bell } from '../../src/kit/sleep.js';
import { runShape } from '../../src/wire/run-reply.js';
import { RunFeed } from '../../src/webapp/run-feed.js';
import { pause, until } from '../harness/wait.js';
import { EventClient } from './event-client.js';
import { aRun, gc, unreachable, World } from './world.js';

const ended: RunView = {
  ...aRun,
  state: 'complete',
  endedAt: '2026-11-22T10:01:00.000Z',
  messagesDeleted: 3_000,
};
const other: RunView = { ...aRun, id: 'b'.repeat(32), messagesDeleted: 5 };

/** A Webapp at an address of its own, whose newest run the test sets. */
async function served(first: readonly RunView[] = [aRun]) {
  const world = new World();
  world.runs = first;
  const webapp = await world.webapp();
  const { host, port } = await webapp.listen({ host: '127.0.0.1', port: 0 });
  onTestFinished(() => webapp.close());
  const authorization = await world.bearer();
  const open = async (options: { readonly lastEventId?: string; readonly reads?: boolean } = {}) => {
    const client = await EventClient.open(`http://${host}:${port}${gc}/events`, authorization, options);
    onTestFinished(() => client.close());
    return client;
  };
  return { world, webapp, open, authorization, url: `http://${host}:${port}${gc}/events` };
}

describe('GET gc/events', () => {
  it('tells the active run at once, each change of it, its end, and then that nothing is on', async () => {
    const { world, open } = await served();
    const client = await open();
    expect(client.response.headers['content-type']).toContain('text/event-stream');
    await client.waitFor('the run', ({ data }) => data['messages_deleted'] === 1_234);
    world.runs = [{ ...aRun, messagesDeleted: 2_000 }];
    await client.waitFor('progress', ({ data }) => data['messages_deleted'] === 2_000);
    world.runs = [{ ...aRun, state: 'paused', messagesDeleted: 2_000 }];
    await client.waitFor('the pause', ({ data }) => data['state'] === 'paused');
    world.runs = [ended];
    await client.waitFor('idle', ({ name }) => name === 'idle');
    expect(client.names()).toEqual(['run.progress', 'run.progress', 'run.waiting', 'run.ended', 'idle']);
    world.runs = [other, ended];
    await client.waitFor('the next run', ({ name }) => name === 'run.started');
    expect(client.events.at(-1)?.data['id']).toBe(other.id);
  });

  it('tells the newest run when it is over already, and idle when there was none', async () => {
    const over = await (await served([ended])).open();
    await over.waitFor('idle', ({ name }) => name === 'idle');
    expect(over.names()).toEqual(['run.ended', 'idle']);
    const none = await (await served([])).open();
    await none.waitFor('idle', ({ name }) => name === 'idle');
    expect(none.names()).toEqual(['idle']);
  });

  it('tells whoever comes back only what was not seen', async () => {
    const { world, open } = await served();
    const first = await open();
    const { id } = await first.waitFor('the run', () => true);
    first.close();
    const again = await open({ lastEventId: id ?? '' });
    world.runs = [{ ...aRun, messagesDeleted: 1_500 }];
    const next = await again.waitFor('a change', () => true);
    expect(next.data['messages_deleted']).toBe(1_500);
  });

  it('tells whoever comes back how the run ended that was seen last, though another is on', async () => {
    const { world, open } = await served();
    const first = await open();
    const { id } = await first.waitFor('the run', () => true);
    first.close();
    world.runs = [other, ended];
    const again = await open({ lastEventId: id ?? '' });
    await again.waitFor('the next run', ({ name }) => name === 'run.started');
    expect(again.events.map(({ name, data }) => [name, data['id'], data['messages_deleted']])).toEqual([
      ['run.ended', aRun.id, 3_000],
      ['run.started', other.id, 5],
    ]);
  });

  it('tells a listener who stays how a run ended, though the next began within the same second', async () => {
    const { world, open } = await served();
    const client = await open();
    await client.waitFor('the run', () => true);
    world.runs = [other, ended];
    await client.waitFor('the next run', ({ name }) => name === 'run.started');
    expect(client.names()).toEqual(['run.progress', 'run.ended', 'run.started']);
  });

  it('is over for a client that was logged out, also while there is always something to tell', {
    timeout: 60_000,
  }, async () => {
    const { world, webapp, open, authorization } = await served();
    const client = await open();
    await client.waitFor('the run', () => true);
    const left = await webapp.inject({
      method: 'POST',
      url: '/v1/users/logout',
      headers: { authorization },
    });
    expect(left.statusCode, left.body).toBe(200);
    let deleted = 2_000;
    const busy = setInterval(() => {
      deleted += 1;
      world.runs = [{ ...aRun, messagesDeleted: deleted }];
    }, 200);
    onTestFinished(() => clearInterval(busy));
    await until('the end of the stream', 40_000, () => client.hasEnded);
    expect(client.names().length).toBeGreaterThan(3);
  });

  it('ends in order when the process stops, and does not keep it', async () => {
    const { webapp, open } = await served();
    const client = await open();
    await client.waitFor('the run', () => true);
    await webapp.close();
    await until('the end of the stream', 5_000, () => client.hasEnded);
  });

  it('asks the database no more once nobody listens, and once a second whoever many do', async () => {
    const { world, open } = await served();
    let asked = 0;
    Object.defineProperty(world, 'runs', {
      get: () => {
        asked += 1;
        return [aRun];
      },
    });
    const clients = await Promise.all([open(), open(), open()]);
    for (const client of clients) await client.waitFor('the run', () => true);
    expect(asked).toBeGreaterThan(0);
    for (const client of clients) client.close();
    // Once more at most: the look that was on when the last one left.
    await until('the looks to stop', 10_000, async () => {
      const before = asked;
      await pause(1_500);
      return asked === before;
    });
  });

  it('refuses before the stream begins: without a token, to a clerk, without a database', async () => {
    const { world, webapp } = await served();
    const url = `${gc}/events`;
    expect((await webapp.inject({ method: 'GET', url })).statusCode).toBe(401);
    const clerk = { authorization: await world.bearer('clerk') };
    expect((await webapp.inject({ method: 'GET', url, headers: clerk })).statusCode).toBe(403);
    const admin = { authorization: await world.bearer() };
    expect((await webapp.inject({ method: 'HEAD', url, headers: admin })).statusCode).toBe(200);
    world.homeDown = unreachable();
    Object.defineProperty(world, 'runs', {
      get: () => {
        throw unreachable();
      },
    });
    const lost = await webapp.inject({ method: 'GET', url, headers: admin });
    expect([lost.statusCode, lost.headers['content-type']]).toEqual([503, 'application/json; charset=utf-8']);
  });

  it('lets no more than a hundred listen, and the next one in when one has left', async () => {
    const { open, authorization, url } = await served();
    const clients = await Promise.all(Array.from({ length: 100 }, () => open()));
    expect(clients.every(({ response }) => response.statusCode === 200)).toBe(true);
    const late = await EventClient.open(url, authorization);
    expect(late.response.statusCode).toBe(503);
    clients[0]?.close();
    await until('the place of who left', 10_000, async () => {
      const next = await open();
      if (next.response.statusCode === 200) return true;
      next.close();
      return false;
    });
  });

  it('makes nothing that a listener does not read: the newest state waits, and no queue', async () => {
    const { world, open } = await served();
    // 4 MB an event: more than sockets keep, so the second one has to wait for the reader.
    const words = 'x'.repeat(4_000_000);
    let made = 0;
    const big = (): RunView => {
      made += 1;
      return { ...aRun, batches: made, errors: [{ code: 1014, details: words }] };
    };
    Object.defineProperty(world, 'runs', { get: () => [big()] });
    const client = await open({ reads: false });
    await until('states that nobody reads', 30_000, () => made >= 6);
    client.response.setEncoding('utf8');
    let text = '';
    client.response.on('data', (part: string) => {
      text += part.replaceAll(words, '');
    });
    // What comes is what was on its way and then the newest; those in between are gone.
    await until('the newest state', 30_000, () => /"batches":(?:[6-9]|\d\d)/.test(text));
    const seen = [...text.matchAll(/"batches":(\d+)/g)].map((match) => Number(match[1]));
    expect(seen.length).toBeLessThan(5);
  });
});

describe('the feed', () => {
  it('keeps nothing for a listener but that something changed', async () => {
    let number = 0;
    const feed = new RunFeed(async () => {
      number += 1;
      return runShape({ ...aRun, batches: number }, null);
    });
    onTestFinished(() => feed.close());
    const bell = new Bell();
    await feed.join(bell);
    await until('three changes', 10_000, () => number >= 4);
    await bell.wait(60_000);
    expect(feed.latest?.batches).toBeGreaterThanOrEqual(3);
    feed.leave(bell);
    expect(feed.listeners).toBe(0);
  });
});

/** A Webapp's caller against a Coreapp's control port, and against what is none: real sockets, no database. */
import { createServer } from 'node:http';
import { createServer as createTcpServer, type AddressInfo } from 'node:net';
import { describe, expect, onTestFinished, test } from 'vitest';
import { StoreError } from '../../src/core/errors.js';
import { type ControlDeps, createControlServer } from '../../src/coreapp/control-server.js';
import { createMeters } from '../../src/metrics/meters.js';
import { createNodeCaller } from '../../src/webapp/nodes/call-node.js';
import { signatureHeader, signCall } from '../../src/wire/control.js';

const secret = 'a secret of sixteen and more';
const name = 'wacore2:9dfe77618dba';
const asked = { request: 'a'.repeat(32), by: 'admin', policy_hash: 'p' };
const silent = { error: () => {}, warn: () => {}, info: () => {}, debug: () => {}, trace: () => {} };

async function port(changed: Partial<ControlDeps> = {}): Promise<string> {
  const server = createControlServer({
    secret,
    policyHash: 'p',
    node: () => name,
    start: async ({ requestId }) => ({ runId: requestId, joined: false }),
    ready: () => true,
    meters: createMeters('9dfe77618dba'),
    log: silent,
    ...changed,
  });
  onTestFinished(() => server.close());
  const bound = await server.listen({ host: '127.0.0.1', port: 0 });
  return `127.0.0.1:${bound.port}`;
}

async function ask(address: string, withSecret = secret, ms = 2_000) {
  const caller = createNodeCaller(withSecret);
  onTestFinished(() => caller.close());
  return caller.start({ name, boot: 'b', address, policyHash: 'p', silentMs: 0 }, asked, ms);
}

/** A call by hand, signed or not. */
async function post(address: string, body: string, headers: Readonly<Record<string, string>> = {}) {
  const answer = await fetch(`http://${address}/start`, { method: 'POST', body, headers });
  return { status: answer.status, body: (await answer.json()) as { error: { kind: string; words: string } } };
}

describe('the control port', () => {
  test('starts a run for who has the secret', async () => {
    expect(await ask(await port())).toEqual({ kind: 'processing', runId: asked.request, joined: false });
  });

  test('says the words of a database that is not there', async () => {
    const lost = new StoreError(
      'unreachable',
      'ECONNREFUSED',
      'start',
      'x',
      new Error('connect ECONNREFUSED 10.0.0.5:5432'),
    );
    const address = await port({ start: () => Promise.reject(lost) });
    expect(await ask(address)).toEqual({
      kind: 'refused',
      words: 'The node cannot start: connect ECONNREFUSED 10.0.0.5:5432',
    });
  });

  test('a defect is told as one that starts nothing, under the signature, and its words stay in the log', async () => {
    const lines: string[] = [];
    const address = await port({
      start: () => Promise.reject(new TypeError('x is undefined')),
      log: { ...silent, error: (_facts, words) => lines.push(words) },
    });
    expect(await ask(address)).toEqual({
      kind: 'refused',
      words: 'The node met a defect; its log tells more',
    });
    expect(lines).toEqual(['a start met a defect: x is undefined']);
  });

  test('another secret is told apart, and starts nothing', async () => {
    let starts = 0;
    const address = await port({
      start: async () => {
        starts += 1;
        return { runId: 'r', joined: false };
      },
    });
    expect(await ask(address, 'another secret of sixteen')).toMatchObject({
      kind: 'refused',
      words: expect.stringContaining('another cluster secret'),
    });
    expect(starts).toBe(0);
  });

  test('another node at the address, and another policy, are told apart', async () => {
    expect(await ask(await port({ node: () => 'wacore9:000000000000' }))).toMatchObject({
      words:
        'Another node answers at this address: wacore9:000000000000 in the place of wacore2:9dfe77618dba',
    });
    expect(await ask(await port({ policyHash: 'q' }))).toMatchObject({
      words: expect.stringContaining('another store mapping or retention'),
    });
  });

  test('another protocol is told with both numbers', async () => {
    const body = JSON.stringify({ protocol: 99, begin: {} });
    const answer = await post(await port(), body, { [signatureHeader]: signCall(secret, body) });
    expect(answer).toMatchObject({ status: 409, body: { error: { kind: 'protocol' } } });
    expect(answer.body.error.words).toContain('protocol 1, and the Webapp 99');
  });

  test('what is malformed, unsigned or too large is refused', async () => {
    const address = await port();
    for (const body of ['', '{', '[]', '{"protocol":1}', '{"protocol":1,"start":{"request":"x"}}']) {
      const answer = await post(address, body, { [signatureHeader]: signCall(secret, body) });
      expect(answer, body).toMatchObject({ status: 400, body: { error: { kind: 'malformed' } } });
    }
    // Who cannot sign does not learn the node's name.
    expect(await post(address, '{}')).toMatchObject({
      status: 401,
      body: { node: '', error: { kind: 'secret' } },
    });
    expect(await post(address, 'x'.repeat(20_000))).toMatchObject({ status: 413, body: { node: '' } });
    // On a connection of its own: one that has been answered on already is closed without another word.
    expect(await post(await port(), '{}', { [signatureHeader]: 'f'.repeat(20_000) })).toMatchObject({
      status: 431,
      body: { node: '', error: { kind: 'malformed' } },
    });
    for (const by of ['x'.repeat(300), 'a\u0000b', 'two\nlines']) {
      const start = { request: 'a'.repeat(32), by, node: 'n', policy_hash: 'p' };
      const body = JSON.stringify({ protocol: 1, start });
      const answer = await post(address, body, { [signatureHeader]: signCall(secret, body) });
      expect(answer, by).toMatchObject({ status: 400, body: { error: { kind: 'malformed' } } });
    }
    const elsewhere = await fetch(`http://${address}/v1/health`);
    expect(elsewhere.status).toBe(404);
    await elsewhere.body?.cancel();
  });
});

describe('the meters at the control port', () => {
  async function read(address: string, query: string, accept: string) {
    const answer = await fetch(`http://${address}/metrics${query}`, { headers: { accept } });
    const { status, headers } = answer;
    return { status, type: headers.get('content-type') ?? '', text: await answer.text() };
  }

  test('are read without the secret, in the form that is asked for', async () => {
    const meters = createMeters('9dfe77618dba');
    meters.deleted(3, {});
    const address = await port({ meters });
    const line = 'message_gc_messages_deleted_total 3';
    for (const [query, accept] of [
      ['?format=prometheus', '*/*'],
      ['', 'application/openmetrics-text;version=1.0.0,text/plain;version=0.0.4;q=0.5,*/*;q=0.1'],
    ] as const) {
      const { status, type, text } = await read(address, query, accept);
      expect({ status, type }).toMatchObject({ status: 200, type: expect.stringMatching(/^text\/plain/) });
      expect(text).toContain(line);
    }
    const json = await read(address, '', '*/*');
    expect(json.type).toMatch(/^application\/json/);
    expect(JSON.parse(json.text)).toMatchObject({
      metrics: { message_gc_messages_deleted_total: { type: 'counter', data: [{ value: 3 }] } },
    });
  });

  test('have two forms, and other wishes are refused with words', async () => {
    const { status, text } = await read(await port(), '?format=xml', '*/*');
    expect(status).toBe(400);
    expect(JSON.parse(text)).toMatchObject({
      node: '',
      error: { words: expect.stringContaining('"prometheus"') },
    });
  });
});

describe('what is no control port', () => {
  test('refuses the connection, has no name, or does not answer: each in the words of the socket', async () => {
    const gone = createTcpServer().listen(0, '127.0.0.1');
    await new Promise((resolve) => gone.once('listening', resolve));
    const { port: free } = gone.address() as AddressInfo;
    await new Promise((resolve) => gone.close(resolve));
    expect(await ask(`127.0.0.1:${free}`)).toEqual({
      kind: 'unreachable',
      words: `connect ECONNREFUSED 127.0.0.1:${free}`,
    });

    expect(await ask('wacore2.invalid:6252')).toMatchObject({
      kind: 'unreachable',
      words: expect.stringMatching(/^getaddrinfo (ENOTFOUND|EAI_AGAIN) wacore2\.invalid$/),
    });

    const mute = createTcpServer((socket) => socket.on('error', () => undefined)).listen(0, '127.0.0.1');
    onTestFinished(() => void mute.close());
    await new Promise((resolve) => mute.once('listening', resolve));
    const { port: silentPort } = mute.address() as AddressInfo;
    expect(await ask(`127.0.0.1:${silentPort}`, secret, 200)).toEqual({
      kind: 'unreachable',
      words: 'Connection timed out',
    });
  });

  test('says "processing" without the secret, and is not believed', async () => {
    const impostor = createServer((request, response) => {
      request.resume();
      response.end(
        JSON.stringify({ protocol: 1, node: name, started: { run: 'a'.repeat(32), joined: false } }),
      );
    }).listen(0, '127.0.0.1');
    onTestFinished(() => void impostor.close());
    await new Promise((resolve) => impostor.once('listening', resolve));
    const { port: its } = impostor.address() as AddressInfo;
    expect(await ask(`127.0.0.1:${its}`)).toMatchObject({
      kind: 'refused',
      words: expect.stringContaining('does not know the cluster secret'),
    });
  });
});

import { setImmediate } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { defaultSettings } from '../../src/core/settings.js';
import { World } from './world.js';

const path = '/v1/settings/application';

async function open(world: World, settings: { requireHttps?: boolean } = {}) {
  const webapp = await world.webapp(settings);
  const headers = { authorization: await world.bearer() };
  return {
    get: (url: string, more: Record<string, string> = {}) =>
      webapp.inject({ method: 'GET', url, headers: { ...headers, ...more } }),
    patch: (payload: object) => webapp.inject({ method: 'PATCH', url: path, headers, payload }),
    reset: () => webapp.inject({ method: 'DELETE', url: path, headers }),
  };
}

describe('settings', () => {
  it('are changed, told to those who wait for them, and read back', async () => {
    const world = new World();
    const { get, patch, reset } = await open(world);
    const changed = await patch({
      webhooks: { url: 'https://example.test/in' },
      callback_backoff_delay_ms: '50',
    });
    expect(changed.statusCode).toBe(200);
    expect(Object.keys(changed.json())).toStrictEqual(['meta']);
    expect(world.saved).toStrictEqual([world.settings]);
    expect((await get(path)).json().settings.application).toMatchObject({
      webhooks: { url: 'https://example.test/in' },
      callback_backoff_delay_ms: 50,
      garbagecollector_enable: { messages: false, media: false },
    });
    expect((await reset()).statusCode).toBe(200);
    expect(world.settings).toStrictEqual(defaultSettings);
  });

  it('refuse a fault whole, and save nothing', async () => {
    const world = new World();
    const { patch } = await open(world);
    const answer = await patch({ heartbeat_interval: 9, webhooks: { url: 'no url' } });
    expect([answer.statusCode, answer.json().errors[0].code]).toStrictEqual([400, 1009]);
    expect(world.settings).toStrictEqual(defaultSettings);
    expect(world.saved).toHaveLength(0);
  });

  it('lose none of two changes that come at once', async () => {
    const world = new World();
    const { patch } = await open(world);
    // Both read before either writes, unless the second waits for the first.
    world.home.settings = async () => {
      const now = world.settings;
      for (let turn = 0; turn < 20; turn += 1) await setImmediate();
      return now;
    };
    await Promise.all([patch({ heartbeat_interval: 9 }), patch({ unhealthy_interval: 99 })]);
    expect(world.settings).toMatchObject({ heartbeatIntervalS: 9, unhealthyIntervalS: 99 });
  });

  it('tell of a changed URL without its path; health warns of http://, unless it is refused', async () => {
    const world = new World();
    const { patch, get } = await open(world);
    expect((await patch({ webhooks: { url: 'http://127.0.0.1:9/hidden' } })).statusCode).toBe(200);
    const line = world.lines.find(({ words }) => words.includes('webhook URL'));
    expect(line?.facts).toStrictEqual({ host: '127.0.0.1:9' });
    expect(JSON.stringify(world.lines)).not.toContain('hidden');
    expect((await get('/v1/health')).json().health.warnings[0]).toContain('http://');
    const strict = await open(new World(), { requireHttps: true });
    expect((await strict.patch({ webhooks: { url: 'http://127.0.0.1:9/' } })).statusCode).toBe(400);
  });
});

describe('health', () => {
  it('says how many callbacks wait for a URL, beside what the desk knows', async () => {
    const world = new World();
    world.waiting = 3;
    world.health = { gateway: 'connecting', warnings: ['The disk is nearly full.'], ready: true };
    const { get } = await open(world);
    const answer = await get('/v1/health');
    expect(answer.json().health).toStrictEqual({
      gateway_status: 'connecting',
      warnings: [
        'The disk is nearly full.',
        expect.stringMatching(/^No webhook URL is set, 3 callbacks wait\./),
      ],
    });
  });

  it('says what became of the schedule, while it is on, and when runs do not keep up', async () => {
    const world = new World();
    world.settings = { ...defaultSettings, webhookUrl: 'https://example.test/' };
    const now = new Date('2026-11-26T12:00Z');
    const { schedule, record } = world.outlook;
    const past = { outcome: 'complete', policyHash: 'a', started: 0, ended: 86_400_000 } as const;
    world.outlook = {
      schedule: { ...schedule, enabled: true },
      record: { ...record, now, warning: 'The run was not started.', last: new Date('2027-11-26T12:00Z') },
      runs: [
        { ...past, deleted: 20_000, horizon: now.getTime() },
        { ...past, deleted: 20_000, horizon: now.getTime() - 43_200_000 },
      ],
    };
    const { get } = await open(world);
    const { warnings } = (await get('/v1/health')).json().health;
    expect(warnings).toStrictEqual([
      'The run was not started.',
      expect.stringContaining("ahead of the database's clock"),
      expect.stringContaining(
        'about 40,000 a day) than runs can delete in their windows (about 20,000 a day',
      ),
    ]);
    world.outlook = { ...world.outlook, schedule, runs: [] };
    expect((await get('/v1/health')).json().health).not.toHaveProperty('warnings');
  });

  it('is the original body when all is well', async () => {
    const world = new World();
    world.settings = { ...defaultSettings, webhookUrl: 'https://example.test/' };
    const { get } = await open(world);
    expect((await get('/v1/health')).json().health).toStrictEqual({ gateway_status: 'connected' });
  });

  it('of the process and of the database need no token', async () => {
    const world = new World();
    const webapp = await world.webapp();
    expect((await webapp.inject('/healthz')).statusCode).toBe(200);
    expect((await webapp.inject('/readyz')).statusCode).toBe(200);
    world.health = { gateway: 'disconnected', warnings: [], ready: false };
    expect((await webapp.inject('/healthz')).statusCode).toBe(200);
    const answer = await webapp.inject('/readyz');
    expect([answer.statusCode, answer.json().errors[0].code]).toStrictEqual([503, 1011]);
  });
});

describe('metrics', () => {
  it('are JSON by default, with the requests that were answered', async () => {
    const world = new World();
    const { get } = await open(world);
    await get('/v1/health');
    const answer = await get('/metrics', { accept: 'application/json, text/plain, */*' });
    const { metrics } = answer.json();
    expect(metrics.web_uptime).toMatchObject({ type: 'gauge', data: [{ labels: { node: '9dfe77618dba' } }] });
    expect(metrics.api_requests_duration_ms_count.data).toContainEqual({
      labels: { node: '9dfe77618dba', result: 'ok', method: 'GET_v1_health' },
      value: 1,
    });
  });

  it('know how long the answers took', async () => {
    const world = new World();
    const { get } = await open(world);
    await get('/v1/health');
    const { metrics } = (await get('/metrics')).json();
    const took = metrics.api_requests_duration_ms_sum.data.find(
      (one: { labels: { method: string } }) => one.labels.method === 'GET_v1_health',
    );
    expect(took.value).toBeGreaterThan(0);
  });

  it.each([
    ['?format=prometheus', '*/*'],
    ['', 'application/openmetrics-text;version=1.0.0;q=0.5,text/plain;version=0.0.4;q=0.2,*/*;q=0.1'],
    ['', 'text/plain'],
  ])('are Prometheus text for %s with Accept: %s', async (query, accept) => {
    const { get } = await open(new World());
    const answer = await get(`/metrics${query}`, { accept });
    expect(answer.headers['content-type']).toContain('text/plain; version=0.0.4');
    expect(answer.body).toContain('# TYPE message_gc_batch_duration_ms histogram');
  });

  it('refuse a format that they do not know', async () => {
    const { get } = await open(new World());
    expect((await get('/metrics?format=xml')).statusCode).toBe(400);
  });
});

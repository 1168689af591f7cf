import { afterEach, describe, expect, it, vi } from 'vitest';
import { Refusal, StoreError } from '../../src/core/errors.js';
import { meta } from '../../src/wire/meta.js';
import { aRun, gc, runId, unreachable, World } from './world.js';

afterEach(() => {
  vi.useRealTimers();
});

const accepted = { services: { message: { gc: { status: 'processing' } } }, meta };
const failure = (details: string) => ({ meta, errors: [{ code: 1014, title: 'Internal error', details }] });

describe('PUT gc', () => {
  it('answers processing and names the run', async () => {
    const world = new World();
    const webapp = await world.webapp();
    const answer = await webapp.inject({
      method: 'PUT',
      url: gc,
      headers: { authorization: await world.bearer(), 'x-request-id': 'mine' },
    });
    expect(answer.statusCode).toBe(200);
    expect(answer.json()).toStrictEqual(accepted);
    expect(answer.headers['x-request-id']).toBe(runId);
    expect(answer.headers['x-message-gc-joined']).toBeUndefined();
    expect(world.asked).toHaveLength(1);
    expect(world.asked[0]?.requestId).toMatch(/^[0-9a-f]{32}$/);
    expect(world.asked[0]?.by).toBe('admin');
    expect(world.lines).toContainEqual(
      expect.objectContaining({ facts: expect.objectContaining({ clientRequestId: 'mine', run: runId }) }),
    );
  });

  it('says when it joined', async () => {
    const world = new World();
    world.start = () => Promise.resolve({ runId, joined: true });
    const webapp = await world.webapp();
    const answer = await webapp.inject({
      method: 'PUT',
      url: gc,
      headers: { authorization: await world.bearer() },
    });
    expect(answer.headers['x-message-gc-joined']).toBe('1');
    expect(answer.json()).toStrictEqual(accepted);
  });

  it.each([
    ['no body but a JSON content type', 'application/json', ''],
    ['an empty object', 'application/json', '{}'],
    ['an empty form, as curl sends it', 'application/x-www-form-urlencoded', ''],
    ['null', 'application/json; charset=utf-8', 'null'],
  ])('takes %s', async (_what, type, payload) => {
    const world = new World();
    const webapp = await world.webapp();
    const headers = { authorization: await world.bearer(), 'content-type': type };
    const answer = await webapp.inject({ method: 'PUT', url: gc, headers, payload });
    expect(answer.statusCode).toBe(200);
  });

  it.each([
    ['?dryrun=true', undefined, 'dry_run=true'],
    ['?force=true', undefined, '"force"'],
    ['', '{"dry_run":true}', 'dry_run=true'],
    ['', '[1]', 'no run was started'],
  ])('starts nothing when it is called with %s %s', async (query, payload, words) => {
    const world = new World();
    const webapp = await world.webapp();
    const answer = await webapp.inject({
      method: 'PUT',
      url: `${gc}${query}`,
      headers: { authorization: await world.bearer(), 'content-type': 'application/json' },
      ...(payload === undefined ? {} : { payload }),
    });
    expect(answer.statusCode).toBe(400);
    expect(answer.json().errors[0]).toMatchObject({ code: 1010, title: 'Parameter is not required' });
    expect(answer.json().errors[0].details).toContain(words);
    expect(world.asked).toHaveLength(0);
  });

  it.each(['?dry_run=1', '?dry_run=', '?confirm=yes', '?dry_run=true&dry_run=false'])(
    'starts nothing for a value that is neither true nor false: %s',
    async (query) => {
      const world = new World();
      const webapp = await world.webapp();
      const headers = { authorization: await world.bearer() };
      const answer = await webapp.inject({ method: 'PUT', url: `${gc}${query}`, headers });
      expect(answer.statusCode).toBe(400);
      expect(answer.json().errors[0]).toMatchObject({ code: 1009 });
      expect([world.asked, world.dryRuns]).toEqual([[], 0]);
    },
  );

  it('answers a dry run in the published shape, and starts nothing', async () => {
    const world = new World();
    const webapp = await world.webapp();
    const headers = { authorization: await world.bearer() };
    const answer = await webapp.inject({ method: 'PUT', url: `${gc}?dry_run=true`, headers });
    expect(answer.statusCode).toBe(200);
    expect(answer.json()).toStrictEqual({
      services: {
        message: {
          gc: {
            dry_run: {
              messages: 1_234,
              exact: true,
              dependents: { message_receipts: 2_345 },
              held: { legal: 7 },
              oldest: '2026-01-01T00:00:00.000000Z',
              newest: '2026-10-01T00:00:00.000000Z',
              bytes: 400_000,
              log_bytes: 900_000,
              seconds: 1,
              walk: 'key',
              foreign_keys: 'messages_first',
              why: 'few keys are missing',
              missing_index: null,
              sample: ['17', '18'],
              horizon: '2026-11-22T10:00:00.000000Z',
              forecast: { fits: true, ends_at: '2026-11-22T11:00:00.000Z', windows: 1 },
            },
          },
        },
      },
      meta,
    });
    expect(world.asked).toHaveLength(0);
    expect(answer.headers['x-request-id']).toBeUndefined();
  });

  it('lets only those look who may collect', async () => {
    const world = new World();
    const webapp = await world.webapp();
    const headers = { authorization: await world.bearer('clerk') };
    const answer = await webapp.inject({ method: 'PUT', url: `${gc}?dry_run=true`, headers });
    expect([answer.statusCode, world.dryRuns]).toEqual([403, 0]);
  });

  it('tells who did not confirm a first run what would go, and passes a confirmation on', async () => {
    const world = new World();
    world.start = () => Promise.resolve({ kind: 'braked', words: 'About 99 % would go' });
    const webapp = await world.webapp();
    const headers = { authorization: await world.bearer() };
    const answer = await webapp.inject({ method: 'PUT', url: gc, headers });
    expect(answer.statusCode).toBe(409);
    expect(answer.json().errors[0]).toMatchObject({ code: 1008, title: 'Required parameter is missing' });
    expect(answer.json().errors[0].details).toMatch(/About 99 % would go.*\?confirm=true/);
    world.start = () => Promise.resolve({ runId, joined: false });
    const again = await webapp.inject({ method: 'PUT', url: `${gc}?confirm=true`, headers });
    expect(again.json()).toStrictEqual(accepted);
    expect(world.asked.map(({ confirmed }) => confirmed)).toEqual([false, true]);
  });

  it("fails to start with the driver's own words and the place to look", async () => {
    const world = new World();
    world.start = () => Promise.reject(unreachable());
    const webapp = await world.webapp({ coreHost: 'core7' });
    const answer = await webapp.inject({
      method: 'PUT',
      url: gc,
      headers: { authorization: await world.bearer() },
    });
    expect(answer.statusCode).toBe(500);
    expect(answer.json()).toStrictEqual(
      failure('connect ECONNREFUSED 127.0.0.1:5432. Please check if wacore is running: core7:6252'),
    );
    expect(answer.headers['x-request-id']).toBeUndefined();
  });

  it('fails to start with the words of a refusal', async () => {
    const world = new World();
    world.start = () => Promise.reject(new Refusal('refused', 'The table messages is not ours'));
    const webapp = await world.webapp();
    const answer = await webapp.inject({
      method: 'PUT',
      url: gc,
      headers: { authorization: await world.bearer() },
    });
    expect(answer.json()).toStrictEqual(
      failure('The table messages is not ours. Please check if wacore is running: wacore:6252'),
    );
  });

  it('gives up after five seconds, as the original words it, and logs what comes later', async () => {
    const world = new World();
    const webapp = await world.webapp();
    const authorization = await world.bearer();
    let fail = (_error: Error): void => undefined;
    world.start = () =>
      new Promise((_resolve, reject) => {
        fail = reject;
      });
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
    const pending = webapp.inject({ method: 'PUT', url: gc, headers: { authorization } });
    await vi.waitFor(() => expect(world.asked).toHaveLength(1), { interval: 1 });
    await vi.advanceTimersByTimeAsync(5_000);
    const answer = await pending;
    expect(answer.statusCode).toBe(500);
    expect(answer.json()).toStrictEqual(
      failure('Connection timed out. Please check if wacore is running: wacore:6252'),
    );
    fail(new StoreError('other', 'X', 'start', 'too late', undefined));
    await vi.waitFor(() =>
      expect(world.lines).toContainEqual(
        expect.objectContaining({ level: 'warn', words: expect.stringContaining('failed later') }),
      ),
    );
  });

  it('hides an unexpected error behind an id that the log has too', async () => {
    const world = new World();
    world.start = () => Promise.reject(new TypeError('undefined is not a function'));
    const webapp = await world.webapp();
    const answer = await webapp.inject({
      method: 'PUT',
      url: gc,
      headers: { authorization: await world.bearer() },
    });
    expect(answer.statusCode).toBe(500);
    const { details } = answer.json().errors[0];
    expect(details).not.toContain('function');
    const errors = world.lines.filter(({ level }) => level === 'error');
    expect(errors).toHaveLength(1);
    const { incident } = (errors[0]?.facts ?? {}) as { incident?: string };
    expect(incident).toMatch(/^[0-9a-f]{32}$/);
    expect(details).toContain(incident);
  });

  it('asks the home database at most twice for a token, and then believes it for a while', async () => {
    const world = new World();
    const webapp = await world.webapp();
    const authorization = await world.bearer();
    world.homeQuestions = 0;
    for (let i = 0; i < 5; i += 1)
      await webapp.inject({ method: 'PUT', url: gc, headers: { authorization } });
    expect(world.homeQuestions).toBe(2);
  });
});

describe('looking at runs', () => {
  it('lists them with the progress of this process', async () => {
    const world = new World();
    world.live = {
      rowsPerSecond: 10,
      etaSeconds: 3,
      reason: { code: 'working', signal: null, value: null, limit: null, since: '2026-11-22T10:00:00Z' },
    };
    const webapp = await world.webapp();
    const answer = await webapp.inject({
      method: 'GET',
      url: gc,
      headers: { authorization: await world.bearer() },
    });
    expect(answer.statusCode).toBe(200);
    const [run] = answer.json().services.message.gc.runs;
    expect(run).toMatchObject({
      id: runId,
      messages_deleted: 1234,
      progress: { share: 0.41, rows_per_second: 10 },
    });
    expect(run.callbacks).toBeUndefined();
  });

  it('says whether it will fit into the window, and whether runs keep up', async () => {
    const world = new World();
    const now = new Date('2026-11-22T05:00Z');
    world.live = {
      rowsPerSecond: 100,
      etaSeconds: 7_200,
      reason: { code: 'working', signal: null, value: null, limit: null, since: now.toISOString() },
    };
    const past = { outcome: 'complete', policyHash: 'a', ended: 200_000, started: 100_000 } as const;
    world.outlook = {
      schedule: {
        ...world.outlook.schedule,
        windows: [{ days: ['sat', 'sun'], from: '22:00', to: '06:00' }],
      },
      record: { ...world.outlook.record, now },
      runs: [
        { ...past, deleted: 500, horizon: now.getTime() },
        { ...past, deleted: 9_000_000, horizon: now.getTime() - 43_200_000 },
      ],
    };
    const webapp = await world.webapp();
    const headers = { authorization: await world.bearer() };
    const list = (await webapp.inject({ method: 'GET', url: gc, headers })).json().services.message.gc;
    const wanted = { fits: false, ends_at: '2026-11-22T23:00:00.000Z', windows: 2 };
    expect(list.runs[0].progress.forecast).toStrictEqual(wanted);
    expect(list.keep_up).toMatchObject({ eligible_rows_per_day: 1_000, measured_seconds: 43_200 });
    const one = (await webapp.inject({ method: 'GET', url: `${gc}/${runId}`, headers })).json();
    expect(one.services.message.gc.runs[0].progress.forecast).toStrictEqual(wanted);
    expect(one.services.message.gc).not.toHaveProperty('keep_up');
  });

  it('shows one with its callbacks', async () => {
    const world = new World();
    world.callbacks = [
      { id: 'e'.repeat(32), state: 'waiting', attempts: 1, lastStatus: 500, lastError: null },
    ];
    const webapp = await world.webapp();
    const answer = await webapp.inject({
      method: 'GET',
      url: `${gc}/${runId}`,
      headers: { authorization: await world.bearer() },
    });
    const [run] = answer.json().services.message.gc.runs;
    expect(run.callbacks).toHaveLength(1);
  });

  it.each(['f'.repeat(32), 'nonsense', '..%2f..%2fetc'])('answers 404 and 1006 for the id %s', async (id) => {
    const world = new World();
    const webapp = await world.webapp();
    const answer = await webapp.inject({
      method: 'GET',
      url: `${gc}/${id}`,
      headers: { authorization: await world.bearer() },
    });
    expect(answer.statusCode).toBe(404);
    expect(answer.json().errors[0]).toMatchObject({ code: 1006, title: 'Resource not found' });
  });
});

describe('DELETE gc', () => {
  it('cancels the active run in the name of the caller', async () => {
    const world = new World();
    const by: string[] = [];
    world.cancel = (user) => {
      by.push(user);
      return Promise.resolve({
        ...aRun,
        state: 'failed',
        errors: [{ code: 1014, details: `Cancelled by ${user}` }],
      });
    };
    const webapp = await world.webapp();
    const answer = await webapp.inject({
      method: 'DELETE',
      url: gc,
      headers: { authorization: await world.bearer() },
    });
    expect(answer.statusCode).toBe(200);
    expect(by).toStrictEqual(['admin']);
    expect(answer.json().services.message.gc.runs[0]).toMatchObject({
      state: 'failed',
      errors: [{ code: 1014, details: 'Cancelled by admin' }],
    });
  });

  it('answers 404 with words when nothing is active', async () => {
    const world = new World();
    const webapp = await world.webapp();
    const answer = await webapp.inject({
      method: 'DELETE',
      url: gc,
      headers: { authorization: await world.bearer() },
    });
    expect(answer.statusCode).toBe(404);
    expect(answer.json().errors[0]).toMatchObject({
      code: 1006,
      details: expect.stringContaining('No run is active'),
    });
  });
});

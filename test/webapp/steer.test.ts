import { describe, expect, it } from 'vitest';
import type { SteerChange } from '../../src/core/ports.js';
import { meta } from '../../src/wire/meta.js';
import { aRun, gc, unreachable, World } from './world.js';

async function patch(world: World, body: unknown, user: 'admin' | 'clerk' = 'admin') {
  const webapp = await world.webapp();
  return webapp.inject({
    method: 'PATCH',
    url: gc,
    headers: { authorization: await world.bearer(user), 'content-type': 'application/json' },
    payload: typeof body === 'string' ? body : JSON.stringify(body),
  });
}

function steeredWorld(): { readonly world: World; readonly asked: [SteerChange, string][] } {
  const world = new World();
  const asked: [SteerChange, string][] = [];
  world.steer = (change, by) => {
    asked.push([change, by]);
    return Promise.resolve({ ...aRun, state: 'paused', steering: { ...aRun.steering, pausedBy: by } });
  };
  return { world, asked };
}

describe('PATCH gc', () => {
  it.each<[object, SteerChange]>([
    [{ paused: true }, { paused: true }],
    [
      { paused: false, max_rows_per_second: 20_000 },
      { paused: false, maxRate: 20_000 },
    ],
    [
      { max_rows_per_second: null, profile: null },
      { maxRate: null, profile: null },
    ],
    [{ profile: 'balanced' }, { profile: 'balanced' }],
  ])('asks for exactly what the body says: %j', async (body, change) => {
    const { world, asked } = steeredWorld();
    const answer = await patch(world, body);
    expect(answer.statusCode).toBe(200);
    expect(asked).toStrictEqual([[change, 'admin']]);
  });

  it('answers the run in the shape of the list', async () => {
    const { world } = steeredWorld();
    const answer = await patch(world, { paused: true });
    expect(answer.json()).toMatchObject({
      services: {
        message: { gc: { runs: [{ id: aRun.id, state: 'paused', steering: { paused_by: 'admin' } }] } },
      },
      meta,
    });
  });

  it('answers 404 when no run is active', async () => {
    const answer = await patch(new World(), { paused: true });
    expect(answer.statusCode).toBe(404);
    expect(answer.json().errors[0]).toMatchObject({
      code: 1006,
      details: expect.stringContaining('No run is active'),
    });
  });

  it.each<[string, unknown, number, string]>([
    ['no body', '', 1008, '"paused":true'],
    ['an empty object', {}, 1008, 'asks for nothing'],
    ['a list', [true], 1008, '[true], expected an object'],
    ['a word for a truth value', { paused: 'yes' }, 1009, 'paused is "yes", expected true or false'],
    [
      'a rate of nothing',
      { max_rows_per_second: 0 },
      1009,
      'max_rows_per_second is 0, expected a whole number from 1',
    ],
    ['half a row', { max_rows_per_second: 0.5 }, 1009, 'is 0.5'],
    ['a rate as text', { max_rows_per_second: '5' }, 1009, 'is "5"'],
    ['more than the ledger can keep', { max_rows_per_second: 2 ** 31 }, 1009, 'to 2147483647'],
    [
      'more than a number can be',
      '{"max_rows_per_second":1e400}',
      1009,
      'is Infinity, expected a whole number',
    ],
    ['a profile that is none', { profile: 'fast' }, 1009, '"gentle", "balanced", "full", or null'],
    ['a name of every object', { profile: 'toString' }, 1009, 'profile is "toString"'],
    [
      'a field that is none',
      { paused: true, pause: true },
      1010,
      '"pause" was sent, and nothing was changed',
    ],
  ])('changes nothing for %s', async (_what, body, code, words) => {
    const { world, asked } = steeredWorld();
    const answer = await patch(world, body);
    expect(answer.statusCode).toBe(400);
    expect(answer.json().errors[0]).toMatchObject({ code, details: expect.stringContaining(words) });
    expect(asked).toEqual([]);
  });

  it('lets only those steer who may collect', async () => {
    const { world, asked } = steeredWorld();
    expect((await patch(world, { paused: true }, 'clerk')).statusCode).toBe(403);
    expect(asked).toEqual([]);
  });

  it('says so when the database cannot be reached', async () => {
    const world = new World();
    world.steer = () => Promise.reject(unreachable());
    expect((await patch(world, { paused: true })).statusCode).toBe(503);
  });
});

import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { type CanaryLoop, canaryLoop } from '../../src/storage/signals/canary-loop.js';

describe('the canary', () => {
  beforeEach(() => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'performance'] });
  });
  afterEach(() => {
    vi.useRealTimers();
  });

  /** A server that answers after `ms`, or not at all. */
  function server(): { ms: number | null; error: Error | null; sent: number; loop: CanaryLoop } {
    const world = { ms: 2 as number | null, error: null as Error | null, sent: 0 };
    const loop = canaryLoop(async () => {
      world.sent += 1;
      const { ms } = world;
      await new Promise<void>((resolve) => {
        if (ms !== null) setTimeout(resolve, ms);
      });
      if (world.error !== null) throw world.error;
    });
    return Object.assign(world, { loop });
  }

  async function begun() {
    const world = server();
    const beginning = world.loop.begin();
    await vi.advanceTimersByTimeAsync(1_000);
    await beginning;
    return world;
  }

  it('takes its own figure from twenty probes before the first batch, the one that connects left out', async () => {
    const world = server();
    const beginning = world.loop.begin();
    await vi.advanceTimersByTimeAsync(41);
    expect(world.sent).toBe(21);
    await vi.advanceTimersByTimeAsync(10);
    await beginning;
    expect(world.loop.read()).toMatchObject({ baseline: 2 });
    void world.loop.stop();
  });

  it('takes no longer than four tenths of a second for it, and one probe, from a distant server', async () => {
    const world = server();
    world.ms = 300;
    const beginning = world.loop.begin();
    await vi.advanceTimersByTimeAsync(900);
    await beginning;
    expect(world.loop.read()).toMatchObject({ baseline: 300 });
    void world.loop.stop();
  });

  it('is sent five times a second', async () => {
    const world = await begun();
    const before = world.sent;
    await vi.advanceTimersByTimeAsync(2_000);
    expect(world.sent - before).toBe(10);
    expect(world.loop.read()).toEqual({ value: 2, baseline: 2 });
    void world.loop.stop();
  });

  it('sees a server that answers nothing, as long as it does', async () => {
    const world = await begun();
    await vi.advanceTimersByTimeAsync(4_000);
    world.ms = null;
    await vi.advanceTimersByTimeAsync(1_500);
    expect(world.loop.read()?.value).toBeGreaterThan(1_200);
    await vi.advanceTimersByTimeAsync(2_000);
    expect(world.loop.read()?.value).toBeGreaterThan(3_200);
    void world.loop.stop();
  });

  it('forgets a slow answer after four seconds, and one that was hardly slow is one of twenty', async () => {
    const world = await begun();
    await vi.advanceTimersByTimeAsync(4_000);
    world.ms = 50;
    await vi.advanceTimersByTimeAsync(200);
    world.ms = 2;
    await vi.advanceTimersByTimeAsync(400);
    expect(world.loop.read()?.value).toBe(2);
    world.ms = 900;
    await vi.advanceTimersByTimeAsync(1_000);
    world.ms = 2;
    await vi.advanceTimersByTimeAsync(1_000);
    expect(world.loop.read()?.value).toBe(900);
    await vi.advanceTimersByTimeAsync(4_500);
    expect(world.loop.read()?.value).toBe(2);
    void world.loop.stop();
  });

  it('says what is wrong while no probe comes through, and goes on by itself', async () => {
    const world = await begun();
    world.error = new Error('the server has gone away');
    await vi.advanceTimersByTimeAsync(500);
    expect(() => world.loop.read()).toThrow('the canary was not answered: the server has gone away');
    world.error = null;
    await vi.advanceTimersByTimeAsync(500);
    expect(world.loop.read()).toMatchObject({ value: 2 });
    void world.loop.stop();
  });

  it('sends nothing after it was stopped', async () => {
    const world = await begun();
    void world.loop.stop();
    const before = world.sent;
    await vi.advanceTimersByTimeAsync(2_000);
    expect(world.sent).toBe(before);
  });
});

/** A run on a MariaDB server of the test's own, slow enough to look at, and what it says of its signals. */
import { expect } from 'vitest';
import { type RunShape, waitForEnd, waitForRun } from '../harness/collection.js';
import type { Instance } from '../harness/instance.js';
import { whyNoMariadb } from '../harness/mariadb-program.js';
import type { MariadbWorld } from '../harness/mariadb-world.js';
import { pause, until } from '../harness/wait.js';

/** Null when servers can be started; with CI=true a missing one is a failure. */
export function missingServer(): string | null {
  const missing = whyNoMariadb();
  if (missing === null) return null;
  console.error(`NOT TESTED: the signals of MariaDB: ${missing}`);
  if (process.env['CI'] === 'true')
    throw new Error(`CI is set, and there no server is a failure: ${missing}`);
  return missing;
}

export type SignalShape = {
  readonly state: string;
  readonly value: number | null;
  readonly limit: number | null;
  readonly detail: string | null;
};
export type WatchedRun = RunShape & {
  readonly reason: {
    readonly code: string;
    readonly signal: string | null;
    readonly value: number | string | null;
    readonly limit: number | null;
  } | null;
  readonly nodes: Readonly<
    Record<string, { readonly signals: Readonly<Record<string, SignalShape>> | null }>
  >;
};

/** Two seconds are promised from the moment when the fact shows; the rest is for the looks of a busy machine. */
const noticedWithinMs = 6_000;
/** The load must be low for 5 s, and a canary's last slow probes be forgotten before. */
const goesOnWithinMs = 45_000;

/** Starts a run that removes about so many messages a second; `setRate(null)` lets it go. */
export async function startSlowly(world: MariadbWorld, instance: Instance, rate: number): Promise<string> {
  const id = await instance.collect();
  await setRate(world, rate);
  return id;
}

export async function setRate({ client }: MariadbWorld, rate: number | null): Promise<void> {
  await client.query('UPDATE message_gc_run SET max_rate = ?, version = version + 1 WHERE active = 1', [
    rate,
  ]);
}

const stateBehind: Readonly<Record<string, string>> = {
  slowed: 'slowing',
  stopped: 'stopping',
  signal_lost: 'lost',
};

export async function waitForReason(
  instance: Instance,
  id: string,
  code: string,
  signal: string,
  deadlineMs = noticedWithinMs,
): Promise<WatchedRun> {
  const from = performance.now();
  const run = await waitForRun(instance, id, `${code} by ${signal}`, deadlineMs, (seen) => {
    const { reason } = seen as WatchedRun;
    if (reason?.code !== code || reason.signal !== signal) return false;
    // The reason is this moment's; the node tells its signals once a second.
    const state = stateBehind[code];
    const { nodes } = seen as WatchedRun;
    return (
      state === undefined || Object.values(nodes).some(({ signals }) => signals?.[signal]?.state === state)
    );
  });
  console.log(`${code} by ${signal} after ${Math.round(performance.now() - from)} ms`);
  return run as WatchedRun;
}

/** Nothing goes while it stands still. A batch that had begun before may end. */
export async function expectStandingStill({ oracle }: MariadbWorld): Promise<void> {
  let before = -1;
  await until('the batch in hand to end', 5_000, async () => {
    const last = before;
    before = await oracle.messages();
    await pause(200);
    return last === before;
  });
  await pause(1_000);
  expect(await oracle.messages(), 'messages while the run stands still').toBe(before);
}

/** By itself, and with the exact number. */
export async function expectGoesOnAndEnds(
  world: MariadbWorld,
  instance: Instance,
  id: string,
): Promise<void> {
  await waitForRun(
    instance,
    id,
    'at work again',
    goesOnWithinMs,
    ({ reason, state }) =>
      state === 'complete' || !['stopped', 'signal_lost', 'slowed'].includes(reason?.code ?? 'stopped'),
  );
  await setRate(world, null);
  const run = await waitForEnd(instance, id, 60_000);
  expect(run).toMatchObject({ state: 'complete', errors: [], messages_deleted: world.eligible.size });
  await world.oracle.expectGone({ before: world.before, gone: world.eligible });
  await world.oracle.expectNoOrphans();
  await world.oracle.expectInvariants();
}

/** What the node says of its signals, once it has read them. */
export async function signalsOf(
  instance: Instance,
  id: string,
): Promise<Readonly<Record<string, SignalShape>>> {
  const run = await waitForRun(instance, id, 'watched', 10_000, (seen) => {
    const signals = Object.values((seen as WatchedRun).nodes)[0]?.signals;
    return (
      signals != null &&
      Object.keys(signals).length > 0 &&
      Object.values(signals).every(({ state }) => state !== 'waiting')
    );
  });
  return Object.values((run as WatchedRun).nodes)[0]?.signals ?? {};
}

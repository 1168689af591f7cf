/** The operator is in command: over HTTP and in the shell, of one instance and of several nodes, on either server. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { metric, outcomeOf } from '../harness/collection.js';
import type { Instance, LogLine, Role } from '../harness/instance.js';
import type { Keys, Oracle } from '../harness/oracle.js';
import { type Environment, runCommand } from '../harness/processes.js';
import type { Receiver } from '../harness/receiver.js';
import { pause, until } from '../harness/wait.js';
import { EventClient } from '../webapp/event-client.js';

export type SteerWorld = {
  readonly database: { readonly url: string };
  readonly receiver: Receiver;
  readonly oracle: Oracle;
  readonly before: Keys;
  readonly eligible: Keys;
  start(env?: Environment, role?: Role): Promise<Instance>;
  restart(instance: Instance): Promise<Instance>;
};

type Run = {
  readonly id: string;
  readonly state: string;
  readonly messages_deleted: number;
  readonly reason: Reason | null;
  readonly steering: {
    readonly paused_by: string | null;
    readonly max_rows_per_second: number | null;
    readonly profile: string | null;
  };
  readonly nodes: Readonly<Record<string, { readonly reason: Reason | null }>>;
};
type Reason = {
  readonly code: string;
  readonly signal: string | null;
  readonly value: unknown;
  readonly limit: unknown;
};

const gcPath = '/v1/services/message/gc';
const shared = {
  MESSAGE_GC_CLUSTER_SECRET: 'a secret of sixteen and more',
  WA_APP_MULTICONNECT: '1',
};

async function steer(front: Instance, body: object): Promise<Run> {
  const answer = await front.api('PATCH', gcPath, body);
  expect(answer.status, answer.text).toBe(200);
  return (answer.body as { services: { message: { gc: { runs: [Run] } } } }).services.message.gc.runs[0];
}

async function runOf(front: Instance, id: string): Promise<Run> {
  const answer = await front.api('GET', `${gcPath}/${id}`);
  expect(answer.status, answer.text).toBe(200);
  return (answer.body as { services: { message: { gc: { runs: [Run] } } } }).services.message.gc.runs[0];
}

async function waitFor(front: Instance, id: string, what: string, is: (run: Run) => boolean): Promise<Run> {
  let last: Run | null = null;
  try {
    return await until(what, 120_000, async () => {
      last = await runOf(front, id);
      return is(last) ? last : null;
    });
  } catch (cause) {
    throw new Error(`${(cause as Error).message} Last seen: ${JSON.stringify(last)}`, { cause });
  }
}

const isOver = ({ state }: Run): boolean => state === 'complete' || state === 'failed';
const somethingGone = ({ messages_deleted: deleted }: Run): boolean => deleted > 0;
/** Every node has said so itself: from here on none of them has a batch in hand. */
const standsStill =
  (code: string, nodes: number) =>
  (run: Run): boolean => {
    const reasons = Object.values(run.nodes).map(({ reason }) => reason?.code);
    return reasons.length >= nodes && reasons.every((found) => found === code);
  };

async function expectComplete(world: SteerWorld, front: Instance, id: string): Promise<void> {
  expect(await waitFor(front, id, 'the run to end', isOver)).toMatchObject({ state: 'complete' });
  await world.oracle.expectGone({ before: world.before, gone: world.eligible });
  await world.oracle.expectNoOrphans();
  await world.oracle.expectInvariants();
}

async function cluster(
  world: SteerWorld,
  env: Environment,
): Promise<{ readonly front: Instance; readonly cores: readonly Instance[] }> {
  const front = await world.start(shared, 'webapp');
  const core = (number: number): Promise<Instance> =>
    world.start(
      {
        ...shared,
        ...env,
        COREAPP_HOSTNAME: `wacore${number}`,
        MESSAGE_GC_NODE_ID: `00000000000${number}`,
        MESSAGE_GC_CONTROL_LISTEN: '127.0.0.1:0',
      },
      'coreapp',
    );
  return { front, cores: await Promise.all([core(2), core(3)]) };
}

/** A stop file that is there, and what processes need to see it. */
async function stopFile(): Promise<{ readonly path: string; readonly env: Environment }> {
  const folder = await mkdtemp(join(tmpdir(), 'mgc-stop-'));
  onTestFinished(() => rm(folder, { recursive: true, force: true }));
  const path = join(folder, 'stop');
  await writeFile(path, '');
  return { path, env: { MESSAGE_GC_STOP_FILE: path } };
}

/** A run that lasts for seconds on any machine: it is given a rate limit before the stop file lets it begin. */
async function slowRun(front: Instance, file: string, limit: number, nodes = 1): Promise<string> {
  const id = await front.collect();
  const steered = await steer(front, { max_rows_per_second: limit });
  expect(steered.steering).toEqual({ paused_by: null, max_rows_per_second: limit, profile: null });
  await waitFor(front, id, 'every node to wait for the file', standsStill('stop_file', nodes));
  await rm(file);
  return id;
}

async function shell(world: SteerWorld, args: readonly string[]) {
  return runCommand(args, { DATABASE_URL: world.database.url, MESSAGE_GC_CONFIG: '' });
}

async function inShell(world: SteerWorld, ...args: readonly string[]): Promise<Record<string, unknown>> {
  const { code, stdout, stderr } = await shell(world, [...args, '--json']);
  expect(code, `${stdout}\n${stderr}`).toBe(0);
  return JSON.parse(stdout) as Record<string, unknown>;
}

export function steerSuite(makeWorld: (rows: number) => Promise<SteerWorld>): void {
  test('a paused run stays paused through kill -9 and a PUT that joins it, and is complete once resumed', async () => {
    const world = await makeWorld(20_000);
    const { path, env } = await stopFile();
    const first = await world.start(env);
    const id = await slowRun(first, path, 1_000);
    await waitFor(first, id, 'something to be gone', somethingGone);
    expect(await steer(first, { paused: true })).toMatchObject({
      id,
      state: 'paused',
      reason: { code: 'paused' },
      steering: { paused_by: 'admin' },
    });
    await waitFor(first, id, 'the node to stand still', standsStill('paused', 1));
    await first.kill();

    const again = await world.restart(first);
    const left = await world.oracle.messages();
    expect(left).toBeGreaterThan(world.before.size - world.eligible.size);
    await waitFor(again, id, 'the node to have seen the run', standsStill('paused', 1));
    expect(await again.collect(), 'a PUT joins').toBe(id);
    const seen = await waitFor(again, id, 'the node to stand still', standsStill('paused', 1));
    expect(seen).toMatchObject({ state: 'paused', steering: { paused_by: 'admin' } });
    expect(await world.oracle.messages(), 'messages while it is paused').toBe(left);
    await again.waitForLine(
      'why it stands still',
      ({ msg, code, run }) => msg === 'the run stands still here' && code === 'paused' && run === id,
      20_000,
    );

    const resumed = await steer(again, { paused: false, max_rows_per_second: null, profile: 'full' });
    expect(resumed.steering.paused_by).toBeNull();
    // The answer itself does not contradict what was just done.
    expect(resumed.reason?.code).not.toBe('paused');
    await expectComplete(world, again, id);
    const lines = [...first.lines, ...again.lines].filter(({ by }) => by === 'admin').map(({ msg }) => msg);
    expect(lines).toEqual(expect.arrayContaining(['the run was paused', 'the run was resumed']));
  });

  test('a rate limit holds for two nodes together, and the run speeds up when it is lifted', async () => {
    const world = await makeWorld(20_000);
    const { path, env } = await stopFile();
    const { front, cores } = await cluster(world, env);
    const limit = 1_000;
    const id = await front.collect();
    await steer(front, { max_rows_per_second: limit });
    await waitFor(front, id, 'both nodes to wait for the file', standsStill('stop_file', 2));
    const atRest = world.before.size;
    const marks = cores.map(({ lines }) => lines.length);
    const beganAt = performance.now();
    await rm(path);
    const counts: { readonly gone: number; readonly seconds: number }[] = [];
    while (performance.now() - beganAt < 6_000) {
      const gone = atRest - (await world.oracle.messages());
      counts.push({ gone, seconds: (performance.now() - beganAt) / 1_000 });
      await pause(250);
    }
    // A batch begins when there are tokens and is paid for when it is over: one of each node may be above the limit.
    const largest = cores.map(({ lines }, at) =>
      Math.max(
        0,
        ...lines.slice(marks[at]).map(({ deleted }) => (typeof deleted === 'number' ? deleted : 0)),
      ),
    );
    const overhang = largest.reduce((sum, one) => sum + one, 0);
    for (const { gone, seconds } of counts) {
      expect(gone, `gone after ${seconds} s, batches of ${largest.join(', ')}`).toBeLessThanOrEqual(
        (seconds + 1) * limit + overhang,
      );
    }
    const limited = await waitFor(front, id, 'the reason', ({ reason }) => reason?.code === 'rate_limited');
    expect(limited.reason).toMatchObject({ signal: 'max_rows_per_second', limit: limit / 2 });
    expect(counts.at(-1)?.gone).toBeGreaterThan(0);

    await steer(front, { max_rows_per_second: null, profile: 'full' });
    await expectComplete(world, front, id);
  });

  test('whoever listens at a Webapp sees the run advance, its reasons, and its end last', async () => {
    const world = await makeWorld(20_000);
    const { path, env } = await stopFile();
    const { front } = await cluster(world, env);
    const client = await EventClient.open(`${front.url}${gcPath}/events`, `Bearer ${await front.login()}`);
    onTestFinished(() => client.close());
    await client.waitFor('idle', ({ name }) => name === 'idle');
    const id = await slowRun(front, path, 1_500, 2);
    await client.waitFor('the start', ({ name, data }) => name === 'run.started' && data['id'] === id);
    const some = await client.waitFor(
      'something gone',
      ({ data }) => Number(data['messages_deleted'] ?? 0) > 0,
    );
    await client.waitFor(
      'more gone',
      ({ data }) => Number(data['messages_deleted'] ?? 0) > Number(some.data['messages_deleted']),
    );
    await steer(front, { paused: true });
    await client.waitFor('the pause', ({ name, data }) => {
      const { reason } = data as Partial<Run>;
      return name === 'run.waiting' && reason?.code === 'paused';
    });
    await steer(front, { paused: false, max_rows_per_second: null, profile: 'full' });
    const last = await client.waitFor('the end', ({ name }) => name === 'run.ended', 120_000);
    expect(last.data).toMatchObject({ id, state: 'complete', messages_deleted: world.eligible.size });
    const counts = client.events.flatMap(({ data }) =>
      data['id'] === id ? [Number(data['messages_deleted'])] : [],
    );
    expect(counts).toEqual(counts.toSorted((a, b) => a - b));
    expect(new Set(counts).size).toBeGreaterThan(2);
    await client.waitFor(
      'idle at the end',
      ({ name }) => name === 'idle' && client.names().at(-1) === 'idle',
    );

    // A service that stops gives its streams an end, and does not wait for them.
    front.terminate();
    expect(await front.ended).toMatchObject({ code: 0 });
    expect(client.hasEnded).toBe(true);
    expect(client.response.complete, 'the end of the stream, and no cut').toBe(true);
  });

  test('a shell steers a cluster under a name of its own, and cancels it for all nodes', async () => {
    const world = await makeWorld(20_000);
    const { path, env } = await stopFile();
    const { front, cores } = await cluster(world, env);
    const id = await slowRun(front, path, 1_000, 2);
    await waitFor(front, id, 'something to be gone', somethingGone);
    const paused = await inShell(world, 'pause', '--by', 'night shift');
    expect(paused).toMatchObject({ run: { id, state: 'paused', steering: { paused_by: 'night shift' } } });
    await waitFor(front, id, 'both nodes to stand still', standsStill('paused', 2));
    for (const core of cores) {
      const isTold = ({ msg, paused_by: by }: LogLine): boolean =>
        msg === 'operators steer the run' && by === 'night shift';
      await core.waitForLine('who paused the run', isTold, 20_000);
    }
    expect(await inShell(world, 'rate', '400', '--profile', 'balanced')).toMatchObject({
      run: { steering: { paused_by: 'night shift', max_rows_per_second: 400, profile: 'balanced' } },
    });
    const status = await shell(world, ['status']);
    expect(status.code).toBe(0);
    expect(status.stdout).toMatch(/paused by night shift, at most 400 rows\/s, profile balanced/);
    for (const { node } of cores) expect(status.stdout).toMatch(new RegExp(`${node} +[\\d,]+ .* paused`));
    expect(status.stdout).toContain('time left unknown');

    expect(await inShell(world, 'resume')).toMatchObject({ run: { id, steering: { paused_by: null } } });
    await waitFor(front, id, 'the limit to hold', ({ reason }) => reason?.code === 'rate_limited');
    expect(await inShell(world, 'cancel', '--by', 'night shift')).toMatchObject({
      run: { id, state: 'failed', errors: [{ code: 1014, details: 'Cancelled by night shift' }] },
    });
    await world.receiver.waitForAccepted(2, 120_000);
    const told = world.receiver.accepted.map(outcomeOf);
    expect(new Set(told.map(({ node }) => node))).toEqual(new Set(cores.map(({ node }) => node)));
    for (const { status: outcome, errors } of told) {
      expect([outcome, errors]).toEqual(['failed', [{ code: 1014, details: 'Cancelled by night shift' }]]);
    }
    const gone = world.before.size - (await world.oracle.messages());
    expect(told.reduce((sum, { messages_deleted: deleted }) => sum + deleted, 0)).toBe(gone);
    expect(gone).toBeLessThan(world.eligible.size);
    await world.oracle.expectInvariants();

    const late = await shell(world, ['resume', '--json']);
    expect(late.code).toBe(3);
    expect(JSON.parse(late.stdout)).toMatchObject({ error: { reason: 'refused' } });
  });

  test('a shell pauses a run that nobody works on, and the next gc waits for the resume', async () => {
    const world = await makeWorld(4_000);
    const env = { DATABASE_URL: world.database.url, MESSAGE_GC_CONFIG: '' };
    expect((await runCommand(['gc', '--max-rows', '500'], env)).code).toBe(75);
    const paused = await shell(world, ['pause']);
    expect([paused.code, paused.stdout]).toEqual([0, expect.stringContaining('paused by')]);
    expect((await shell(world, ['status'])).stdout).toContain('nobody works on it now');
    const left = await world.oracle.messages();
    expect((await runCommand(['gc', '--max-time', '3s'], env)).code).toBe(75);
    expect(await world.oracle.messages()).toBe(left);
    const resumed = await shell(world, ['resume']);
    expect([resumed.code, resumed.stdout]).toEqual([0, expect.stringContaining('no node is up now')]);
    expect((await runCommand(['gc'], env)).code).toBe(0);
    await world.oracle.expectGone({ before: world.before, gone: world.eligible });
    const { stdout } = await shell(world, ['status', '--watch']);
    expect(stdout).toContain('complete');
  });

  test('no batch begins while the stop file is there, and the run goes on when it is removed', async () => {
    const world = await makeWorld(20_000);
    const { path: file, env } = await stopFile();
    const instance = await world.start(env);
    const id = await slowRun(instance, file, 1_000);
    await waitFor(instance, id, 'something to be gone', somethingGone);
    await writeFile(file, '');
    const held = await waitFor(instance, id, 'the reason', ({ reason }) => reason?.code === 'stop_file');
    expect(held).toMatchObject({ state: 'waiting', reason: { signal: 'file', value: file } });
    const left = await world.oracle.messages();
    await instance.kill();

    const again = await world.restart(instance);
    await again.waitForLine('that the file is there', ({ file: named }) => named === file, 20_000);
    await waitFor(again, id, 'the reason', standsStill('stop_file', 1));
    await until(
      'the meter of the reason',
      20_000,
      async () => (await metric(again, 'message_gc_reason{code="stop_file"}')) === 1,
    );
    expect(await metric(again, 'message_gc_duty')).toBe(0);
    expect(await world.oracle.messages()).toBe(left);
    expect(left).toBeGreaterThan(world.before.size - world.eligible.size);
    const seen = await runCommand(['status'], {
      DATABASE_URL: world.database.url,
      MESSAGE_GC_CONFIG: '',
      MESSAGE_GC_STOP_FILE: file,
    });
    expect(seen.stdout).toContain(`stopped by the stop file (file ${file})`);
    await steer(again, { max_rows_per_second: null, profile: 'full' });
    await rm(file);
    await expectComplete(world, again, id);
  });
}

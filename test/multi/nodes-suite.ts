/** Webapps and Coreapps as processes of their own, whatever server is under them: one table, one truth. */
import { expect, test } from 'vitest';
import { outcomeOf } from '../harness/collection.js';
import type { Instance, Role } from '../harness/instance.js';
import type { Keys, Oracle } from '../harness/oracle.js';
import type { Environment } from '../harness/processes.js';
import type { Receiver } from '../harness/receiver.js';
import { until } from '../harness/wait.js';

/** What the worlds of both servers have. */
export type NodesWorld = {
  readonly receiver: Receiver;
  readonly oracle: Oracle;
  readonly before: Keys;
  readonly eligible: Keys;
  start(env?: Environment, role?: Role): Promise<Instance>;
};

type Entry = { readonly status?: string; readonly errors?: readonly { readonly details: string }[] };
type Run = {
  readonly state: string;
  readonly messages_deleted: number;
  readonly nodes: Readonly<Record<string, { readonly messages_deleted: number }>>;
};

export function nodesSuite(makeWorld: (rows: number) => Promise<NodesWorld>): void {
  const shared = { MESSAGE_GC_CLUSTER_SECRET: 'a secret of sixteen and more', WA_APP_MULTICONNECT: '1' };

  async function webapp(world: NodesWorld): Promise<Instance> {
    return world.start(shared, 'webapp');
  }

  async function coreapp(world: NodesWorld, number: number): Promise<Instance> {
    return world.start(
      {
        ...shared,
        COREAPP_HOSTNAME: `wacore${number}`,
        MESSAGE_GC_NODE_ID: `00000000000${number}`,
        MESSAGE_GC_CONTROL_LISTEN: '127.0.0.1:0',
      },
      'coreapp',
    );
  }

  async function put(front: Instance) {
    const answer = await front.api('PUT', '/v1/services/message/gc');
    const { services } = answer.body as { services?: { message: { gc: Readonly<Record<string, Entry>> } } };
    return {
      status: answer.status,
      run: String(answer.headers['x-request-id']),
      joined: answer.headers['x-message-gc-joined'],
      nodes: services?.message.gc ?? {},
      text: answer.text,
    };
  }

  async function runOf(front: Instance, id: string): Promise<Run> {
    const answer = await front.api('GET', `/v1/services/message/gc/${id}`);
    const [run] = (answer.body as { services: { message: { gc: { runs: [Run] } } } }).services.message.gc
      .runs;
    return run;
  }

  async function ended(front: Instance, id: string): Promise<Run> {
    return until('the run to end', 60_000, async () => {
      const run = await runOf(front, id);
      return run.state === 'complete' || run.state === 'failed' ? run : null;
    });
  }

  /** As a scraper reads it at the control port: no token, no signature. */
  async function deletedByMeter({ url }: Instance): Promise<number> {
    const answer = await fetch(`${url}/metrics?format=prometheus`);
    return Number(/^message_gc_messages_deleted_total (\d+)$/m.exec(await answer.text())?.[1]);
  }

  /** Every callback once, by node, and their sum is what is gone. */
  async function expectTold(world: NodesWorld, id: string, nodes: readonly string[]): Promise<void> {
    await world.receiver.waitForAccepted(nodes.length, 60_000);
    const gone = await world.oracle.expectGone({ before: world.before, gone: world.eligible });
    const told = world.receiver.accepted.map(outcomeOf);
    expect(told).toHaveLength(nodes.length);
    expect(new Set(told.map(({ node }) => node))).toEqual(new Set(nodes));
    expect(told.reduce((sum, { messages_deleted: deleted }) => sum + deleted, 0)).toBe(gone.size);
    for (const { headers } of world.receiver.accepted) expect(headers['x-request-id']).toBe(id);
    await world.oracle.expectNoOrphans();
    await world.oracle.expectInvariants();
  }

  test('without a Coreapp a PUT says that there is none, health shows none, and a dry run tells all the same', async () => {
    const world = await makeWorld(1_000);
    const front = await webapp(world);
    const answer = await put(front);
    expect(answer.status).toBe(500);
    expect(answer.text).toContain('No Coreapp is registered');
    expect((await front.api('GET', '/v1/health')).body).toMatchObject({ health: {} });
    const look = await front.api('PUT', '/v1/services/message/gc?dry_run=true');
    expect(look.body).toMatchObject({
      services: { message: { gc: { dry_run: { messages: world.eligible.size, exact: true } } } },
    });
    expect(await world.oracle.allKeys()).toEqual(world.before);
  });

  test('a run that a Webapp cancels is told as failed by every node, with the true counts', async () => {
    const world = await makeWorld(60_000);
    const front = await webapp(world);
    const names = [await coreapp(world, 2), await coreapp(world, 3)].map(({ node }) => node);
    const { run } = await put(front);
    await until('something to be deleted', 20_000, async () =>
      (await runOf(front, run)).messages_deleted > 0 ? true : null,
    );
    expect((await front.api('DELETE', '/v1/services/message/gc')).status).toBe(200);
    await world.receiver.waitForAccepted(2, 60_000);
    const told = world.receiver.accepted.map(outcomeOf);
    expect(new Set(told.map(({ node }) => node))).toEqual(new Set(names));
    for (const { status, errors } of told) {
      expect(status).toBe('failed');
      expect(errors).toEqual([{ code: 1014, details: 'Cancelled by admin' }]);
    }
    const gone = world.before.size - (await world.oracle.messages());
    expect(told.reduce((sum, { messages_deleted: deleted }) => sum + deleted, 0)).toBe(gone);
    expect(gone).toBeGreaterThan(0);
    expect(gone).toBeLessThan(world.eligible.size);
    await world.oracle.expectInvariants();
  });

  test('collect one table together and are told of one by one, whichever Webapp is asked', async () => {
    const world = await makeWorld(60_000);
    const [front, other] = [await webapp(world), await webapp(world)];
    const cores = [await coreapp(world, 2), await coreapp(world, 3)];
    const names = cores.map(({ node }) => node);
    expect(names).toEqual(['wacore2:000000000002', 'wacore3:000000000003']);

    const [first, second] = await Promise.all([put(front), put(other)]);
    for (const { status, nodes } of [first, second]) {
      expect(status).toBe(200);
      expect(nodes).toEqual(Object.fromEntries(names.map((name) => [name, { status: 'processing' }])));
    }
    // Two PUTs at once make one run: one of them made it, the other joined it.
    expect(second.run).toBe(first.run);
    expect([first.joined, second.joined].filter((joined) => joined === '1')).toHaveLength(1);
    expect(await ended(other, first.run)).toMatchObject({ state: 'complete' });
    await expectTold(world, first.run, names);

    // Each node counts what it has deleted itself, and says so to whoever asks.
    const counted = await Promise.all(cores.map(deletedByMeter));
    expect(counted.reduce((sum, count) => sum + count, 0)).toBe(world.eligible.size);

    expect((await front.api('GET', '/v1/health')).body).toMatchObject({
      health: Object.fromEntries(
        names.map((name) => [name, { gateway_status: 'connected', role: 'coreapp' }]),
      ),
    });
  });

  test('a node that is killed in mid-run is told of by the others, with its exact count', async () => {
    const world = await makeWorld(60_000);
    const front = await webapp(world);
    // Before the nodes start: they look at their settings at each heartbeat only.
    await front.api('PATCH', '/v1/settings/application', { unhealthy_interval: 15 });
    const cores = [await coreapp(world, 2), await coreapp(world, 3)];
    const { run } = await put(front);
    const doomed = await until('a node to have deleted something', 20_000, async () => {
      const { nodes } = await runOf(front, run);
      return cores.find(({ node }) => (nodes[node]?.messages_deleted ?? 0) > 0) ?? null;
    });
    await doomed.kill();
    const survivor = cores.find((core) => core !== doomed) ?? doomed;
    const again = await put(front);
    expect(again).toMatchObject({ status: 200, run, joined: '1' });
    const refused = /^connect ECONNREFUSED .*\. Please check if wacore is running: 127/;
    expect(again.nodes).toEqual({
      [survivor.node]: { status: 'processing' },
      [doomed.node.slice(0, doomed.node.indexOf(':'))]: {
        errors: [{ code: 1014, title: 'Internal error', details: expect.stringMatching(refused) }],
      },
    });
    expect(await ended(front, run)).toMatchObject({ state: 'complete' });
    await expectTold(world, run, [doomed.node, survivor.node]);
  });
}

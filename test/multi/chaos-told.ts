/** What the callbacks of a round must have told, once, of each run and node. */
import { expect } from 'vitest';
import type { ClusterWorld } from '../harness/cluster-world.js';
import { outcomeOf, type RunShape } from '../harness/collection.js';
import type { Delivery, Receiver } from '../harness/receiver.js';
import { until } from '../harness/wait.js';

export type Told = {
  /** By run: the nodes that some PUT showed as `processing`. */
  readonly answered: Map<string, Set<string>>;
  readonly deliveries: Receiver;
};
export type RunSeen = RunShape & {
  readonly horizon: string | null;
  readonly started_at: string;
  readonly ended_at: string | null;
  readonly nodes: Readonly<Record<string, { readonly messages_deleted: number }>>;
  readonly callbacks?: readonly { readonly id: string; readonly state: string }[];
};
type Body = { readonly services: { readonly message: { readonly gc: { readonly runs: RunSeen[] } } } };

const path = '/v1/services/message/gc';
/** Two leases in a row, and a claim of a callback that outlives its sender by ten seconds. */
const endMs = 150_000;

/** Waits until every run has ended and every callback is delivered; answers the runs, each as GET shows it alone. */
export async function waitUntilTold(cluster: ClusterWorld, told: Told): Promise<readonly RunSeen[]> {
  let last: readonly RunSeen[] = [];
  const runs = async (address: string): Promise<readonly RunSeen[]> =>
    ((await cluster.ask(address)).body as Body).services.message.gc.runs;
  try {
    return await until('every run to be over and told', endMs, async () => {
      const ids = (await runs(path)).map(({ id }) => id);
      const all = new Set([...ids, ...told.answered.keys()]);
      last = (await Promise.all([...all].map((id) => runs(`${path}/${id}`)))).flat();
      const isTold = last.every(
        ({ ended_at: ended, callbacks = [] }) =>
          ended !== null && callbacks.length > 0 && callbacks.every(({ state }) => state === 'delivered'),
      );
      return isTold ? last : null;
    });
  } catch (cause) {
    throw new Error(`${(cause as Error).message} Last seen: ${JSON.stringify(last)}`, { cause });
  }
}

/** `gone`: the rows gone in all runs, as the oracle counts them. */
export function expectTold(runs: readonly RunSeen[], told: Told, gone: number): void {
  const { accepted, byId } = told.deliveries;
  for (const [id, bodies] of byId) expect(bodies.size, `bodies under the webhook-id ${id}`).toBe(1);
  const once = [...new Map(accepted.map((delivery) => [delivery.id, delivery])).values()];
  const sum = once.reduce((total, delivery) => total + outcomeOf(delivery).messages_deleted, 0);
  expect(sum, 'messages deleted, as the callbacks told').toBe(gone);
  const known = new Set(runs.map(({ id }) => id));
  for (const { headers } of once) expect(known).toContain(headers['x-request-id']);

  for (const run of runs) {
    const its = once.filter(({ headers }) => headers['x-request-id'] === run.id);
    expectOneEach(run, its, told.answered.get(run.id) ?? new Set());
  }
  // Whoever asks during a run joins it: the next one begins after its end.
  const inOrder = runs.toSorted((a, b) => a.started_at.localeCompare(b.started_at));
  for (const [at, run] of inOrder.entries()) {
    const next = inOrder[at + 1];
    if (next !== undefined) expect((run.ended_at ?? '') <= next.started_at, 'runs overlap').toBe(true);
  }
}

function expectOneEach(run: RunSeen, its: readonly Delivery[], answered: ReadonlySet<string>): void {
  const names = its.map((delivery) => outcomeOf(delivery).node ?? '').toSorted();
  const worked = Object.entries(run.nodes).flatMap(([name, node]) =>
    node.messages_deleted > 0 ? [name] : [],
  );
  const owed = new Set([...answered, ...worked]);
  expect(new Set(names).size, `callbacks of run ${run.id}: ${names.join(', ')}`).toBe(names.length);
  expect(
    [...owed].filter((name) => !names.includes(name)),
    'nodes that answered processing or worked, and have no callback',
  ).toEqual([]);
  // A node whose answer to the PUT was lost has started all the same: it is in the run, and told of.
  expect(
    names.filter((name) => !owed.has(name) && run.nodes[name] === undefined),
    'callbacks of nodes that have no part in the run',
  ).toEqual([]);
  for (const delivery of its) {
    const { node = '', messages_deleted: count, status } = outcomeOf(delivery);
    expect(count, `the count of ${node}`).toBe(run.nodes[node]?.messages_deleted ?? 0);
    expect(status).toBe(run.state);
  }
}

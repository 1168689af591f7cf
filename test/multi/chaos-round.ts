/** One round of chaos: a cluster, a writer, a run with faults in it, and the judgement of what is left. */
import { expect } from 'vitest';
import { clusterWorld, type ClusterWorld, type Member } from '../harness/cluster-world.js';
import { within } from '../harness/wait.js';
import type { Ground } from './chaos-ground.js';
import { expectTold, type Told, waitUntilTold } from './chaos-told.js';
import { type Fault, planOf, wordsOf } from './chaos-plan.js';
import { type Server, Strikes } from './chaos-strike.js';
import { Writer } from './chaos-writer.js';

export type RoundWish = {
  readonly seed: number;
  readonly long: boolean;
  /** Crashes are made on it: a server that belongs to this test. */
  readonly server?: Server;
};
export type RoundNews = {
  readonly landed: ReadonlyMap<string, number>;
  readonly ms: number;
  readonly deleted: number;
  readonly written: number;
  readonly polls: number;
  /** Batches that found the fence of another in their span, as the nodes that were up at the end count them. */
  readonly refused: number;
};

const size = { coreapps: 4, webapps: 2 } as const;

export async function chaosRound(ground: Ground, wish: RoundWish): Promise<RoundNews> {
  const server = wish.server ?? null;
  const plan = planOf(wish.seed, { ...size, long: wish.long, serverCrashes: server !== null });
  console.log(`seed ${wish.seed}: ${plan.map(wordsOf).join('; ')}`);
  const { oracle, receiver, databaseUrl, door } = ground;
  const cluster = await clusterWorld({
    ...size,
    databaseUrl,
    receiver,
    door,
    // Long enough a run for all of the faults.
    slowMs: ground.slowMs,
    // Small, so that the lease is as short as it can be (15 s) and a dead node is told from a slow one soon.
    settings: { heartbeat_interval: 1, unhealthy_interval: 5 },
  });
  const before = await oracle.allKeys();
  const eligible = await oracle.eligibleKeys();
  const watch = oracle.watchInvariants(150);
  const writer = new Writer(before, server === null);
  const hand = ground.hand(wish.seed);
  let isOver = false;
  const writing = writeThrough(() => writer.write(hand, () => !isOver), server === null);

  const told: Told = { answered: new Map(), deliveries: receiver };
  const from = performance.now();
  const run = await firstPut(cluster, told);
  const strikes = new Strikes(cluster, server, async (webapp) => {
    const named = await put(webapp, told);
    return named === null ? null : named === run ? 'that joined' : 'that began another run';
  });
  const gone = async () => before.size + writer.inserted.size - (await oracle.messages());
  await strikeAll(plan, strikes, async () => {
    const isAlone = (await cluster.ask(`/v1/services/message/gc/${run}`)).text.includes('"ended_at":null');
    return isAlone ? (await gone()) / eligible.size : null;
  });
  await within('every node that was to come back', 90_000, strikes.over());
  const runs = await waitUntilTold(cluster, told);
  const ms = performance.now() - from;
  isOver = true;
  await within('the writer to end', 30_000, writing);
  const polls = await watch.stop();
  const refused = await refusedByFences(cluster);

  // What is gone, as the oracle counts it: keys that were there and are not.
  if (server === null) expect(hand.errors(), 'errors that the application met').toEqual({});
  const all = new Set([...before, ...writer.inserted]);
  const now = await oracle.allKeys();
  const lost = [...all].filter((key) => !now.has(key));
  const horizon = Math.max(...runs.map((one) => Date.parse(one.horizon ?? '')));
  const first = runs.find(({ id }) => id === run);
  expect(first?.state, JSON.stringify(first)).toBe('complete');
  const wronged = lost.filter(
    (key) => !eligible.has(key) && !((writer.processedAt.get(key) ?? Number.POSITIVE_INFINITY) <= horizon),
  );
  expect(wronged, `gone and never eligible at the horizon ${horizon}`).toEqual([]);
  const kept = [...eligible].filter((key) => now.has(key) && !writer.touched.has(key));
  expect(kept, 'eligible, untouched and still there').toEqual([]);
  expectTold(runs, told, lost.length);
  await oracle.expectNoOrphans();
  await oracle.expectInvariants();
  return { landed: strikes.landed, ms, deleted: lost.length, written: hand.committed(), polls, refused };
}

/** Both Webapps are asked at once, and both must name one run with all of its nodes. */
async function firstPut(cluster: ClusterWorld, told: Told): Promise<string> {
  const answers = await Promise.all(cluster.webapps.map((webapp) => put(webapp, told)));
  const run = answers[0] ?? '';
  expect(answers, 'runs that PUTs at once were answered with').toEqual(cluster.webapps.map(() => run));
  expect([...(told.answered.get(run) ?? [])].toSorted()).toEqual(
    cluster.coreapps.map(({ instance }) => instance.node).toSorted(),
  );
  return run;
}

/** The run that the answer names, null when it is not 200. What nodes say that they work on it is kept. */
async function put(webapp: Member, told: Told): Promise<string | null> {
  const path = '/v1/services/message/gc';
  // A Webapp that is killed in the middle of it, or that has lost the database, owes no answer.
  const answer = await webapp.instance.api('PUT', path).catch(() => null);
  if (answer?.status !== 200) return null;
  const run = String(answer.headers['x-request-id']);
  const { gc } = (answer.body as PutBody).services.message;
  const nodes = told.answered.get(run) ?? new Set<string>();
  for (const [name, entry] of Object.entries(gc)) if (entry.status === 'processing') nodes.add(name);
  told.answered.set(run, nodes);
  return run;
}

type PutBody = {
  readonly services: { readonly message: { readonly gc: Readonly<Record<string, { status?: string }>> } };
};

async function refusedByFences({ coreapps }: ClusterWorld): Promise<number> {
  const up = coreapps.filter(({ state }) => state === 'up');
  const counts = await Promise.all(
    up.map(async ({ instance }) => {
      const answer = await fetch(`${instance.url}/metrics?format=prometheus`);
      const line = /^message_gc_batches_total\{result="lost"\} (\d+)$/m.exec(await answer.text());
      return Number(line?.[1] ?? 0);
    }),
  );
  return counts.reduce((sum, count) => sum + count, 0);
}

/** Each fault at its place; `share` answers null when the run is over, and what comes too late is left out. */
async function strikeAll(
  plan: readonly Fault[],
  strikes: Strikes,
  share: () => Promise<number | null>,
): Promise<void> {
  for (const fault of plan) {
    for (;;) {
      const reached = await share();
      if (reached === null) return;
      if (reached >= fault.share) break;
    }
    await strikes.strike(fault);
  }
}

/** A writer whose server crashes begins again, until it ends by itself. */
async function writeThrough(write: () => Promise<void>, mayNotFail: boolean): Promise<void> {
  for (;;) {
    try {
      return await write();
    } catch (cause) {
      if (mayNotFail) throw cause;
    }
  }
}

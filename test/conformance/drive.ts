import { expect } from 'vitest';
import { newId } from '../../src/core/node-name.js';
import { policyHash } from '../../src/core/policy.js';
import type {
  BatchAnswer,
  BatchRequest,
  Chunk,
  NodeIdentity,
  RenderCallback,
  StartRequest,
} from '../../src/core/ports.js';
import type { Run, Span } from '../../src/core/run.js';
import type { NewMessage, World } from './world.js';

/** Small steps with which the suite walks a store; each checks the answer that it needs and the invariants. */

/** Longer than any test: a lease runs out only when a test says so. */
export const leaseMs = 600_000;
export const everything: Chunk = { units: 1_000_000, share: 1, least: 1 };

/** A body that shows each of its parts, so that a test can compare it whole. */
export const renderCallback: RenderCallback = (told) => JSON.stringify(told);

export async function expectSound(world: World): Promise<void> {
  expect(await world.invariants()).toEqual([]);
}

export function startRequest(
  node: NodeIdentity,
  world: World,
  change: Partial<StartRequest> = {},
): StartRequest {
  return {
    requestId: newId(),
    form: 'single',
    by: 'admin',
    node,
    policyHash: policyHash(world.policy),
    server: world.server,
    renderCallback,
    ...change,
  };
}

export async function registered(world: World, name?: string): Promise<NodeIdentity> {
  const node = world.node(name);
  await world.store.ledger.register(node, policyHash(world.policy));
  return node;
}

/** A run that has its plan; there must be something to delete. */
export async function plannedRun(
  world: World,
  node: NodeIdentity,
  change: Partial<StartRequest> = {},
): Promise<Run> {
  const { ledger, planner } = world.store;
  const { runId } = await ledger.start(startRequest(node, world, change));
  const planned = await planner.plan(world.policy);
  expect(planned.kind).toBe('work');
  expect(await ledger.plan(runId, world.policy, planned.plan)).toBe(true);
  await expectSound(world);
  return activeRun(world);
}

export async function activeRun(world: World): Promise<Run> {
  const run = await world.store.ledger.active();
  if (run === null) throw new Error('No run is active, and the test needs one.');
  return run;
}

export async function take(world: World, run: Run, node: NodeIdentity, chunk = everything): Promise<Span> {
  const answer = await world.store.ledger.take(run, node, chunk, leaseMs);
  await expectSound(world);
  if (answer.kind !== 'span')
    throw new Error(`A span was to be taken; the answer was ${JSON.stringify(answer)}.`);
  return answer.span;
}

export async function batch(
  world: World,
  run: Run,
  node: NodeIdentity,
  span: Span,
  size = 1_000,
  change: Partial<BatchRequest> = {},
): Promise<BatchAnswer> {
  if (run.plan === null) throw new Error('The run has no plan.');
  const answer = await world.store.sweep.batch({
    run,
    policy: world.policy,
    plan: run.plan,
    span,
    node,
    size,
    skipGap: false,
    yields: false,
    skipLocked: false,
    leaseMs,
    ...change,
  });
  await expectSound(world);
  return answer;
}

export type Swept = Extract<BatchAnswer, { kind: 'swept' }>;

export async function sweptBatch(
  world: World,
  run: Run,
  node: NodeIdentity,
  span: Span,
  size = 1_000,
): Promise<Swept> {
  const answer = await batch(world, run, node, span, size);
  if (answer.kind !== 'swept')
    throw new Error(`A batch was to sweep; the answer was ${JSON.stringify(answer)}.`);
  return answer;
}

/** Takes and sweeps until nothing is left; answers what was deleted on the way. */
export async function finish(world: World, run: Run, node: NodeIdentity, size = 1_000): Promise<number> {
  let deleted = 0;
  // A bound instead of a clock: a store that never says "nothing left" fails here.
  for (let step = 0; step < 2_000; step += 1) {
    const answer = await world.store.ledger.take(run, node, everything, leaseMs);
    await expectSound(world);
    if (answer.kind === 'nothing_left') return deleted;
    if (answer.kind === 'gone') throw new Error('The run is over, though nobody ended it.');
    if (answer.kind === 'span') deleted += await walkThrough(world, run, node, answer.span, size);
  }
  throw new Error('After 2,000 steps the store still gives out work.');
}

async function walkThrough(
  world: World,
  run: Run,
  node: NodeIdentity,
  span: Span,
  size: number,
): Promise<number> {
  let deleted = 0;
  for (let step = 0; step < 2_000; step += 1) {
    if (span.kind === 'look') {
      const answer = await world.store.ledger.look(run, world.policy, span, size, leaseMs);
      await expectSound(world);
      if (answer.kind !== 'going_on') return deleted;
    } else {
      const answer = await sweptBatch(world, run, node, span, size);
      deleted += answer.deleted;
      if (answer.spanDone) return deleted;
    }
  }
  throw new Error('After 2,000 batches the span is not done.');
}

export function endComplete(world: World, run: { readonly id: string }): Promise<boolean> {
  return world.store.ledger.end(run.id, { outcome: 'complete', error: null, renderCallback, tell: true });
}

export function endFailed(world: World, run: { readonly id: string }, error: string): Promise<boolean> {
  return world.store.ledger.end(run.id, { outcome: 'failed', error, renderCallback, tell: true });
}

/** Ages around the retention, far enough from it that the time which a test takes changes nothing. */
export function ages(world: World): {
  readonly old: number;
  readonly young: number;
  readonly future: number;
} {
  const { retentionSeconds } = world.policy;
  return { old: retentionSeconds + 600, young: retentionSeconds - 600, future: -86_400 };
}

export async function insertOld(world: World, count: number, receipts = 1): Promise<readonly string[]> {
  const row: NewMessage = { processedAgoSeconds: ages(world).old, receipts };
  return world.insertMessages(Array.from({ length: count }, () => row));
}

/** Rows of every dependent table together. */
export function dependentsOf(counts: Readonly<Record<string, number>>): number {
  return Object.values(counts).reduce((sum, count) => sum + count, 0);
}

export async function viewOf(world: World, run: { readonly id: string }) {
  const view = await world.store.ledger.run(run.id);
  if (view === null) throw new Error(`The ledger does not know run ${run.id}.`);
  return view;
}

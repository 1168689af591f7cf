import fc from 'fast-check';
import { expect, it } from 'vitest';
import type { NodeIdentity } from '../../src/core/ports.js';
import type { Run, Span } from '../../src/core/run.js';
import {
  ages,
  batch,
  dependentsOf,
  endComplete,
  expectSound,
  finish,
  leaseMs,
  registered,
  startRequest,
  viewOf,
} from './drive.js';
import type { MakeWorld, NewMessage, World } from './world.js';

/**
 * Random small worlds, walked by up to three nodes that work, stall, give back, split and die in any order: the keys
 * that went are exactly those that were eligible, and the number that is told is theirs.
 */
export function wholeRunSentences(makeWorld: MakeWorld, worlds: number): void {
  // A database takes a second and more for a world, and shrinking tries many.
  it(
    'removes exactly the eligible messages, whoever walks them and whatever happens',
    { timeout: 300_000 },
    () =>
      fc.assert(
        fc.asyncProperty(
          fc.array(messageArbitrary, { maxLength: 40 }),
          fc.integer({ min: 1, max: 3 }),
          fc.array(stepArbitrary, { maxLength: 30 }),
          async (messages, nodes, steps) => {
            const world = await makeWorld();
            try {
              await walkWorld(world, messages, nodes, steps);
            } finally {
              await world.close();
            }
          },
        ),
        { numRuns: worlds },
      ),
  );
}

type Age = 'old' | 'young' | 'future' | 'unprocessed';
type RandomMessage = { readonly age: Age; readonly receipts: number };
const messageArbitrary: fc.Arbitrary<RandomMessage> = fc.record({
  age: fc.constantFrom<Age>('old', 'old', 'young', 'future', 'unprocessed'),
  receipts: fc.nat({ max: 3 }),
});

type Step = {
  readonly node: number;
  readonly does: 'work' | 'give back' | 'split' | 'stall' | 'restart' | 'pause';
  readonly size: number;
};
const stepArbitrary: fc.Arbitrary<Step> = fc.record({
  node: fc.nat({ max: 2 }),
  does: fc.constantFrom('work', 'work', 'work', 'work', 'give back', 'split', 'stall', 'restart', 'pause'),
  size: fc.integer({ min: 1, max: 12 }),
});

type Worker = { node: NodeIdentity; span: Span | null };

async function walkWorld(
  world: World,
  messages: readonly RandomMessage[],
  nodes: number,
  steps: readonly Step[],
): Promise<void> {
  const { ledger, planner } = world.store;
  const keys = await world.insertMessages(messages.map((message) => rowOf(world, message)));
  const staying = new Set(keys.filter((_, i) => messages[i]?.age !== 'old'));
  const receiptsBefore = await world.receiptCount();
  const workers: Worker[] = [];
  for (let i = 0; i < nodes; i += 1) workers.push({ node: await registered(world), span: null });
  const finisher = await registered(world);

  const { runId } = await ledger.start(startRequest(finisher, world));
  const planned = await planner.plan(world.policy);
  let deleted = 0;
  if (planned.kind === 'work') {
    expect(await ledger.plan(runId, world.policy, planned.plan)).toBe(true);
    const run = await ledger.active();
    if (run === null) throw new Error('The run is gone before anybody worked on it.');
    for (const step of steps) {
      const worker = workers[step.node % workers.length];
      if (worker !== undefined) deleted += await makeStep(world, run, worker, step);
      await expectSound(world);
    }
    // Whoever still holds a span has died; its lease runs out.
    for (const { span } of workers) if (span !== null) await world.expireLease(span);
    deleted += await finish(world, run, finisher, 5);
    expect(await endComplete(world, run)).toBe(true);
    await expectSound(world);
    for (const { node, span } of workers) {
      if (span?.kind === 'walk') expect(await batch(world, run, node, span)).toEqual({ kind: 'lost' });
    }
  } else {
    expect(messages.filter((message) => message.age === 'old')).toEqual([]);
    expect(await endComplete(world, { id: runId })).toBe(true);
  }

  expect(await world.messageKeys()).toEqual(staying);
  expect(deleted).toBe(keys.length - staying.size);
  expect(await world.orphanReceipts()).toBe(0);
  const view = await viewOf(world, { id: runId });
  expect(view).toMatchObject({ state: 'complete', messagesDeleted: deleted });
  const receiptsGone = receiptsBefore - (await world.receiptCount());
  expect(dependentsOf(view.dependentsDeleted)).toBe(receiptsGone);
  expect((await world.outboxRows()).map((row) => row.body)).toEqual([
    `{"node":null,"messagesDeleted":${deleted},"outcome":"complete","error":null}`,
  ]);
  await expectSound(world);
}

function rowOf(world: World, { age, receipts }: RandomMessage): NewMessage {
  return { processedAgoSeconds: age === 'unprocessed' ? null : ages(world)[age], receipts };
}

/** One step of one node; answers what it deleted. */
async function makeStep(world: World, run: Run, worker: Worker, { does, size }: Step): Promise<number> {
  const { ledger } = world.store;
  if (does === 'restart') {
    worker.node = await registered(world, worker.node.name);
    worker.span = null;
    return 0;
  }
  if (does === 'pause') {
    await ledger.steer({ paused: true, by: 'admin' });
    if (worker.span?.kind === 'walk') {
      const answer = await batch(world, run, worker.node, worker.span, size);
      expect(['paused', 'lost']).toContain(answer.kind);
    }
    await ledger.steer({ paused: false, by: 'admin' });
    return 0;
  }
  if (worker.span === null) {
    const answer = await ledger.take(run, worker.node, { units: size, share: 1, least: 1 }, leaseMs);
    if (answer.kind !== 'span') return 0;
    // A look is the finisher's; this test is about walks.
    if (answer.span.kind === 'look') await ledger.release(answer.span, 0, false);
    else worker.span = answer.span;
    return 0;
  }
  switch (does) {
    case 'give back':
      await ledger.release(worker.span, 0, size > 6);
      worker.span = null;
      return 0;
    case 'split':
      await ledger.putBack(run, worker.span, { units: size, share: 1, least: 1 });
      return 0;
    case 'stall':
      await world.expireLease(worker.span);
      return 0;
    case 'work': {
      const answer = await batch(world, run, worker.node, worker.span, size);
      if (answer.kind === 'lost') worker.span = null;
      if (answer.kind !== 'swept') return 0;
      if (answer.spanDone) worker.span = null;
      return answer.deleted;
    }
  }
}

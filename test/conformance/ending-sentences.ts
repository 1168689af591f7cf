import { expect, it } from 'vitest';
import { callbackId } from '../../src/core/node-name.js';
import {
  batch,
  dependentsOf,
  endComplete,
  endFailed,
  everything,
  expectSound,
  finish,
  insertOld,
  leaseMs,
  plannedRun,
  registered,
  renderCallback,
  startRequest,
  sweptBatch,
  take,
  viewOf,
} from './drive.js';
import type { InWorld } from './exercise-store.js';

export function endingSentences(inWorld: InWorld): void {
  it(
    'ending sums the tallies and writes one callback with the body that it was given',
    inWorld(async (world) => {
      await insertOld(world, 30, 2);
      const [a, b] = [await registered(world), await registered(world)];
      const run = await plannedRun(world, a);
      const span = await take(world, run, a, { units: 10, share: 1, least: 1 });
      await sweptBatch(world, run, a, span);
      await finish(world, run, b);
      expect(await world.outboxRows()).toEqual([]);
      expect(await endComplete(world, run)).toBe(true);
      await expectSound(world);
      expect(await world.outboxRows()).toEqual([
        {
          id: callbackId(run.id, ''),
          run: run.id,
          node: '',
          state: 'waiting',
          body: '{"node":null,"messagesDeleted":30,"outcome":"complete","error":null}',
        },
      ]);
      const view = await viewOf(world, run);
      expect(view).toMatchObject({ state: 'complete', messagesDeleted: 30, share: 1, errors: [] });
      expect(dependentsOf(view.dependentsDeleted)).toBe(60);
      expect(view.endedAt).not.toBeNull();
      expect(await world.store.ledger.active()).toBeNull();
    }),
  );

  it(
    'past runs are those that have ended, newest first, with what they deleted and their horizons',
    inWorld(async (world) => {
      await insertOld(world, 10, 0);
      const node = await registered(world);
      const first = await plannedRun(world, node);
      expect(await world.store.ledger.pastRuns(5)).toEqual([]);
      await finish(world, first, node);
      await endComplete(world, first);
      await insertOld(world, 5, 0);
      const second = await plannedRun(world, node);
      await endFailed(world, second, 'words');
      const past = await world.store.ledger.pastRuns(5);
      // Two runs within one tick of the clock have no order.
      expect(new Set(past.map((run) => `${run.outcome} ${run.deleted}`))).toEqual(
        new Set(['complete 10', 'failed 0']),
      );
      for (const { horizon, started, ended, policyHash } of past) {
        expect(horizon).toBeLessThan(started);
        expect(ended).toBeGreaterThanOrEqual(started);
        expect(policyHash).toMatch(/^[0-9a-f]{64}$/);
      }
      expect(await world.store.ledger.pastRuns(1)).toHaveLength(1);
    }),
  );

  it(
    'a run with nothing to delete completes with 0',
    inWorld(async (world) => {
      const node = await registered(world);
      const { runId } = await world.store.ledger.start(startRequest(node, world));
      expect(await endComplete(world, { id: runId })).toBe(true);
      await expectSound(world);
      const [row, ...others] = await world.outboxRows();
      expect(others).toEqual([]);
      expect(row?.body).toBe('{"node":null,"messagesDeleted":0,"outcome":"complete","error":null}');
    }),
  );

  it(
    'a run that ends before it was planned keeps the plan that was seen',
    inWorld(async (world) => {
      const { ledger, planner } = world.store;
      const { runId } = await ledger.start(startRequest(await registered(world), world));
      const { plan } = await planner.plan(world.policy);
      const ending = { outcome: 'complete', error: null, renderCallback, tell: true, plan } as const;
      expect(await ledger.end(runId, ending)).toBe(true);
      expect((await viewOf(world, { id: runId })).horizon).toBe(plan.horizon);
      await expectSound(world);
    }),
  );

  it(
    'complete is refused while a span is open or leased',
    inWorld(async (world) => {
      await insertOld(world, 10);
      const node = await registered(world);
      const run = await plannedRun(world, node);
      expect(await endComplete(world, run)).toBe(false);
      await expectSound(world);
      const span = await take(world, run, node);
      expect(await endComplete(world, run)).toBe(false);
      expect(await world.outboxRows()).toEqual([]);
      // The refusal has left the span as it was.
      expect((await sweptBatch(world, run, node, span)).deleted).toBe(10);
      await finish(world, run, node);
      expect(await endComplete(world, run)).toBe(true);
    }),
  );

  it(
    'ending as failed closes the spans, tells the true count, and a batch after it is lost',
    inWorld(async (world) => {
      await insertOld(world, 40);
      const node = await registered(world);
      const run = await plannedRun(world, node);
      const first = await take(world, run, node, { units: 10, share: 1, least: 1 });
      const { deleted } = await sweptBatch(world, run, node, first);
      const second = await world.store.ledger.take(run, node, everything, leaseMs);
      expect(await endFailed(world, run, 'Cancelled by admin')).toBe(true);
      await expectSound(world);
      if (second.kind === 'span') {
        expect(await batch(world, run, node, second.span)).toEqual({ kind: 'lost' });
      }
      expect((await world.messageKeys()).size).toBe(40 - deleted);
      expect(await world.store.ledger.take(run, node, everything, leaseMs)).toEqual({ kind: 'gone' });
      expect((await world.outboxRows()).map((row) => row.body)).toEqual([
        renderCallback({
          node: null,
          messagesDeleted: deleted,
          outcome: 'failed',
          error: 'Cancelled by admin',
        }),
      ]);
      expect(await viewOf(world, run)).toMatchObject({
        state: 'failed',
        messagesDeleted: deleted,
        errors: [{ code: 1014, details: 'Cancelled by admin' }],
      });
    }),
  );

  it(
    'a run ends once, also when several end it at the same time',
    inWorld(async (world) => {
      const node = await registered(world);
      const { runId } = await world.store.ledger.start(startRequest(node, world));
      const answers = await Promise.all([
        endComplete(world, { id: runId }),
        endFailed(world, { id: runId }, 'Cancelled by admin'),
        endComplete(world, { id: runId }),
      ]);
      expect(answers.filter(Boolean)).toHaveLength(1);
      expect(await endFailed(world, { id: runId }, 'again')).toBe(false);
      expect(await world.outboxRows()).toHaveLength(1);
      await expectSound(world);
    }),
  );

  it(
    'a batch held against the ending is either in the number or has deleted nothing',
    inWorld(async (world) => {
      await insertOld(world, 30);
      const node = await registered(world);
      const run = await plannedRun(world, node);
      const span = await take(world, run, node);
      const [answer] = await Promise.all([
        batch(world, run, node, span),
        endFailed(world, run, 'Cancelled by admin'),
      ]);
      const deleted = answer.kind === 'swept' ? answer.deleted : 0;
      expect((await world.messageKeys()).size).toBe(30 - deleted);
      expect((await viewOf(world, run)).messagesDeleted).toBe(deleted);
      expect((await world.outboxRows())[0]?.body).toContain(`"messagesDeleted":${deleted},`);
    }),
  );

  it(
    'a callback that cannot be made ends nothing',
    inWorld(async (world) => {
      await insertOld(world, 10);
      const node = await registered(world);
      const run = await plannedRun(world, node);
      const span = await take(world, run, node);
      const ending = world.store.ledger.end(run.id, {
        outcome: 'failed',
        error: 'x',
        tell: true,
        renderCallback: () => {
          throw new Error('no body today');
        },
      });
      await expect(ending).rejects.toThrow('no body today');
      await expectSound(world);
      expect(await world.outboxRows()).toEqual([]);
      expect((await sweptBatch(world, run, node, span)).deleted).toBe(10);
    }),
  );

  it(
    'a run that ends on another server tells nobody',
    inWorld(async (world) => {
      const { ledger, outbox } = world.store;
      const { runId } = await ledger.start(startRequest(await registered(world), world));
      const ending = { outcome: 'failed', error: 'another server', renderCallback, tell: false } as const;
      expect(await ledger.end(runId, ending)).toBe(true);
      expect(await outbox.waiting()).toBe(0);
      expect(await outbox.claimDue(10, 1_000)).toEqual([]);
    }),
  );

  it(
    'in the multi form everyone who took part is told its own count, also with 0',
    inWorld(async (world) => {
      await insertOld(world, 30);
      const [a, b] = [await registered(world, 'a:000000000001'), await registered(world, 'b:000000000002')];
      const run = await plannedRun(world, a, { form: 'multi' });
      await world.store.ledger.start(startRequest(b, world, { requestId: run.id, form: 'multi' }));
      await finish(world, run, a);
      await endComplete(world, run);
      await expectSound(world);
      const told = Object.fromEntries((await world.outboxRows()).map((row) => [row.node, row.body]));
      expect(told).toEqual({
        [a.name]: renderCallback({ node: a.name, messagesDeleted: 30, outcome: 'complete', error: null }),
        [b.name]: renderCallback({ node: b.name, messagesDeleted: 0, outcome: 'complete', error: null }),
      });
    }),
  );

  it(
    'in the multi form the total is told once more, without a node, where that is wished',
    inWorld(async (world) => {
      await insertOld(world, 30);
      const node = await registered(world);
      const run = await plannedRun(world, node, { form: 'multi' });
      await finish(world, run, node);
      const ending = { outcome: 'complete', error: null, renderCallback, tell: true, summary: true } as const;
      await world.store.ledger.end(run.id, ending);
      await expectSound(world);
      const whole = { messagesDeleted: 30, outcome: 'complete', error: null } as const;
      expect((await world.outboxRows()).map((row) => row.body).sort(byText)).toEqual(
        [node.name, null].map((name) => renderCallback({ node: name, ...whole })).sort(byText),
      );
    }),
  );

  it(
    'in the single form nothing is told twice, whatever is wished',
    inWorld(async (world) => {
      await insertOld(world, 3);
      const node = await registered(world);
      const run = await plannedRun(world, node);
      await finish(world, run, node);
      const ending = { outcome: 'complete', error: null, renderCallback, tell: true, summary: true } as const;
      await world.store.ledger.end(run.id, ending);
      expect(await world.outboxRows()).toHaveLength(1);
    }),
  );

  it(
    'a node that is asked after the end is told of its 0 once',
    inWorld(async (world) => {
      const { ledger } = world.store;
      const [a, b] = [await registered(world, 'a:000000000001'), await registered(world, 'b:000000000002')];
      const request = startRequest(a, world, { form: 'multi' });
      await ledger.start(request);
      await endFailed(world, { id: request.requestId }, 'no table');
      const late = { ...request, node: b };
      const answer = { runId: request.requestId, joined: false };
      expect(await ledger.start(late)).toEqual(answer);
      expect(await ledger.start(late)).toEqual(answer);
      expect(await ledger.active()).toBeNull();
      const rows = await world.outboxRows();
      expect(rows).toHaveLength(2);
      expect(rows.find((row) => row.node === b.name)).toEqual({
        id: callbackId(request.requestId, b.name),
        run: request.requestId,
        node: b.name,
        state: 'waiting',
        body: renderCallback({ node: b.name, messagesDeleted: 0, outcome: 'failed', error: 'no table' }),
      });
      // Asked once more after it was told: nothing is sent again.
      const { outbox } = world.store;
      for (const { id } of await outbox.claimDue(10, leaseMs)) await outbox.delivered(id, 200);
      expect(await ledger.start(late)).toEqual(answer);
      expect(await outbox.waiting()).toBe(0);
      await expectSound(world);
    }),
  );
}

function byText(a: string, b: string): number {
  return a.localeCompare(b);
}

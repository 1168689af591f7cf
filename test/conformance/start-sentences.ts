import { expect, it } from 'vitest';
import { policyHash } from '../../src/core/policy.js';
import {
  activeRun,
  endComplete,
  endFailed,
  expectSound,
  finish,
  insertOld,
  plannedRun,
  registered,
  startRequest,
  viewOf,
} from './drive.js';
import type { InWorld } from './exercise-store.js';

export function startSentences(inWorld: InWorld): void {
  it(
    'without a start there is no run',
    inWorld(async (world) => {
      expect(await world.store.ledger.active()).toBeNull();
      expect(await world.store.ledger.runs(10)).toEqual([]);
      expect(await world.store.ledger.run('0'.repeat(32))).toBeNull();
    }),
  );

  it(
    'a start makes a run and a second start joins it',
    inWorld(async (world) => {
      const { ledger } = world.store;
      const node = await registered(world);
      const first = startRequest(node, world);
      const second = startRequest(node, world, { by: 'anna' });
      expect(await ledger.start(first)).toEqual({ runId: first.requestId, joined: false });
      expect(await ledger.start(second)).toEqual({ runId: first.requestId, joined: true });
      const run = await activeRun(world);
      expect(run).toMatchObject({
        id: first.requestId,
        state: 'requested',
        form: 'single',
        policyHash: policyHash(world.policy),
        server: world.server,
        plan: null,
        policy: null,
        paused: false,
        maxRate: null,
      });
      expect(await viewOf(world, run)).toMatchObject({
        state: 'requested',
        requestedBy: 'admin',
        joinedBy: ['anna'],
        messagesDeleted: 0,
        share: null,
        errors: [],
      });
      await expectSound(world);
    }),
  );

  it(
    'a request joins the run in which its node takes part, and is noted there',
    inWorld(async (world) => {
      const { ledger } = world.store;
      const node = await registered(world);
      const first = startRequest(node, world);
      await ledger.start(first);
      const joining = startRequest(node, world, { by: 'anna' });
      expect(await ledger.join(joining)).toBe(first.requestId);
      expect(await viewOf(world, { id: first.requestId })).toMatchObject({ joinedBy: ['anna'] });
      // Sent again, it is known.
      expect(await ledger.join(joining)).toBeNull();
      expect(await ledger.start(joining)).toEqual({ runId: first.requestId, joined: true });
      expect(await viewOf(world, { id: first.requestId })).toMatchObject({ joinedBy: ['anna'] });
      await expectSound(world);
    }),
  );

  it(
    'nothing is joined where only a start can say what becomes of the request',
    inWorld(async (world) => {
      const { ledger } = world.store;
      const node = await registered(world);
      expect(await ledger.join(startRequest(node, world)), 'no run').toBeNull();
      const first = startRequest(node, world);
      await ledger.start(first);
      expect(await ledger.join(first), 'the request that made the run').toBeNull();
      const stranger = await registered(world, 'stranger');
      expect(await ledger.join(startRequest(stranger, world)), 'a node without a part').toBeNull();
      const otherForm = startRequest(node, world, { form: 'multi' });
      expect(await ledger.join(otherForm), 'callbacks will be by node').toBeNull();
      const otherPolicy = startRequest(node, world, { policyHash: 'f'.repeat(64) });
      expect(await ledger.join(otherPolicy), 'another policy').toBeNull();
      await endComplete(world, { id: first.requestId });
      expect(await ledger.join(startRequest(node, world)), 'the run has ended').toBeNull();
      expect((await viewOf(world, { id: first.requestId })).joinedBy).toEqual([]);
      await expectSound(world);
    }),
  );

  it(
    'ten starts at once make one run',
    inWorld(async (world) => {
      const { ledger } = world.store;
      const node = await registered(world);
      const requests = Array.from({ length: 10 }, () => startRequest(node, world));
      const answers = await Promise.all(requests.map((request) => ledger.start(request)));
      expect(new Set(answers.map((answer) => answer.runId)).size).toBe(1);
      expect(answers.filter((answer) => !answer.joined)).toHaveLength(1);
      const [view, ...others] = await ledger.runs(10);
      expect(others).toEqual([]);
      expect(view?.joinedBy).toHaveLength(9);
      await expectSound(world);
    }),
  );

  it(
    'the same request id again changes nothing',
    inWorld(async (world) => {
      const { ledger } = world.store;
      const node = await registered(world);
      const first = startRequest(node, world);
      const joining = startRequest(node, world);
      const answers = [await ledger.start(first), await ledger.start(joining)];
      const before = await ledger.runs(10);
      expect([await ledger.start(first), await ledger.start(joining)]).toEqual(answers);
      expect(await ledger.runs(10)).toEqual(before);
      await expectSound(world);
    }),
  );

  it(
    'the request id of an ended run starts no other run',
    inWorld(async (world) => {
      const { ledger } = world.store;
      const node = await registered(world);
      const request = startRequest(node, world);
      await ledger.start(request);
      await endComplete(world, { id: request.requestId });
      const told = await world.outboxRows();
      expect(await ledger.start(request)).toEqual({ runId: request.requestId, joined: false });
      expect(await ledger.active()).toBeNull();
      expect(await world.outboxRows()).toEqual(told);
      await expectSound(world);
    }),
  );

  it(
    'a start after the end makes a new run, and runs are listed newest first',
    inWorld(async (world) => {
      const { ledger } = world.store;
      const node = await registered(world);
      const [first, second] = [startRequest(node, world), startRequest(node, world)];
      await ledger.start(first);
      await endFailed(world, { id: first.requestId }, 'the first one failed');
      expect(await ledger.start(second)).toEqual({ runId: second.requestId, joined: false });
      const runs = await ledger.runs(10);
      expect(runs.map((run) => run.id)).toEqual([second.requestId, first.requestId]);
      expect(await ledger.runs(1)).toHaveLength(1);
      await expectSound(world);
    }),
  );

  it(
    'a run plans once, and freezes what it was given',
    inWorld(async (world) => {
      const { ledger, planner } = world.store;
      await insertOld(world, 5);
      const run = await plannedRun(world, await registered(world));
      const again = await planner.plan(world.policy);
      expect(await ledger.plan(run.id, world.policy, again.plan)).toBe(false);
      const now = await activeRun(world);
      expect(now).toEqual(run);
      expect(now.state).toBe('running');
      expect(now.policy).toEqual(world.policy);
      await expectSound(world);
    }),
  );

  it(
    'an ended run cannot be planned any more',
    inWorld(async (world) => {
      const { ledger, planner } = world.store;
      await insertOld(world, 5);
      const { runId } = await ledger.start(startRequest(await registered(world), world));
      const planned = await planner.plan(world.policy);
      await endFailed(world, { id: runId }, 'Cancelled by admin');
      expect(await ledger.plan(runId, world.policy, planned.plan)).toBe(false);
      await expectSound(world);
    }),
  );

  it(
    'the planner finds nothing to do in an empty table, and writes nothing',
    inWorld(async (world) => {
      const { ledger, planner } = world.store;
      expect((await planner.plan(world.policy)).kind).toBe('nothing');
      expect(await ledger.active()).toBeNull();
    }),
  );

  it(
    'a restarted walk begins anew and still counts each message once',
    inWorld(async (world) => {
      const { ledger } = world.store;
      await insertOld(world, 20);
      const node = await registered(world);
      const run = await plannedRun(world, node);
      if (run.plan === null) throw new Error('The run has no plan.');
      expect(await ledger.replan(run.id, run.plan, true)).toBe(true);
      await expectSound(world);
      const renewed = await activeRun(world);
      expect(await finish(world, renewed, node)).toBe(20);
      expect(await endComplete(world, run)).toBe(true);
      expect(await ledger.replan(run.id, run.plan, true)).toBe(false);
      await expectSound(world);
    }),
  );

  it(
    'steering changes the active run, and says so when there is none',
    inWorld(async (world) => {
      const { ledger } = world.store;
      expect(await ledger.steer({ paused: true, by: 'admin' })).toBeNull();
      const { runId } = await ledger.start(startRequest(await registered(world), world));
      expect(await ledger.steer({ paused: true, maxRate: 500, by: 'admin' })).toBe(runId);
      expect(await activeRun(world)).toMatchObject({ paused: true, maxRate: 500 });
      expect(await viewOf(world, { id: runId })).toMatchObject({ state: 'paused' });
      // What is not named stays.
      expect(await ledger.steer({ paused: false, by: 'admin' })).toBe(runId);
      expect(await activeRun(world)).toMatchObject({ paused: false, maxRate: 500 });
      expect(await ledger.steer({ maxRate: null, by: 'admin' })).toBe(runId);
      expect(await activeRun(world)).toMatchObject({ paused: false, maxRate: null });
      await expectSound(world);
    }),
  );
}

import { afterAll, expect, test } from 'vitest';
import { newId } from '../../src/core/node-name.js';
import { policyHash } from '../../src/core/policy.js';
import { describePostgres } from '../engines.js';
import { insertOld, plannedRun, registered, renderCallback } from '../conformance/drive.js';
import { until } from '../harness/wait.js';
import { workshop } from './collect.js';
import { dropTemplate, guardWorld, type GuardWorld } from './world.js';

/** When a run goes on, when it must not, and what is told. */
describePostgres('a run that was left unfinished', () => {
  afterAll(dropTemplate);

  /** 100 eligible messages; a workshop that stopped after three batches. */
  async function leftUnfinished(): Promise<{ world: GuardWorld; runId: string; left: ReadonlySet<string> }> {
    const world = await guardWorld();
    await insertOld(world, 100);
    const stopping: Promise<void>[] = [];
    const shop = await workshop({
      ...world,
      size: 10,
      after: (number) => {
        if (number === 3) stopping.push(shop.coreapp.stop());
      },
    });
    const { runId } = await shop.coreapp.startRun({ requestId: newId(), by: 'admin' });
    await until('the workshop to be told to stop', 20_000, () => stopping.length > 0);
    await Promise.all(stopping);
    const left = await world.messageKeys();
    expect(left.size).toBeGreaterThan(0);
    expect(left.size).toBeLessThan(100);
    expect((await world.store.ledger.run(runId))?.state).toBe('running');
    expect(await world.outboxRows()).toEqual([]);
    return { world, runId, left };
  }

  test('goes on in batches of no more than a second of its rate, however large they had become', async () => {
    const world = await guardWorld();
    await insertOld(world, 120);
    const node = await registered(world);
    await plannedRun(world, node);
    await world.store.ledger.steer({ maxRate: 40, by: 'admin' });
    const shop = await workshop(world);
    expect(await shop.ended()).toMatchObject({ state: 'complete', messagesDeleted: 120 });
    const walked = shop.answers.map((answer) => (answer.kind === 'swept' ? answer.walked : 0));
    expect(Math.max(...walked)).toBeGreaterThan(0);
    expect(Math.max(...walked)).toBeLessThanOrEqual(40);
  });

  test('goes on at its cursor under another node, with one number in the end', async () => {
    const { world, runId, left } = await leftUnfinished();
    const shop = await workshop(world);
    expect(await shop.ended()).toMatchObject({ id: runId, state: 'complete', messagesDeleted: 100 });
    expect(shop.counted.messages).toBe(left.size);
    expect(await world.messageKeys()).toEqual(new Set());
    expect((await world.outboxRows()).map(({ body }) => body)).toEqual([
      renderCallback({ node: null, messagesDeleted: 100, outcome: 'complete', error: null }),
    ]);
  });

  test('ends as failed when the policy was changed, with its true count and words that say what to do', async () => {
    const { world, runId, left } = await leftUnfinished();
    const shop = await workshop({ ...world, policy: { ...world.policy, retentionSeconds: 60 } });
    const details = 'The policy was changed; start again';
    expect(await shop.ended()).toMatchObject({
      id: runId,
      state: 'failed',
      messagesDeleted: 100 - left.size,
      errors: [{ code: 1014, details }],
    });
    expect(await world.messageKeys()).toEqual(left);
    expect(shop.counted.messages).toBe(0);
    expect((await world.outboxRows()).map(({ body }) => body)).toEqual([
      renderCallback({ node: null, messagesDeleted: 100 - left.size, outcome: 'failed', error: details }),
    ]);
    expect(await world.invariants()).toEqual([]);
    // And the operator who starts again is obeyed under the new policy.
    const again = await shop.coreapp.startRun({ requestId: newId(), by: 'admin' });
    expect(again.joined).toBe(false);
    await until('all to be gone', 20_000, async () => (await world.messageKeys()).size === 0);
  });

  test('is not joined by a request under another policy: it is ended, and the request makes a run of its own', async () => {
    const { world, runId, left } = await leftUnfinished();
    const shop = await workshop({ ...world, policy: { ...world.policy, retentionSeconds: 60 } });
    const answer = await shop.coreapp.askForRun({ requestId: newId(), by: 'admin', confirmed: true });
    expect(answer).toMatchObject({ kind: 'started', joined: false });
    expect(await world.store.ledger.run(runId)).toMatchObject({
      state: 'failed',
      messagesDeleted: 100 - left.size,
    });
    await until('all to be gone', 20_000, async () => (await world.messageKeys()).size === 0);
  });

  test('is left alone by a node with another policy while a node lives that has the policy of the run', async () => {
    const { world, runId, left } = await leftUnfinished();
    const obedient = world.node();
    await world.store.ledger.register(obedient, policyHash(world.policy));
    const shop = await workshop({ ...world, policy: { ...world.policy, retentionSeconds: 60 } });
    await until(
      'the node to see that the policy is not its own',
      20_000,
      () => shop.coreapp.progress(runId)?.reason.code === 'other_policy',
    );
    expect((await world.store.ledger.run(runId))?.state).toBe('running');
    expect(await world.messageKeys()).toEqual(left);
    expect(shop.answers).toEqual([]);
    await expect(
      shop.coreapp.askForRun({ requestId: newId(), by: 'admin', confirmed: true }),
    ).rejects.toThrow(`Run ${runId} is going on under another store mapping`);
    // A Webapp that has our policy asks at the control port.
    await expect(shop.coreapp.startRun({ requestId: newId(), by: 'admin' })).rejects.toThrow(
      `Run ${runId} is going on under another store mapping`,
    );
    await world.store.ledger.leave(obedient);
    expect(await shop.ended()).toMatchObject({ state: 'failed', messagesDeleted: 100 - left.size });
  });

  test('ends on another server than it began on, and nobody is told', async () => {
    const { world, runId, left } = await leftUnfinished();
    const elsewhere = { ...world.facts, server: 'postgresql:7000000000000000000:16384' };
    const shop = await workshop({ ...world, facts: elsewhere });
    const run = await shop.ended();
    expect(run).toMatchObject({ id: runId, state: 'failed', messagesDeleted: 100 - left.size });
    expect(run.errors[0]?.details).toContain('The run began on another server');
    expect(run.errors[0]?.details).toContain(world.facts.server);
    expect(run.errors[0]?.details).toContain(elsewhere.server);
    expect(await world.messageKeys()).toEqual(left);
    expect(await world.outboxRows()).toEqual([]);
    expect(await world.store.outbox.nextDueMs()).toBeNull();
    expect(await world.invariants()).toEqual([]);
  });

  test('knows a copy of its database by its identity', async () => {
    const world = await guardWorld();
    const copy = await guardWorld();
    expect(world.facts.server).toMatch(/^postgresql:\d+:\d+$/);
    expect(copy.facts.server).not.toBe(world.facts.server);
  });
});

describePostgres('a run without a privilege', () => {
  afterAll(dropTemplate);

  test.each([
    ['SELECT', 'Failed to fetch processed messages to delete'],
    ['DELETE', 'Could not delete a range of messages: permission denied for table messages'],
  ])('fails when %s was revoked, says so, and keeps every message', async (privilege, details) => {
    const world = await guardWorld();
    const keys = await insertOld(world, 20);
    const { name, url } = await world.plainUser();
    const opened = await world.openAgain(url);
    await world.ask(`REVOKE ${privilege} ON messages FROM ${name}`);
    const shop = await workshop({ ...opened, policy: world.policy });
    const run = await shop.collect();
    expect(run).toMatchObject({ state: 'failed', messagesDeleted: 0, errors: [{ code: 1014, details }] });
    expect((await world.outboxRows()).map(({ body }) => body)).toEqual([
      renderCallback({ node: null, messagesDeleted: 0, outcome: 'failed', error: details }),
    ]);
    expect(await world.messageKeys()).toEqual(new Set(keys));
    expect(await world.receiptCount()).toBe(20);
  });

  test('fails with its true count when SELECT is revoked in mid-run', async () => {
    const world = await guardWorld();
    await insertOld(world, 60);
    const { name, url } = await world.plainUser();
    const opened = await world.openAgain(url);
    await registered(world);
    const shop = await workshop({
      ...opened,
      policy: world.policy,
      size: 10,
      after: async (number) => {
        if (number === 3) await world.ask(`REVOKE SELECT ON messages FROM ${name}`);
      },
    });
    const run = await shop.collect();
    const left = await world.messageKeys();
    expect(left.size).toBeGreaterThan(0);
    expect(left.size).toBeLessThan(60);
    expect(run).toMatchObject({ state: 'failed', messagesDeleted: 60 - left.size });
    expect(run.errors[0]?.details).toContain('permission denied for table messages');
    expect(await world.receiptCount()).toBe(left.size);
    expect(await world.invariants()).toEqual([]);
  });
});

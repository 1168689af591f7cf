/**
 * What a dry run must say, whatever engine answers: the world has the chat of `chat-mapping.ts`, and the oracle counts
 * on its own connection before and after a run.
 */
import { expect, it } from 'vitest';
import type { Policy } from '../../src/core/policy.js';
import type { EngineFacts, Store } from '../../src/core/ports.js';
import { brakeWords, mustBeConfirmed } from '../../src/core/first-run.js';
import { newId } from '../../src/core/node-name.js';
import { workshop } from '../guards/collect.js';
import { chatMapping, changedPolicy } from './chat-mapping.js';

export type DryRunWorld = {
  readonly store: Store;
  readonly facts: EngineFacts;
  ask(sql: string): Promise<readonly Record<string, unknown>[]>;
  /** Old messages: as many as wanted, the first of them 400 days old, one hour apart. */
  fill(rows: number): Promise<void>;
  /** How many times wrong the statistics alone may be; 4 without it. */
  readonly guessesWithin?: number;
};

/** The second level goes by its foreign key, uncounted. */
export const flatPolicy: Policy = changedPolicy({
  table: { schema: null, name: 'chat' },
  dependents: [
    {
      table: { schema: null, name: 'reaction' },
      match: [{ column: 'chat_id', message: 'id' }],
      action: 'delete',
      dependents: [
        {
          table: { schema: null, name: 'file' },
          match: [{ column: 'reaction_id', message: 'id' }],
          action: 'leave_to_fk',
        },
      ],
    },
  ],
});

export function dryRunSentences(open: () => Promise<DryRunWorld>): void {
  const numbers = async (world: DryRunWorld) => {
    const count = async (what: string) =>
      Number((await world.ask(`SELECT count(*) AS n FROM ${what}`))[0]?.['n']);
    return { messages: await count('chat'), reactions: await count('reaction') };
  };

  it('foretells exactly what a run then deletes', async () => {
    const world = await open();
    await world.fill(3_000);
    const before = await numbers(world);
    const told = await world.store.preview.preview(flatPolicy, 5_000, 1_000);
    expect(await numbers(world)).toEqual(before);
    expect(told.exact).toBe(true);
    expect(told.messages).toBeGreaterThan(500);
    expect(told.held['pinned']).toBeGreaterThan(10);
    expect(told.seconds).toBe(Math.ceil(told.messages / 1_000));
    const run = await (await workshop({ ...world, policy: flatPolicy })).collect();
    expect(run).toMatchObject({ state: 'complete', errors: [], messagesDeleted: told.messages });
    expect(run.dependentsDeleted).toEqual(told.dependents);
    expect(run.plan?.walk).toBe(told.walk);
    const after = await numbers(world);
    expect(before.messages - after.messages).toBe(told.messages);
    expect(before.reactions - after.reactions).toBe(told.dependents['reaction']);
    const none = await world.store.preview.preview(flatPolicy, 5_000, 1_000);
    expect(none).toMatchObject({
      messages: 0,
      exact: true,
      dependents: { reaction: 0 },
      oldest: null,
      sample: [],
    });
    expect(none.held).toEqual(told.held);
  });

  it('tells the ages in UTC, and keys that a run would take', async () => {
    const world = await open();
    await world.fill(2_000);
    const told = await world.store.preview.preview(flatPolicy, 5_000, 1_000);
    const [edge] = await world.ask(
      `SELECT min(sent) AS least, max(sent) AS most FROM chat WHERE state = 'read' AND NOT pinned AND sent <= ${Math.floor(Date.parse(told.horizon) / 1_000)}`,
    );
    expect(Date.parse(told.oldest ?? '')).toBe(Number(edge?.['least']) * 1_000);
    expect(Date.parse(told.newest ?? '')).toBe(Number(edge?.['most']) * 1_000);
    expect(told.sample).toHaveLength(5);
    const keys = told.sample.map(([key]) => key).join(', ');
    const [seen] = await world.ask(
      `SELECT count(*) AS n FROM chat WHERE id IN (${keys}) AND state = 'read' AND NOT pinned`,
    );
    expect(Number(seen?.['n'])).toBe(5);
    expect(told.bytes).toBeGreaterThan(0);
  });

  it('counts rows of the second level', async () => {
    const world = await open();
    await world.fill(1_000);
    const policy = changedPolicy({
      table: flatPolicy.mapping.table,
      dependents: chatMapping.dependents.slice(1),
    });
    const told = await world.store.preview.preview(policy, 5_000, 1_000);
    const [files] = await world.ask(
      `SELECT count(*) AS n FROM file f JOIN reaction r ON r.id = f.reaction_id JOIN chat c ON c.id = r.chat_id
       WHERE c.state = 'read' AND NOT c.pinned AND c.sent <= ${Math.floor(Date.parse(told.horizon) / 1_000)}`,
    );
    expect(Number(files?.['n'])).toBeGreaterThan(100);
    expect(told.dependents['file']).toBe(Number(files?.['n']));
  });

  it('estimates when time is short, says so, and keeps the limit', async () => {
    const world = await open();
    await world.fill(60_000);
    const exact = await world.store.preview.preview(flatPolicy, 10_000, 1_000);
    expect(exact.exact).toBe(true);
    const startedAt = performance.now();
    const told = await world.store.preview.preview(flatPolicy, 45, 1_000);
    // The look at the catalogue is not counted against so short a limit.
    expect(performance.now() - startedAt).toBeLessThan(1_500);
    if (told.exact) expect(told.messages).toBe(exact.messages);
    else expect(told.messages).toBeGreaterThan(exact.messages / (world.guessesWithin ?? 4));
    expect(told.messages).toBeLessThan(exact.messages * (world.guessesWithin ?? 4));
  });

  it('brakes a first run that would empty the table, once, and not a joining one', async () => {
    const world = await open();
    await world.fill(2_000);
    const policy: Policy = {
      ...flatPolicy,
      retentionSeconds: 1,
      mapping: { ...flatPolicy.mapping, processed: `m.state IN ('read', 'sent')`, holds: [] },
    };
    const found = await world.store.preview.shareEligible(policy, 1_000);
    expect(found).toEqual({ share: 1, rows: 2_000 });
    expect(mustBeConfirmed(found ?? { share: 0, rows: 0 })).toBe(true);
    const shop = await workshop({ ...world, policy });
    const refused = await shop.coreapp.askForRun({ requestId: newId(), by: 'admin', confirmed: false });
    expect(refused).toEqual({ kind: 'braked', words: brakeWords(policy, { share: 1, rows: 2_000 }) });
    expect(await world.store.ledger.runs(5)).toEqual([]);
    expect((await numbers(world)).messages).toBe(2_000);
    const through = await shop.coreapp.askForRun({ requestId: newId(), by: 'admin', confirmed: true });
    expect(through.kind).toBe('started');
    expect((await shop.ended()).messagesDeleted).toBe(2_000);
    await world.fill(2_000);
    expect(await world.store.ledger.hasCollected(policy.mapping)).toBe(true);
    // Another retention is the same mapping; another predicate is not.
    expect(await world.store.ledger.hasCollected({ ...policy.mapping, processed: 'true' })).toBe(false);
    const again = await shop.coreapp.askForRun({ requestId: newId(), by: 'admin', confirmed: false });
    expect(again).toMatchObject({ kind: 'started', joined: false });
  });

  it('ends a run before it begins when the doctor finds an obstacle', async () => {
    const world = await open();
    await world.fill(1_000);
    const policy = changedPolicy({ table: flatPolicy.mapping.table, dependents: [] });
    const run = await (await workshop({ ...world, policy })).collect();
    expect(run).toMatchObject({ state: 'failed', messagesDeleted: 0, plan: null });
    expect(run.errors[0]?.details).toMatch(/reaction \(chat_id\) into .*not named.*action: delete/);
    expect((await numbers(world)).messages).toBe(1_000);
  });
}

/** What a node keeps of the work when it takes some: others may want a part, on this machine or another. */
import { expect, onTestFinished, test } from 'vitest';
import { ownMapping } from '../../src/core/mapping.js';
import { newId } from '../../src/core/node-name.js';
import { policyHash } from '../../src/core/policy.js';
import type { Chunk, Store } from '../../src/core/ports.js';
import { Coreapp } from '../../src/coreapp/coreapp.js';
import { systemClock } from '../../src/kit/clock.js';
import { silentLog } from '../../src/kit/log.js';
import { createMemoryStore } from '../../src/storage/memory/store.js';
import { renderCallback } from '../conformance/drive.js';
import { within } from '../harness/wait.js';

const policy = { mapping: ownMapping, retentionSeconds: 0 };

/** The first chunk that a node with one worker asks for. */
async function shareOf(store: Store, form: 'single' | 'multi'): Promise<Chunk> {
  const asked: Chunk[] = [];
  let tell: () => void = () => undefined;
  const over = new Promise<void>((resolve) => {
    tell = resolve;
  });
  const coreapp = new Coreapp({
    store: {
      ...store,
      ledger: {
        ...store.ledger,
        take(run, node, chunk, leaseMs) {
          asked.push(chunk);
          return store.ledger.take(run, node, chunk, leaseMs);
        },
      },
    },
    engine: await store.prepare({ migrate: true }),
    node: { name: 'wacore1:000000000001', boot: newId(), address: '127.0.0.1:6252' },
    form,
    policy,
    pace: { name: 'full', duty: 1, workers: 1 },
    choices: {},
    gates: [],
    intervals: async () => ({ heartbeatMs: 1_000, leaseMs: 30_000 }),
    renderCallback,
    clock: systemClock,
    log: silentLog,
    watch: {
      swept: () => undefined,
      deleted: () => undefined,
      gaveUp: () => undefined,
      paced: () => undefined,
      ended: () => tell(),
    },
    onDisplaced: () => undefined,
    summary: false,
    maxRows: null,
  });
  onTestFinished(() => coreapp.stop());
  await coreapp.start();
  await coreapp.startRun({ requestId: newId(), by: 'admin' });
  await within('the run to end', 20_000, over);
  const [first] = asked;
  if (first === undefined) throw new Error('The node took nothing.');
  return first;
}

async function seeded(): Promise<Store> {
  const store = createMemoryStore();
  await store.ownTables.seed({ rows: 500, processed: 0.7, onProgress: () => undefined });
  return store;
}

test('a single instance with one worker keeps all that it can do', async () => {
  expect((await shareOf(await seeded(), 'single')).share).toBe(1);
});

test('so does the only node of a cluster', async () => {
  expect((await shareOf(await seeded(), 'multi')).share).toBe(1);
});

test('one of four nodes keeps half of an equal part of what is left, though it has one worker only', async () => {
  const store = await seeded();
  for (const number of [2, 3, 4]) {
    const node = { name: `wacore${number}:00000000000${number}`, boot: newId(), address: '127.0.0.1:6252' };
    await store.ledger.register(node, policyHash(policy));
  }
  expect((await shareOf(store, 'multi')).share).toBe(1 / 8);
});

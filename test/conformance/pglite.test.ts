import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe } from 'vitest';
import { silentLog } from '../../src/kit/log.js';
import type { Store } from '../../src/core/ports.js';
import { type Embedded, openEmbedded } from '../../src/storage/pglite/connect.js';
import { embeddedStore } from '../../src/storage/open-store.js';
import { types } from '../../src/storage/postgres/session.js';
import { exerciseStore } from './exercise-store.js';
import { sqlWorld } from './sql-world.js';

describe('on the embedded database', () => {
  let folder: string;
  let embedded: Embedded;
  let store: Store;

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'message-gc-test-'));
    embedded = await openEmbedded(join(folder, 'data'), silentLog, types);
    store = embeddedStore(async () => embedded);
    await store.prepare({ migrate: true });
  }, 60_000);

  afterAll(async () => {
    await store.close();
    await rm(folder, { recursive: true, force: true });
  });

  // One session for all: what the test asks waits for its turn between the store's statements.
  exerciseStore(
    'pglite',
    () => sqlWorld(store, (text, values) => embedded.pool.query(text, [...(values ?? [])])),
    {
      worlds: 8,
    },
  );
});

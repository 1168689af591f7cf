import pg from 'pg';
import { afterAll, beforeAll, expect, it } from 'vitest';
import type { Bounds } from '../../src/storage/ledger/bounds.js';
import { takeSpan } from '../../src/storage/ledger/span-take.js';
import { Takes } from '../../src/storage/ledger/takes.js';
import { boundsOf } from '../../src/storage/postgres/bounds.js';
import { postgresDialect } from '../../src/storage/postgres/dialect.js';
import { openServer } from '../../src/storage/postgres/session.js';
import { noSources } from '../../src/core/signals.js';
import { postgresStore } from '../../src/storage/postgres/store.js';
import { finish, insertOld, leaseMs, plannedRun, registered, take } from '../conformance/drive.js';
import { sqlWorld } from '../conformance/sql-world.js';
import { describePostgres } from '../engines.js';
import { createScratchDatabase, type ScratchDatabase } from '../harness/scratch-database.js';

describePostgres('a take-over', () => {
  let database: ScratchDatabase;
  let eye: pg.Client;
  beforeAll(async () => {
    database = await createScratchDatabase();
    eye = new pg.Client({ connectionString: database.url });
    await eye.connect();
  });
  afterAll(async () => {
    await eye.end();
    await database.drop();
  });

  it('is lost when the owner puts the rest back between the look at the span and the taking of it', async () => {
    const sessions = openServer(database.url, 2);
    const store = postgresStore(sessions, noSources);
    const dialect = postgresDialect(sessions);
    try {
      await store.prepare({ migrate: true });
      const world = await sqlWorld(store, (text, values) => eye.query(text, [...(values ?? [])]));
      await insertOld(world, 60);
      const [owner, thief] = [await registered(world), await registered(world)];
      const run = await plannedRun(world, owner);
      const held = await take(world, run, owner);
      await world.expireLease(held);
      const chunk = { units: 20, share: 1, least: 1 };
      const bounds = boundsOf(sessions);
      const puttingBack: Bounds = {
        ...bounds,
        async pivot(...asked) {
          expect(await store.ledger.putBack(run, held, { ...chunk, units: 30 })).toBe(true);
          return bounds.pivot(...asked);
        },
      };
      const answer = await takeSpan(dialect, puttingBack, new Takes(), run, thief, chunk, leaseMs);
      const broken = await world.invariants();
      // Otherwise the rest would be there twice, as the owner cut it and as the thief did.
      expect(broken).toEqual([]);
      expect(answer.kind).toBe('wait');
      expect(await finish(world, run, thief)).toBe(60);
    } finally {
      await dialect.destroy();
      await store.close();
    }
  });
});

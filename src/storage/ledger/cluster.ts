import { isBusy } from '../../core/cluster.js';
import type { ClusterAnswer, ClusterObstacles, FingerprintOf } from '../../core/ports.js';
import { control, type Db, type Dialect, Lost, mustBeOne } from './dialect.js';

/** How often it looks again because another node wrote the ledger's row first; each time the world has moved on. */
const looks = 20;

/**
 * The one row of the ledger says which cluster's it is. The first node that has a secret writes it, and so does one with
 * another secret, when nobody is there to mind.
 */
export async function joinCluster(
  dialect: Dialect,
  fingerprintOf: FingerprintOf,
  liveMs: number,
): Promise<ClusterAnswer> {
  for (let look = 1; ; look += 1) {
    try {
      return await control(dialect, 'see which cluster the store belongs to', (trx) =>
        joinOnce(dialect, trx, fingerprintOf, liveMs),
      );
    } catch (error) {
      if (!(error instanceof Lost) || look === looks) throw error;
    }
  }
}

async function joinOnce(
  dialect: Dialect,
  trx: Db,
  fingerprintOf: FingerprintOf,
  liveMs: number,
): Promise<ClusterAnswer> {
  const { store_id: storeId, cluster: before } = await trx
    .selectFrom('ledger')
    .select(['store_id', 'cluster'])
    .where('one', '=', 1)
    .executeTakeFirstOrThrow();
  const cluster = fingerprintOf(storeId);
  if (before === cluster) return { kind: 'joined' };
  if (before !== null) {
    const obstacles = await obstaclesNow(dialect, trx, liveMs);
    if (isBusy(obstacles)) return { kind: 'foreign', ...obstacles };
  }
  const written = await trx
    .updateTable('ledger')
    .set({ cluster })
    .where('one', '=', 1)
    .where('cluster', before === null ? 'is' : '=', before)
    .executeTakeFirstOrThrow();
  mustBeOne(written, 'the cluster of the ledger');
  return before === null ? { kind: 'joined' } : { kind: 'adopted', before };
}

async function obstaclesNow(dialect: Dialect, trx: Db, liveMs: number): Promise<ClusterObstacles> {
  const nodes = await trx
    .selectFrom('node')
    .select('name')
    .where('left_at', 'is', null)
    .where('beat_at', '>', dialect.nowPlus(-liveMs))
    .orderBy('name')
    .execute();
  const run = await trx.selectFrom('run').select('id').where('active', '=', 1).executeTakeFirst();
  const waiting = await trx
    .selectFrom('outbox')
    .select((eb) => eb.fn.countAll<number>().as('n'))
    .where('state', '=', 'waiting')
    .executeTakeFirstOrThrow();
  return { nodes: nodes.map(({ name }) => name), run: run?.id ?? null, callbacks: Number(waiting.n) };
}

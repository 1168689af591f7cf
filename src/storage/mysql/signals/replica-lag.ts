import { wordsOf } from '../../../core/errors.js';
import { sleep } from '../../../kit/sleep.js';
import type { Watcher } from '../../signals/gather.js';
import { own, textSql } from '../names.js';
import { asking, type openReplica, type Sessions } from '../pool.js';
import { beat, beatenAt, beginPulse } from './pulse.js';

export type Replica = ReturnType<typeof openReplica>;

/** What a replica in step needs to show a heartbeat; without the pause it would always seem to be one behind. */
const onTheWayMs = 100;

/**
 * A row with the database's time is written once a second and read on each replica: how old it is there is the lag, also
 * where the replica itself says that all is well (Seconds_Behind_Master counts from what was fetched, and is 0 when
 * nothing is). A heartbeat a second, so it is known to a second.
 */
export function replicaLag(sessions: Sessions, replicas: readonly Replica[], id: string): Watcher {
  let first = '';
  return {
    signal: 'replica_lag',
    async probe() {
      if (replicas.length === 0) return 'no replicas are listed (MESSAGE_GC_REPLICAS)';
      first = await asking(sessions.monitor, 'write the first heartbeat', async (session) => {
        await beginPulse(session, id);
        return beatenAt(session, id);
      });
      return null;
    },
    async read() {
      const now = await asking(sessions.monitor, 'write the heartbeat', async (session) => {
        await beat(session, id);
        return beatenAt(session, id);
      });
      await sleep(onTheWayMs);
      const lags = await Promise.all(
        replicas.map(async (replica) => ({ where: replica.where, s: await lagOf(replica, id, first, now) })),
      );
      const slowest = lags.reduce((worst, one) => (one.s > worst.s ? one : worst));
      return { value: slowest.s, detail: slowest.where };
    },
    async close() {
      for (const { pool } of replicas) pool.drain();
    },
  };
}

/** Seconds. A replica to which the row never came is behind since before it was first written. */
async function lagOf({ pool, where }: Replica, id: string, first: string, now: string): Promise<number> {
  try {
    return await asking(pool, 'read the heartbeat', async (session) => {
      const rows = await session.rows<{ lag: string | number }>(
        `SELECT TIMESTAMPDIFF(MICROSECOND,
           COALESCE((SELECT beat_at FROM ${own('pulse')} WHERE id = ${textSql(id)}), ${textSql(first)}),
           ${textSql(now)}) / 1000000 AS lag`,
      );
      return Math.max(0, Number(rows[0]?.lag ?? 0));
    });
  } catch (error) {
    throw new Error(`the replica ${where} does not answer: ${wordsOf(error)}`, { cause: error });
  }
}

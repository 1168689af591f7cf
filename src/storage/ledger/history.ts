import { control, type Dialect } from './dialect.js';

const dayMs = 86_400_000;

/**
 * T13: a collector collects itself. Removes at most `limit` runs that ended longer ago than the given days, children
 * first, and never one whose callback still waits. Also tokens that would have expired anyway.
 */
export async function forgetOld(dialect: Dialect, olderThanDays: number, limit: number): Promise<number> {
  return control(dialect, 'remove old runs', async (trx) => {
    await trx.deleteFrom('revoked_token').where('expires_at', '<', dialect.now()).execute();
    // Foreground runs work under passing names; yesterday's are of no use to anybody.
    await trx.deleteFrom('node').where('left_at', '<', dialect.nowPlus(-dayMs)).execute();
    const old = await trx
      .selectFrom('run')
      .select('id')
      .where('state', '=', 'ended')
      .where('ended_at', '<', dialect.nowPlus(-olderThanDays * dayMs))
      .where((eb) =>
        eb.not(
          eb.exists(
            eb
              .selectFrom('outbox')
              .select('outbox.id')
              .whereRef('outbox.run', '=', 'run.id')
              .where('outbox.state', '=', 'waiting'),
          ),
        ),
      )
      .orderBy('ended_at')
      .limit(limit)
      .execute();
    const ids = old.map((run) => run.id);
    if (ids.length === 0) return 0;
    for (const table of ['span', 'tally', 'request', 'outbox'] as const) {
      await trx.deleteFrom(table).where('run', 'in', ids).execute();
    }
    await trx.deleteFrom('run').where('id', 'in', ids).execute();
    return ids.length;
  });
}

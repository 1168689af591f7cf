import { sql } from 'kysely';
import type { Callback, CallbackState, Outbox } from '../../core/ports.js';
import { control, type Dialect, reading } from './dialect.js';

/**
 * T12: the post room's tables. At least once; the id is the same at every attempt and for every sender.
 *
 * Only callbacks of runs that began on this server are sent: a copy of the database (a restored backup, a staging
 * system) must not post to the URL that it remembers.
 *
 * @param server the identity that runs keep; asked at each use, because it is known once the store is prepared
 */
export function outboxOf(dialect: Dialect, server: () => string): Outbox {
  return {
    claimDue: (limit, claimMs, inHand = []) => claimDue(dialect, server(), limit, claimMs, inHand),
    async renew(callback, claimMs) {
      await control(dialect, 'renew the claim of a callback', (trx) =>
        trx
          .updateTable('outbox')
          .set({ claimed_until: dialect.nowPlus(claimMs) })
          .where('id', '=', callback.id)
          .where('state', '=', 'waiting')
          .where('attempts', '=', callback.attempts)
          .where('claimed_until', 'is not', null)
          .execute(),
      );
    },
    async delivered(id, status) {
      // A 200 is a fact, whoever holds the claim.
      await control(dialect, 'record a delivered callback', (trx) =>
        trx
          .updateTable('outbox')
          .set({
            state: 'delivered',
            last_status: status,
            last_error: null,
            claimed_until: null,
            delivered_at: dialect.now(),
          })
          .where('id', '=', id)
          .where('state', '=', 'waiting')
          .execute(),
      );
    },
    async refused(callback, delayMs, status, words) {
      await control(dialect, 'record a refused callback', (trx) =>
        trx
          .updateTable('outbox')
          .set({
            due_at: dialect.nowPlus(delayMs),
            claimed_until: null,
            last_status: status,
            last_error: words.slice(0, 1_000),
          })
          .where('id', '=', callback.id)
          .where('state', '=', 'waiting')
          .where('attempts', '=', callback.attempts)
          .execute(),
      );
    },
    async nextDueMs() {
      return reading(dialect, 'see when the next callback is due', async (db) => {
        const row = await db
          .selectFrom('outbox')
          .innerJoin('run', 'run.id', 'outbox.run')
          // A claimed callback is due again when its claim runs out, not before: without it the sender would spin.
          .select(sql<Date | null>`min(greatest(due_at, coalesce(claimed_until, due_at)))`.as('due'))
          .where('outbox.state', '=', 'waiting')
          .where('run.server', '=', server())
          .executeTakeFirst();
        if (row?.due == null) return null;
        const { at } = await db.selectNoFrom(dialect.now().as('at')).executeTakeFirstOrThrow();
        return Math.max(0, new Date(row.due).getTime() - new Date(at).getTime());
      });
    },
    async waiting() {
      const row = await reading(dialect, 'count the waiting callbacks', (db) =>
        db
          .selectFrom('outbox')
          .select((eb) => eb.fn.countAll<number>().as('n'))
          .where('state', '=', 'waiting')
          .executeTakeFirstOrThrow(),
      );
      return Number(row.n);
    },
    async forRun(runId) {
      const rows = await reading(dialect, "read a run's callbacks", (db) =>
        db.selectFrom('outbox').selectAll().where('run', '=', runId).orderBy('node').execute(),
      );
      return rows.map(
        (row): CallbackState => ({
          id: row.id,
          state: row.state,
          attempts: row.attempts,
          lastStatus: row.last_status,
          lastError: row.last_error,
        }),
      );
    },
  };
}

async function claimDue(
  dialect: Dialect,
  server: string,
  limit: number,
  claimMs: number,
  inHand: readonly string[],
): Promise<readonly Callback[]> {
  const due = await reading(dialect, 'look for due callbacks', (db) =>
    db
      .selectFrom('outbox')
      .innerJoin('run', 'run.id', 'outbox.run')
      .select(['outbox.id', 'outbox.run', 'outbox.body', 'outbox.attempts'])
      .where('outbox.state', '=', 'waiting')
      .where('run.server', '=', server)
      .where('due_at', '<=', dialect.now())
      .where((eb) => eb.or([eb('claimed_until', 'is', null), eb('claimed_until', '<', dialect.now())]))
      .$if(inHand.length > 0, (query) => query.where('outbox.id', 'not in', inHand))
      .orderBy('due_at')
      .limit(limit)
      .execute(),
  );
  const claimed: Callback[] = [];
  for (const { id, run, body, attempts } of due) {
    const mine = await control(dialect, 'claim a callback', (trx) =>
      trx
        .updateTable('outbox')
        .set({ attempts: attempts + 1, claimed_until: dialect.nowPlus(claimMs) })
        .where('id', '=', id)
        .where('state', '=', 'waiting')
        .where('attempts', '=', attempts)
        .where('due_at', '<=', dialect.now())
        .where((eb) => eb.or([eb('claimed_until', 'is', null), eb('claimed_until', '<', dialect.now())]))
        .executeTakeFirstOrThrow(),
    );
    if (mine.numUpdatedRows !== 1n) continue;
    const joined = await reading(dialect, 'read the joined requests', (db) =>
      db
        .selectFrom('request')
        .select('id')
        .where('run', '=', run)
        .where('id', '<>', run)
        .orderBy('made_at')
        .limit(20)
        .execute(),
    );
    claimed.push({
      id,
      run,
      body,
      attempts: attempts + 1,
      joinedRequests: joined.map((request) => request.id),
    });
  }
  return claimed;
}

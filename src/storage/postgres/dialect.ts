import { Kysely, PostgresDialect, sql } from 'kysely';
import type { Db, Dialect, Durability } from '../ledger/dialect.js';
import type { Tables } from '../ledger/tables.js';
import { translate } from './errors.js';
import { poolForBuilder, type Sessions } from './session.js';

/** Our tables live in this schema, beside the messages. */
export const ledgerSchema = 'message_gc';

/** The ledger's named capabilities on PostgreSQL and PGlite. */
export function postgresDialect(sessions: Sessions): Dialect & { destroy(): Promise<void> } {
  const builder = new Kysely<Tables>({
    dialect: new PostgresDialect({ pool: poolForBuilder(sessions.control) }),
  });
  const db = builder.withSchema(ledgerSchema);
  return {
    db,
    now: () => sql<Date>`clock_timestamp()`,
    nowPlus: (ms) => sql<Date>`(clock_timestamp() + ${ms}::float8 * interval '1 millisecond')`,
    async insertUnlessThere(target: Db, table, row) {
      const done = await target
        .insertInto(table)
        .values(row as never)
        .onConflict((conflict) => conflict.doNothing())
        .executeTakeFirst();
      return done.numInsertedOrUpdatedRows === 1n;
    },
    transaction: (work, durability) =>
      db
        .transaction()
        .setIsolationLevel('read committed')
        .execute((trx) =>
          sessions.holding(async () => {
            if (sessions.hasTimeLimits) {
              await sql`select set_config('lock_timeout', '5s', true), set_config('statement_timeout', '10s', true), set_config('idle_in_transaction_session_timeout', '5s', true), ${commitSetting(durability)}`.execute(
                trx,
              );
            }
            return work(trx);
          }),
        ),
    translate,
    destroy: () => builder.destroy(),
  };
}

/** A database that is set to lose commits (`off`) must not lose these; a stronger setting than `on` stays. */
function commitSetting(durability: Durability) {
  return durability === 'replayable'
    ? sql`set_config('synchronous_commit', 'off', true)`
    : sql`set_config('synchronous_commit', case current_setting('synchronous_commit') when 'off' then 'on' else current_setting('synchronous_commit') end, true)`;
}

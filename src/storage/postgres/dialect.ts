import { Kysely, PostgresDialect, sql, type SqlBool } from 'kysely';
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
  // The embedded database knows no limits of time and has one session, whose commits need no choice.
  const beginning = (durability: Durability): string =>
    sessions.hasTimeLimits ? beginText(durability) : 'begin isolation level read committed';
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
        .connection()
        .execute((session) => sessions.holding(() => transact(session, work, beginning(durability)))),
    settingsAsCondition: sessions.hasTimeLimits ? replayableSettings : null,
    translate,
    destroy: () => builder.destroy(),
  };
}

async function transact<T>(session: Db, work: (trx: Db) => Promise<T>, begin: string): Promise<T> {
  try {
    await sql.raw(begin).execute(session);
    const result = await work(session);
    await sql.raw('commit').execute(session);
    return result;
  } catch (error) {
    // Where this fails too, the session is gone; what went wrong is the first error.
    await sql
      .raw('rollback')
      .execute(session)
      .catch(() => undefined);
    throw error;
  }
}

/**
 * BEGIN and its settings in one message: the builder's own would take a round trip for each. A database that is set to
 * lose commits (`off`) must not lose the durable ones; a setting stronger than `on` stays.
 */
function beginText(durability: Durability): string {
  const commit =
    durability === 'replayable'
      ? `'off'`
      : `case current_setting('synchronous_commit') when 'off' then 'on' else current_setting('synchronous_commit') end`;
  return `begin isolation level read committed; select set_config('lock_timeout', '5s', true), set_config('statement_timeout', '10s', true), set_config('idle_in_transaction_session_timeout', '5s', true), set_config('synchronous_commit', ${commit}, true)`;
}

/**
 * A subquery that depends on nothing is asked once and before any row, so both hold from then to the commit. The limit of
 * the whole statement cannot be set from inside it: what it can wait for is a lock, and the driver's limit is behind it.
 */
const replayableSettings = sql<SqlBool>`(select set_config('lock_timeout', '5s', true) || set_config('synchronous_commit', 'off', true)) is not null`;

import type { Pool, PoolClient } from 'pg';
import type { Mapping } from '../../core/mapping.js';
import type { Plan } from '../../core/run.js';
import type { TableFacts } from './catalogue.js';
import { levelsOf } from './levels.js';

/*
 * A walk by heap blocks leaves something behind only where an UPDATE moved a row to another block. The server counts
 * such moves, and a table at rest (moved at night, a restored copy, a gateway that is down) need not be read once
 * more: right after a sweep that costs as much as half of the sweep, because the reader cleans every page on its way.
 *
 * The count is believed only where it is complete. A session passes its counts on at the end of a transaction, but
 * not more than once a second, and what is left over after ten seconds of idleness or at its end (PostgreSQL 15 and
 * newer; before, they travelled by UDP and could be lost). So every other session of the database must have been
 * idle for longer than that.
 */

type Queryable = Pick<Pool | PoolClient, 'query'>;

const countsAreKeptSince = 150_000;
/** The server's own limit is 10 s. */
const idleSeconds = 11;

/**
 * How often an UPDATE has put a row of the table into another block (before PostgreSQL 16: at least that), with the
 * time of the last reset; null when it cannot be known.
 */
export async function readMoves(client: Queryable, oid: string): Promise<string | null> {
  const { rows } = await client.query<{ moves: string | null }>(
    `SELECT concat_ws('/', coalesce((to_jsonb(t) ->> 'n_tup_newpage_upd')::bigint, t.n_tup_upd - t.n_tup_hot_upd)::text,
       coalesce(d.stats_reset::text, 'never'), pg_postmaster_start_time()::text) AS moves
     FROM pg_stat_all_tables t, pg_stat_database d
     WHERE t.relid = $1::oid AND d.datname = current_database() AND current_setting('track_counts') = 'on'
       AND current_setting('server_version_num')::int >= ${countsAreKeptSince}`,
    [oid],
  );
  return rows[0]?.moves ?? null;
}

/**
 * Whether a batch of ours may itself write to messages that stay: where they refer to each other, or where triggers do what they
 * like. Those moves are counted with the sessions' own delay, and ours are the sessions that are not asked whether they rest.
 */
export async function moveByThemselves(
  client: Queryable,
  mapping: Mapping,
  facts: TableFacts,
  oids: readonly string[],
): Promise<boolean> {
  if (levelsOf(mapping).some(({ place }) => facts.levels[place]?.isSelf === true)) return true;
  const { rows } = await client.query<{ may: boolean }>(
    `SELECT EXISTS (SELECT FROM pg_trigger WHERE tgrelid = ANY($2::oid[]) AND NOT tgisinternal)
       OR EXISTS (SELECT FROM pg_constraint WHERE contype = 'f' AND conrelid = $1::oid AND confrelid = ANY($2::oid[])) AS may`,
    [facts.oid, oids],
  );
  return rows[0]?.may !== false;
}

/** True only when it is certain that no row has moved since the plan was made. */
export async function nothingMoved(client: Queryable, plan: Plan): Promise<boolean> {
  const before = plan.guards['moves'];
  const [oid] = JSON.parse(plan.guards['oids'] ?? '[]') as string[];
  if (before === undefined || oid === undefined) return false;
  // A session whose state we may not see (another user's, without pg_read_all_stats) has NULL there: not certain.
  const busy = await client.query(
    `SELECT 1 FROM pg_stat_activity
     WHERE (datname = current_database() OR datname IS NULL AND backend_type = 'client backend')
       AND coalesce(backend_type, '') NOT IN ('autovacuum worker', 'walsender', 'parallel worker')
       AND application_name IS DISTINCT FROM 'message-gc'
       AND NOT coalesce(state = 'idle' AND state_change < clock_timestamp() - interval '${idleSeconds} seconds', false)
     LIMIT 1`,
  );
  if ((busy.rowCount ?? 0) > 0) return false;
  return (await readMoves(client, oid)) === before;
}

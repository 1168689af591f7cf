/** The doctor's look at the server: its version and state, and the settings that a run depends on. */
import type { Finding } from '../../../core/ports.js';
import { ok } from '../../checks/finding.js';
import type { Queryable } from '../own-tables.js';

/** The versions on which the sweep is tested. */
const oldest = 14;
const newest = 18;
/** Below this a batch has less than 100 ms before its own waits could make the application the victim. */
const leastDeadlockTimeoutMs = 200;

export async function serverFindings(q: Queryable): Promise<readonly Finding[]> {
  const { rows } = await q.query(
    `SELECT current_setting('server_version') AS version, current_setting('server_version_num')::int AS number,
            current_database() AS database, current_user AS name, version() LIKE '%PGlite%' AS embedded,
            pg_encoding_to_char(d.encoding) AS encoding, pg_is_in_recovery() AS standby,
            current_setting('transaction_read_only') = 'on' AS "readOnly",
            current_setting('autovacuum') = 'on' AND current_setting('track_counts') = 'on' AS autovacuum,
            (SELECT setting::int FROM pg_catalog.pg_settings WHERE name = 'deadlock_timeout') AS "deadlockMs"
       FROM pg_catalog.pg_database d WHERE d.datname = current_database()`,
  );
  const server = rows[0] ?? {};
  const isEmbedded = server['embedded'] === true;
  const findings = [
    ok(
      'connection',
      `Connected to the database "${String(server['database'])}" as "${String(server['name'])}"` +
        (isEmbedded ? ', embedded in this process.' : '.'),
      'Without a connection nothing can be collected.',
    ),
    version(String(server['version']), Math.floor(Number(server['number']) / 10_000)),
    encoding(String(server['encoding'])),
    writable(server['standby'] === true, server['readOnly'] === true),
  ];
  if (isEmbedded) return findings;
  return [
    ...findings,
    deadlockTimeout(Number(server['deadlockMs'])),
    autovacuum(server['autovacuum'] === true),
    await sameSession(q),
  ];
}

function version(words: string, major: number): Finding {
  const found = `PostgreSQL ${words}.`;
  const why = `The sweep is tested on PostgreSQL ${oldest} to ${newest}.`;
  if (major < oldest) {
    const todo = `Upgrade the server to PostgreSQL ${oldest} or newer.`;
    return { level: 'error', check: 'server_version', found, why, todo };
  }
  if (major > newest) {
    const todo = 'Look for a newer message-gc, and try this one on a copy of the database first.';
    return { level: 'warning', check: 'server_version', found, why, todo };
  }
  return ok('server_version', found, why);
}

function encoding(found: string): Finding {
  const why =
    'In another encoding than UTF8 the server refuses words that have no place in it, and such a run fails.';
  if (found === 'UTF8') return ok('encoding', 'The database is encoded in UTF8.', why);
  const todo = 'Nothing for a table with ASCII keys; otherwise move it to a database in UTF8.';
  return { level: 'warning', check: 'encoding', found: `The database is encoded in ${found}.`, why, todo };
}

function writable(isStandby: boolean, isReadOnly: boolean): Finding {
  const why = 'Only a server that takes writes can delete.';
  if (!isStandby && !isReadOnly) return ok('writable', 'The server takes writes.', why);
  return {
    level: 'error',
    check: 'writable',
    found: isStandby ? 'The server is a standby.' : 'Transactions are read-only by default here.',
    why,
    todo: isStandby
      ? 'Name the primary in DATABASE_URL.'
      : 'Set default_transaction_read_only to off for this user or database.',
  };
}

function deadlockTimeout(ms: number): Finding {
  const found = `deadlock_timeout is ${ms} ms.`;
  const why =
    'Of two transactions that wait for each other, the server ends the one that has waited this long first. A batch ' +
    'gives up after half of it, so that it is never the application.';
  if (ms >= leastDeadlockTimeoutMs) return ok('deadlock_timeout', found, why);
  const todo = "Raise it: ALTER SYSTEM SET deadlock_timeout = '1s'; SELECT pg_reload_conf();";
  return { level: 'warning', check: 'deadlock_timeout', found, why, todo };
}

function autovacuum(isOn: boolean): Finding {
  const why = 'Deleted rows give their room back only when the table is vacuumed.';
  if (isOn) return ok('autovacuum', 'Autovacuum is on.', why);
  return {
    level: 'warning',
    check: 'autovacuum',
    found: 'Autovacuum or track_counts is off.',
    why,
    todo: 'ALTER SYSTEM SET autovacuum = on; ALTER SYSTEM SET track_counts = on; SELECT pg_reload_conf();',
  };
}

/** Behind a pooler in transaction mode each transaction may come to another session of the server. */
async function sameSession(q: Queryable): Promise<Finding> {
  const pids = new Set<string>();
  for (let look = 0; look < 3; look += 1) {
    const { rows } = await q.query('SELECT pg_backend_pid() AS pid');
    pids.add(String(rows[0]?.['pid']));
  }
  const why =
    'Time limits that are set for a session are lost when a pooler gives its transactions to others.';
  if (pids.size === 1) return ok('pooler', 'Transactions of a connection stay in one session.', why);
  return {
    level: 'warning',
    check: 'pooler',
    found:
      'Transactions of a connection come to different sessions: a pooler in transaction mode is in between.',
    why,
    todo: 'Connect to the server itself, or through a pool in session mode.',
  };
}

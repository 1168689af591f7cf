/** The doctor's look at the server: its version and state, and the settings that a run depends on. */
import type { Finding } from '../../../core/ports.js';
import { ok } from '../../checks/finding.js';
import { countersLike } from '../counters.js';
import type { Session } from '../session.js';

export async function serverFindings(session: Session): Promise<readonly Finding[]> {
  const rows = await session.rows<{
    db: string;
    name: string;
    readonly: number;
    binlog: number;
    format: string;
    flush: number;
  }>(
    `SELECT DATABASE() AS db, CURRENT_USER() AS name, @@read_only AS readonly, @@log_bin AS binlog,
       @@binlog_format AS format, @@innodb_flush_log_at_trx_commit AS flush`,
  );
  const server = rows[0];
  if (server === undefined) return [];
  return [
    ok(
      'connection',
      `Connected to the database "${server.db}" as "${server.name}".`,
      'Every other check is made here.',
    ),
    version(session),
    writable(server.readonly === 1),
    binlog(server.binlog === 1, server.format),
    durability(server.flush),
    ...(await cluster(session)),
  ];
}

function version({ can }: Session): Finding {
  const check = 'server_version';
  const [major, minor] = can.number;
  if (can.engine === 'mysql') {
    const found = `MySQL ${can.version}.`;
    const why = 'The sweep was tested on MySQL 9.7, and is written for 8.0.16 and newer.';
    if (major >= 9) return ok(check, found, why);
    return { level: 'warning', check, found, why, todo: 'Try it on a copy of the database first.' };
  }
  const why = 'The sweep is tested on MariaDB 10.11; it needs 10.6 or newer.';
  const isOld = major < 10 || (major === 10 && minor < 6);
  return isOld
    ? {
        level: 'error',
        check,
        found: `MariaDB ${can.version}.`,
        why,
        todo: 'Upgrade to MariaDB 10.6 or newer.',
      }
    : ok(check, `MariaDB ${can.version}.`, why);
}

function writable(isReadOnly: boolean): Finding {
  const why = 'Only a server that takes writes can delete.';
  if (!isReadOnly) return ok('writable', 'The server takes writes.', why);
  return {
    level: 'error',
    check: 'writable',
    found: 'The server is read-only.',
    why,
    todo: 'Name the primary in DATABASE_URL.',
  };
}

function binlog(isOn: boolean, format: string): Finding {
  const check = 'binlog_format';
  const why = 'By statement, the server refuses changes at READ COMMITTED, the level of the sweep.';
  if (!isOn) return ok(check, 'There is no binary log.', why);
  if (format !== 'STATEMENT') return ok(check, `The binary log is written with format ${format}.`, why);
  return {
    level: 'error',
    check,
    found: 'The binary log is written by statement.',
    why,
    todo: `SET GLOBAL binlog_format = 'MIXED';`,
  };
}

function durability(flush: number): Finding {
  const check = 'durability';
  const why =
    'A commit that is not flushed is lost with the machine: messages come back, and their count with them.';
  if (flush === 1) return ok(check, 'Every commit is flushed to disk.', why);
  return {
    level: 'warning',
    check,
    found: `innodb_flush_log_at_trx_commit is ${flush}.`,
    why,
    todo: 'SET GLOBAL innodb_flush_log_at_trx_commit = 1;',
  };
}

async function cluster(session: Session): Promise<readonly Finding[]> {
  const status = await countersLike(session, 'wsrep_%');
  const size = Number(status.get('wsrep_cluster_size') ?? '0');
  if (size === 0) return [];
  const found = `A Galera cluster of ${size}, this machine ${status.get('wsrep_cluster_status')}, ready: ${status.get('wsrep_ready')}.`;
  const why =
    'Row locks are not cluster-wide: collecting through the machine that the application writes to disturbs it least.';
  if (status.get('wsrep_ready') === 'ON') return [ok('cluster', found, why)];
  return [
    {
      level: 'error',
      check: 'cluster',
      found,
      why,
      todo: 'Wait for it, or name another machine in DATABASE_URL.',
    },
  ];
}

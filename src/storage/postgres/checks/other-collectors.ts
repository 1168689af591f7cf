/** The doctor's look for others who delete from the same table. */
import type { Mapping } from '../../../core/mapping.js';
import type { Finding } from '../../../core/ports.js';
import { notExamined } from '../../checks/finding.js';
import { othersFinding } from '../../checks/other-collectors.js';
import type { Queryable } from '../own-tables.js';

export async function otherCollectorFindings(q: Queryable, { table }: Mapping): Promise<readonly Finding[]> {
  const pattern = `\\mDELETE\\s+FROM\\s+(ONLY\\s+)?("?\\w+"?\\s*\\.\\s*)?"?${table.name.replaceAll(/\W/g, '.')}\\M`;
  const { rows } = await q.query(
    `SELECT format('session %s (%s, %s)', pid, usename, nullif(application_name, '')) AS words,
            query = '<insufficient privilege>' AS hidden
       FROM pg_catalog.pg_stat_activity
      WHERE datname = current_database() AND pid <> pg_backend_pid() AND backend_type = 'client backend'
        AND application_name <> 'message-gc' AND query NOT LIKE '%message-gc run=%'
        AND (query ~* $1 OR query = '<insufficient privilege>') ORDER BY pid`,
    [pattern],
  );
  const hidden = rows.filter((row) => row['hidden'] === true).length;
  const seen = rows
    .filter((row) => row['hidden'] !== true)
    .map((row) => `${String(row['words'])} deletes from it`);
  return [
    othersFinding([...seen, ...(await jobs(q, pattern))], hidden > 0),
    ...(hidden === 0 ? [] : [await unseen(q, hidden)]),
  ];
}

/** pg_cron keeps its jobs in one database of the server; where it is this one, they can be read. */
async function jobs(q: Queryable, pattern: string): Promise<readonly string[]> {
  const { rows: there } = await q.query(
    `SELECT has_table_privilege(c.oid, 'SELECT') AND has_schema_privilege(n.oid, 'USAGE') AS readable
       FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
      WHERE n.nspname = 'cron' AND c.relname = 'job'`,
  );
  if (there[0]?.['readable'] !== true) return [];
  const { rows } = await q.query(
    `SELECT jobid::text AS id, schedule FROM cron.job WHERE active AND command ~* $1 ORDER BY jobid`,
    [pattern],
  );
  return rows.map((row) => `pg_cron job ${String(row['id'])} (${String(row['schedule'])})`);
}

async function unseen(q: Queryable, sessions: number): Promise<Finding> {
  const { rows } = await q.query(`SELECT format('GRANT pg_read_all_stats TO %I;', current_user) AS "grant"`);
  return {
    ...notExamined('Other collectors', `the statements of ${sessions} other sessions may not be seen`),
    todo: String(rows[0]?.['grant']),
  };
}

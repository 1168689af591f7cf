import { type Mapping, nameOf } from '../../core/mapping.js';
import type { ForeignKeyMode } from '../../core/run.js';
import type { Queryable, TableFacts } from './catalogue.js';
import { type ForeignKey, foreignKeysInto, levelOfKey, refuseForeignKeys } from './named-foreign-keys.js';
import { isOurs, levelsOf } from './levels.js';

/**
 * Whether messages may go first with the server's foreign-key checks left out (`session_replication_role`). The
 * checks cost 8 µs a row, two thirds of the whole time; leaving them out is safe only under conditions (a) to (e),
 * and where one of them cannot be verified the checks stay on:
 *
 * (a) every foreign key into every table that loses rows is named by the mapping, with delete or set_null on columns
 *     that can be cleared;
 * (b) no trigger but disabled ones and the constraints' own, no rule, no inheritance child: in replica role ordinary
 *     triggers would not fire;
 * (c) `row_security = off` in our sessions, so that a policy is an error and not a filter;
 * (d) the privilege to set the parameter;
 * (e) inside every batch, after its last DELETE has taken its table lock, `shapeSql` still gives the plan's value.
 */
export type ForeignKeyChoice = { readonly mode: ForeignKeyMode; readonly why: string };

export async function chooseForeignKeyMode(
  client: Queryable,
  mapping: Mapping,
  facts: TableFacts,
): Promise<ForeignKeyChoice> {
  const oids = touchedTables(mapping, facts);
  const into = await foreignKeysInto(client, oids);
  refuseForeignKeys(mapping, facts, into);
  const fromOthers = into.filter((key) => key.into === facts.oid);
  if (!levelsOf(mapping).some(isOurs) && fromOthers.length === 0) {
    return { mode: 'none', why: 'no foreign key refers to the messages' };
  }
  if (mapping.foreignKeys === 'checked') {
    return { mode: 'checked', why: 'the mapping keeps the foreign-key checks on' };
  }
  const obstacle =
    unnamed(mapping, facts, into) ?? (await disturbance(client, oids)) ?? (await missingPrivilege(client));
  return obstacle === null
    ? { mode: 'messages_first', why: 'every foreign key is known, so messages go first without its checks' }
    : { mode: 'checked', why: `the foreign-key checks stay on: ${obstacle}` };
}

/** Every table whose rows we delete or clear, the messages table first. */
export function touchedTables(mapping: Mapping, { oid, levels }: TableFacts): readonly string[] {
  const others = levelsOf(mapping)
    .filter(isOurs)
    .map(({ place }) => levels[place]?.oid ?? '0');
  return [...new Set([oid, ...others])];
}

/** (a): the first foreign key that the mapping does not name, in words. */
function unnamed(mapping: Mapping, facts: TableFacts, into: readonly ForeignKey[]): string | null {
  for (const key of into) {
    const level = levelOfKey(mapping, facts, key);
    const isNamed =
      level !== null &&
      (level.dependent.action === 'delete' || (level.dependent.action === 'set_null' && key.nullable));
    if (!isNamed && !isHarmless(mapping, facts, key))
      return `the foreign key ${key.name} of ${key.fromTable} is not named by the mapping of ${nameOf(mapping.table)}`;
  }
  return null;
}

/** It refers to rows that are only cleared, by columns that stay as they are. */
function isHarmless(mapping: Mapping, { oid, levels }: TableFacts, key: ForeignKey): boolean {
  if (key.into === oid) return false;
  return levelsOf(mapping)
    .filter((level) => isOurs(level) && levels[level.place]?.oid === key.into)
    .every(
      ({ place, dependent }) =>
        dependent.action === 'set_null' &&
        !key.referenced.some((column) => levels[place]?.cleared.includes(column)),
    );
}

/** (b): the first trigger, rule or inheritance child that replica role would pass over, in words. */
async function disturbance(client: Queryable, oids: readonly string[]): Promise<string | null> {
  const { rows } = await client.query<{ words: string }>(
    `SELECT 'trigger ' || tgname || ' on ' || tgrelid::regclass AS words FROM pg_trigger
       WHERE tgrelid = ANY($1::oid[]) AND ((NOT tgisinternal AND tgenabled <> 'D') OR (tgisinternal AND tgenabled <> 'O'))
     UNION ALL SELECT 'rule ' || rulename || ' on ' || ev_class::regclass FROM pg_rewrite WHERE ev_class = ANY($1::oid[])
     UNION ALL SELECT 'inheritance child ' || inhrelid::regclass FROM pg_inherits WHERE inhparent = ANY($1::oid[])
     LIMIT 1`,
    [oids],
  );
  return rows[0] === undefined ? null : `there is ${rows[0].words}`;
}

/** A rule rewrites a statement, and cannot where the statement is a part of another. */
export async function hasRules(client: Queryable, oids: readonly string[]): Promise<boolean> {
  const { rowCount } = await client.query('SELECT FROM pg_rewrite WHERE ev_class = ANY($1::oid[]) LIMIT 1', [
    oids,
  ]);
  return (rowCount ?? 0) > 0;
}

/** (d). PostgreSQL 14 has no grant for a parameter: only a superuser may set it there. */
async function missingPrivilege(client: Queryable): Promise<string | null> {
  const { rows } = await client.query<{ superuser: boolean; version: number; user: string }>(
    `SELECT rolsuper AS superuser, current_setting('server_version_num')::int AS version, quote_ident(current_user) AS user
     FROM pg_roles WHERE rolname = current_user`,
  );
  const role = rows[0];
  if (role === undefined || role.superuser) return null;
  if (role.version >= 150_000) {
    const granted = await client.query<{ may: boolean }>(
      "SELECT has_parameter_privilege('session_replication_role', 'SET') AS may",
    );
    if (granted.rows[0]?.may === true) return null;
    return `the privilege is missing (GRANT SET ON PARAMETER session_replication_role TO ${role.user})`;
  }
  return 'PostgreSQL 14 lets only a superuser set session_replication_role';
}

/**
 * (e): one text that changes with every foreign key, trigger, rule and child of the tables, whatever their state.
 * `ALTER TABLE … ADD FOREIGN KEY` and `CREATE TRIGGER` need a lock that our DELETE's lock refuses, so a value read
 * after the DELETEs holds until COMMIT. (Left out, a foreign key added in mid-run left an orphan.)
 */
export function shapeSql(oids: readonly string[]): string {
  const tables = `ANY('{${oids.map(Number).join(',')}}'::oid[])`;
  return `(SELECT md5(coalesce(string_agg(part, ';' ORDER BY part), '')) FROM (
  SELECT 'f' || oid || ':' || conrelid || ':' || confrelid || ':' || confdeltype::text || ':' || conkey::text AS part
    FROM pg_constraint WHERE contype = 'f' AND confrelid = ${tables}
  UNION ALL SELECT 't' || oid || ':' || tgenabled::text FROM pg_trigger WHERE tgrelid = ${tables}
  UNION ALL SELECT 'r' || oid FROM pg_rewrite WHERE ev_class = ${tables}
  UNION ALL SELECT 'i' || inhrelid FROM pg_inherits WHERE inhparent = ${tables}) parts)`;
}

export async function readShape(client: Queryable, oids: readonly string[]): Promise<string> {
  const { rows } = await client.query<{ shape: string }>(`SELECT ${shapeSql(oids)} AS shape`);
  return rows[0]?.shape ?? '';
}

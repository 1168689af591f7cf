import type { Plan } from '../../core/run.js';
import { shapeSql } from './foreign-keys.js';
import { textSql } from './names.js';

/** The triggers of the messages table, a foreign key's among them, and whether its name still means it. */
export function tableSql(oid: string, name: string): string {
  return `${tableOidSql(name)} || ' ' || (SELECT md5(coalesce(string_agg(t.oid::text || t.tgenabled::text, ',' ORDER BY t.oid), ''))
    FROM pg_trigger t WHERE t.tgrelid = ${Number(oid)}::oid)`;
}

/**
 * What must still be as the plan saw it, asked with the cursor's statement: after the batch's last DELETE, for only then
 * every table that loses rows has the lock that holds off whoever would change the answer. (FOR UPDATE is not enough: a
 * foreign key that was added after it left orphans, and so did one into the dependents that was added between the two
 * DELETEs.)
 *
 * Where checks are left out, the shape of all tables. Where they stay on the server obeys every foreign key, but it does
 * not count what a new one takes along, and a table that was dropped and made again has foreign keys that nobody looked
 * at: two look-ups by index.
 */
export function tableGuards(plan: Plan): readonly string[] {
  const oids = JSON.parse(plan.guards['oids'] ?? '[]') as string[];
  const { table, table_name: name, shape } = plan.guards;
  const stop = `THEN ('shape' || (SELECT count(*) FROM moved) || '!')::int`;
  const isUnchecked = plan.foreignKeys === 'messages_first';
  const guards = isUnchecked
    ? [`${shapeSql(oids)} <> ${textSql(shape ?? '')} ${stop}`, ...namesOfLevels(plan, stop)]
    : [];
  const [oid] = oids;
  if (oid === undefined || table === undefined || name === undefined) return guards;
  const found = isUnchecked
    ? `${tableOidSql(name)} <> ${textSql(oid)}`
    : `${tableSql(oid, name)} <> ${textSql(table)}`;
  return [...guards, `${found} ${stop}`];
}

/** A dependent is deleted by its name: another table of that name has not the rows that refer to our messages. */
function namesOfLevels({ guards }: Plan, stop: string): readonly string[] {
  const names = JSON.parse(guards['level_names'] ?? '{}') as Record<string, string>;
  return Object.entries(names).map(([name, oid]) => `${tableOidSql(name)} <> ${textSql(oid)} ${stop}`);
}

function tableOidSql(name: string): string {
  return `coalesce(to_regclass(${textSql(name)})::oid::text, '')`;
}

import { type Mapping, nameOf, type TableName } from '../../../core/mapping.js';
import { levelsOf } from '../levels.js';
import { quotedTable } from '../names.js';
import type { Sessions } from '../session.js';
import { ask } from './others.js';

/** The tables of which rows go; the first is the messages'. */
export async function tablesThatLose(sessions: Sessions, mapping: Mapping): Promise<readonly string[]> {
  const losing = levelsOf(mapping).filter(({ dependent: { action } }) => action !== 'keep');
  const tables: readonly TableName[] = [mapping.table, ...losing.map(({ dependent }) => dependent.table)];
  const { oids } = await ask<{ oids: readonly (string | null)[] }>(
    sessions,
    'find the tables',
    `SELECT json_agg(to_regclass(name)::oid::text ORDER BY place) AS oids
     FROM unnest($1::text[]) WITH ORDINALITY AS t (name, place)`,
    [tables.map(quotedTable)],
  );
  return oids.map((oid, place) => {
    if (oid === null) throw new Error(`There is no table ${nameOf(tables[place] ?? mapping.table)}`);
    return oid;
  });
}

/** `mine(oid)`: the tables of the first parameter, with their partitions and what inherits from them. */
export const withParts = `WITH RECURSIVE mine AS (
  SELECT unnest($1::oid[]) AS oid UNION SELECT i.inhrelid FROM pg_inherits i JOIN mine ON i.inhparent = mine.oid)`;

import type { Mapping } from '../../core/mapping.js';
import { type RealTable, unfit } from './catalogue.js';
import { everyDependent, type FoundDependent, isSameTable, losingTables } from './dependent-facts.js';
import { kindOf } from './errors.js';
import { type ForeignKey, foreignKeysInto, namedBy } from './foreign-keys.js';
import { decoded, hasStrangeName, innodbKey } from './innodb-names.js';
import { textSql } from './names.js';
import { isOwnMapping } from './own-tables.js';
import type { Session } from './session.js';
import type { TableFacts } from './table-facts.js';

/**
 * Refuses a run that a foreign key would make fail after minutes, or that would make rows go uncounted: each foreign
 * key into a table that loses rows must be one of the mapping's dependents. On our own tables a CASCADE that somebody
 * added is left to the server.
 *
 * @returns what could not be seen, in words; null: everything was seen
 */
export async function refuseForeignKeys(
  session: Session,
  mapping: Mapping,
  { messages, dependents }: Pick<TableFacts, 'messages' | 'dependents'>,
): Promise<string | null> {
  const losing = losingTables(messages, dependents);
  const every = everyDependent(dependents);
  const innodb = await foreignKeysInto(session, losing);
  const isWhole = innodb !== null && ![...losing, ...every.map(({ table }) => table)].some(hasStrangeName);
  // InnoDB's own spelling of a strange name would be taken for another table; the catalogue knows it by its real one.
  const spelt = (innodb ?? []).filter(({ from }) => !plain(from).includes('@'));
  const keys = isWhole ? innodb : [...spelt, ...(await visibleForeignKeys(session, losing))];
  for (const key of keys) {
    const named = namedBy(key, every);
    if (named.length === 0) refuseUnnamed(key, mapping, messages);
    for (const one of named) refuseAction(key, one);
  }
  if (isWhole) {
    const lost = every.find(
      (one) => one.dependent.action === 'leave_to_fk' && !keys.some((key) => namedBy(key, [one]).length > 0),
    );
    if (lost !== undefined) {
      throw unfit(
        'FOREIGN_KEY',
        `The rows of ${lost.table.name} are left to a foreign key (leave_to_fk), but it has none over (${lost.dependent.match.map(({ column }) => column).join(', ')}) into ${lost.parent.name}; say delete, set_null or keep`,
      );
    }
  }
  return isWhole
    ? null
    : 'foreign keys of tables that this user may not see cannot be ruled out (GRANT PROCESS shows them)';
}

function refuseUnnamed(key: ForeignKey, mapping: Mapping, messages: RealTable): void {
  const isSelf = key.from === key.into && key.into === innodbKey(messages);
  const isOurs = isOwnMapping(mapping) && key.onDelete !== 'refuse';
  if (key.onDelete === 'set_null' || isOurs) return;
  const words = `The foreign key ${key.name} of ${plain(key.from)} (${key.columns.join(', ')}) refers to ${plain(key.into)} and the mapping does not name it`;
  const consequence = isSelf
    ? key.onDelete === 'cascade'
      ? 'its ON DELETE CASCADE would delete a young message with the old one that it refers to'
      : 'a message that another one refers to could not be deleted'
    : key.onDelete === 'cascade'
      ? 'its ON DELETE CASCADE would delete rows uncounted'
      : 'a message that a row of it refers to could not be deleted, and the run would fail';
  const action = isSelf ? 'set_null' : 'delete';
  const match = key.columns.map((column, at) => `${column}: ${key.referenced[at] ?? ''}`).join(', ');
  const place =
    key.into === innodbKey(messages)
      ? 'dependents'
      : `the dependents of ${bareName(key.into)} in the mapping`;
  throw unfit(
    'FOREIGN_KEY',
    `${words}: ${consequence}. Add to ${place}: {table: ${bareName(key.from)}, match: {${match}}, action: ${action}}${isSelf ? '' : ' (or action: set_null, which keeps the rows)'}`,
  );
}

function refuseAction(key: ForeignKey, { dependent, table, parent }: FoundDependent): void {
  const { action } = dependent;
  const its = `the foreign key ${key.name} of ${table.name} into ${parent.name}`;
  if (action === 'leave_to_fk' && key.onDelete === 'refuse') {
    throw unfit(
      'FOREIGN_KEY',
      `The mapping leaves the rows of ${table.name} to their foreign key (leave_to_fk), but ${its} has neither ON DELETE CASCADE nor SET NULL and would refuse; say delete or set_null`,
    );
  }
  if (action === 'leave_to_fk' && key.onDelete === 'cascade' && isSameTable(table, parent)) {
    throw unfit(
      'FOREIGN_KEY',
      `By ${its} a young message would be deleted with the old one that it refers to (ON DELETE CASCADE); say set_null instead of leave_to_fk`,
    );
  }
  if (action === 'keep' && (key.onDelete === 'cascade' || key.onDelete === 'refuse')) {
    throw unfit(
      'FOREIGN_KEY',
      `The mapping keeps the rows of ${table.name}, but ${its} would ${key.onDelete === 'cascade' ? 'delete them (ON DELETE CASCADE)' : 'refuse that their message goes'}; say delete or set_null, or drop the foreign key`,
    );
  }
}

const rules: Readonly<Record<string, ForeignKey['onDelete']>> = {
  CASCADE: 'cascade',
  'SET NULL': 'set_null',
  RESTRICT: 'refuse',
  'NO ACTION': 'refuse',
};

/**
 * What this user may see without PROCESS: the foreign keys of tables on which it has any privilege, though not always
 * their rules.
 */
async function visibleForeignKeys(
  session: Session,
  tables: readonly RealTable[],
): Promise<readonly ForeignKey[]> {
  const places = tables.map(
    ({ database, name }) =>
      `(k.REFERENCED_TABLE_SCHEMA = ${textSql(database)} AND k.REFERENCED_TABLE_NAME = ${textSql(name)})`,
  );
  try {
    const rows = await session.rows<
      Record<'id' | 'db' | 'name' | 'intoDb' | 'into' | 'column' | 'other' | 'rule', string>
    >(
      `SELECT k.CONSTRAINT_NAME AS id, k.TABLE_SCHEMA AS db, k.TABLE_NAME AS name, k.REFERENCED_TABLE_SCHEMA AS intoDb,
         k.REFERENCED_TABLE_NAME AS \`into\`, k.COLUMN_NAME AS \`column\`, k.REFERENCED_COLUMN_NAME AS other, r.DELETE_RULE AS rule
       FROM information_schema.KEY_COLUMN_USAGE k LEFT JOIN information_schema.REFERENTIAL_CONSTRAINTS r
         ON r.CONSTRAINT_SCHEMA = k.CONSTRAINT_SCHEMA AND r.CONSTRAINT_NAME = k.CONSTRAINT_NAME AND r.TABLE_NAME = k.TABLE_NAME
       WHERE ${places.join(' OR ')} ORDER BY k.TABLE_SCHEMA, k.TABLE_NAME, k.CONSTRAINT_NAME, k.ORDINAL_POSITION`,
    );
    const keys = new Map<string, ForeignKey & { columns: string[]; referenced: string[] }>();
    for (const row of rows) {
      const from = innodbKey({ database: row.db, name: row.name });
      const key = keys.get(`${from} ${row.id}`) ?? {
        name: row.id,
        from,
        into: innodbKey({ database: row.intoDb, name: row.into }),
        columns: [],
        referenced: [],
        onDelete: rules[row.rule ?? ''] ?? 'unknown',
      };
      key.columns.push(row.column);
      key.referenced.push(row.other);
      keys.set(`${from} ${row.id}`, key);
    }
    return [...keys.values()];
  } catch (error) {
    // A server of very many tables takes too long to say.
    if (kindOf(error).kind === 'slow' || kindOf(error).kind === 'denied') return [];
    throw error;
  }
}

/** `chat/no@002dtes` as a person writes it: `chat.no-tes`. */
function plain(innodb: string): string {
  return decoded(innodb.replace('/', '.'));
}

function bareName(innodb: string): string {
  return plain(innodb).slice(plain(innodb).indexOf('.') + 1);
}

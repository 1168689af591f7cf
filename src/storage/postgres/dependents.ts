import type { PoolClient } from 'pg';
import { type Dependent, type Mapping, nameOf } from '../../core/mapping.js';
import type { BatchRequest } from '../../core/ports.js';
import type { DependentCounts, Plan } from '../../core/run.js';
import { answerSql, type AnswerRow, Keys, keysOf } from './keys.js';
import { isOurs, type Level, levelFacts, levelsBelow, levelsOf } from './levels.js';
import type { LockBudget } from './lock-budget.js';
import { comment, quoted, quotedTable } from './names.js';
import { columnTypes, Parameters } from './range.js';

/** The message columns that are needed after the rows are locked or gone: the key, and what dependents refer to. */
export function neededColumns({ key, dependents }: Mapping): readonly string[] {
  return [...new Set([...key, ...referredColumns(dependents)])];
}

function referredColumns(dependents: readonly Dependent[]): readonly string[] {
  const referred = dependents
    .filter(({ action }) => action !== 'keep')
    .flatMap(({ match }) => match.map((pair) => pair.message));
  return [...new Set(referred)];
}

export function listSql(alias: string, columns: readonly string[]): string {
  return columns.map((column) => `${alias}.${quoted(column)}`).join(', ');
}

/** Locks the rows of a condition and gives their keys. */
export function lockedKeysSql(
  mapping: Mapping,
  where: string,
  lock: 'FOR UPDATE' | 'FOR UPDATE SKIP LOCKED',
): string {
  const columns = neededColumns(mapping);
  return `WITH locked AS MATERIALIZED (SELECT ${listSql('m', columns)} FROM ${quotedTable(mapping.table)} m WHERE ${where} ${lock})
    SELECT ${answerSql(columns)} FROM locked`;
}

export function messageKeys(plan: Plan, row: AnswerRow | undefined): Keys {
  return keysOf('m', row, columnTypes(plan));
}

/** What stands below a level's rows: null where nothing of ours does. */
function columnsBelow(mapping: Mapping, { place, dependent }: Level): readonly string[] | null {
  return levelsBelow(mapping, place).some(isOurs) ? referredColumns(dependent.dependents ?? []) : null;
}

/** The statement that deletes or clears the rows of a level; over alias `d`. */
function changeSql({ dependent }: Level, cleared: readonly string[], where: string): string {
  const table = quotedTable(dependent.table);
  return dependent.action === 'delete'
    ? `DELETE FROM ${table} AS d WHERE ${where}`
    : `UPDATE ${table} AS d SET ${cleared.map((column) => `${quoted(column)} = NULL`).join(', ')} WHERE ${where}`;
}

function add(counts: Record<string, number>, { dependent }: Level, more: number): void {
  const name = nameOf(dependent.table);
  counts[name] = (counts[name] ?? 0) + more;
}

/**
 * Deletes or clears what goes with messages that are gone, level by level: what goes with a row is looked for in a
 * statement of its own after the row is gone, so that it sees whatever was committed before.
 */
export async function deleteDependents(
  client: PoolClient,
  budget: LockBudget,
  request: BatchRequest,
  keys: Keys,
): Promise<DependentCounts> {
  const { policy, plan, run, span } = request;
  const { mapping } = policy;
  const counts: Record<string, number> = {};
  const below = async (above: string | null, rows: Keys): Promise<void> => {
    if (rows.count === 0) return;
    for (const level of levelsBelow(mapping, above).filter(isOurs)) {
      await budget.limit();
      const facts = levelFacts(plan, level);
      const parameters = new Parameters();
      const where = rows.referringSql('d', level.dependent.match, facts.types, parameters);
      const change = `${comment(run.id, span.no)} ${changeSql(level, facts.cleared, where)}`;
      const columns = columnsBelow(mapping, level);
      if (columns === null) {
        add(counts, level, (await client.query(change, parameters.values)).rowCount ?? 0);
        continue;
      }
      const { rows: answer } = await client.query<AnswerRow>(
        `WITH gone AS (${change} RETURNING ${listSql('d', columns)}) SELECT ${answerSql(columns)} FROM gone`,
        parameters.values,
      );
      const gone = keysOf(level.place, answer[0], facts.types);
      add(counts, level, gone.count);
      await below(level.place, gone);
    }
  };
  await below(null, keys);
  return counts;
}

/** Of the levels that have dependents of their own, the rows that go: locked before anything below them is touched. */
export async function lockLevels(
  client: PoolClient,
  budget: LockBudget,
  { policy: { mapping }, plan }: BatchRequest,
  keys: Keys,
): Promise<ReadonlyMap<string | null, Keys>> {
  const locked = new Map<string | null, Keys>([[null, keys]]);
  for (const level of levelsOf(mapping)) {
    const above = locked.get(level.above);
    const columns = columnsBelow(mapping, level);
    if (above === undefined || columns === null) continue;
    await budget.limit();
    const { types } = levelFacts(plan, level);
    const parameters = new Parameters();
    const where = above.referringSql('d', level.dependent.match, types, parameters);
    const { rows } = await client.query<AnswerRow>(
      `WITH locked AS MATERIALIZED (SELECT ${listSql('d', columns)} FROM ${quotedTable(level.dependent.table)} d WHERE ${where} FOR UPDATE)
       SELECT ${answerSql(columns)} FROM locked`,
      parameters.values,
    );
    locked.set(level.place, keysOf(level.place, rows[0], types));
  }
  return locked;
}

/**
 * The changes of all levels, those below first, with the messages still there. Only for rows that are locked by an
 * earlier statement of the transaction.
 *
 * @param only the number of the one that is wanted, when each is a statement of its own
 */
export function levelParts(
  request: BatchRequest,
  locked: ReadonlyMap<string | null, Keys>,
  parameters: Parameters,
  only?: number,
): readonly { readonly level: Level; readonly sql: string }[] {
  const levels = levelsOf(request.policy.mapping)
    .filter((level) => isOurs(level) && (locked.get(level.above)?.count ?? 0) > 0)
    .sort((one, other) => depth(other) - depth(one));
  return (only === undefined ? levels : levels.slice(only, only + 1)).map((level) => ({
    level,
    sql: partSql(request, level, locked, parameters),
  }));
}

function partSql(
  { policy: { mapping }, plan }: BatchRequest,
  level: Level,
  locked: ReadonlyMap<string | null, Keys>,
  parameters: Parameters,
): string {
  const { types, cleared, isSelf } = levelFacts(plan, level);
  const conditions: string[] = [];
  const above = locked.get(level.above);
  const mine = locked.get(level.place);
  const messages = locked.get(null);
  if (above !== undefined) conditions.push(above.referringSql('d', level.dependent.match, types, parameters));
  if (mine !== undefined) {
    // A row that came after the lock keeps its dependents, which were not looked for.
    const noRow = mine.columns.map((column) => `d.${quoted(column)} IS NULL`).join(' OR ');
    conditions.push(`(${noRow} OR ${mine.matchSql('d', mine.columns, parameters)})`);
  }
  // Of the messages themselves only those that stay are cleared; the others go with the DELETE beside this.
  if (isSelf && messages !== undefined)
    conditions.push(`NOT (${messages.matchSql('d', mapping.key, parameters)})`);
  return changeSql(level, cleared, conditions.join(' AND '));
}

function depth({ place }: Level): number {
  return place.split('.').length;
}

export function countParts(
  parts: readonly { readonly level: Level }[],
  row: AnswerRow | undefined,
): DependentCounts {
  const counts: Record<string, number> = {};
  for (const [index, { level }] of parts.entries()) add(counts, level, Number(row?.[`n${index}`] ?? 0));
  return counts;
}

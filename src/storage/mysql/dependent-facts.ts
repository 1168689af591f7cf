import { type Dependent, type Mapping, nameOf } from '../../core/mapping.js';
import type { Plan } from '../../core/run.js';
import {
  columnOf,
  type Columns,
  findTable,
  noIndex,
  readColumns,
  readIndexes,
  type RealTable,
  refuseWithoutTransactions,
  unfit,
} from './catalogue.js';
import { canBeBound, familyOf } from './range.js';
import type { Session } from './session.js';

/** How a matched pair is compared. */
export type FrozenPair = {
  /** Type of the dependent's column, as which values are written. */
  readonly type: string;
  /** The other column is a number and this one a text. */
  readonly isCast: boolean;
  /**
   * The dependent's collation where the other column's differs, or that one is a number: then equal means equal byte by
   * byte. (MySQL refuses to compare a number that was made a text with a text of another collation.)
   */
  readonly collation: string | null;
};

/** What a batch must know of a dependent beside the mapping; part of the plan's guards. */
export type FrozenDependent = {
  /** Begins with the columns by which it is matched; null where we do nothing. */
  readonly index: string | null;
  readonly pairs: readonly FrozenPair[];
  /** Columns that `set_null` clears: those of the match that may be NULL. */
  readonly clears: readonly string[];
  /** Columns that an UPDATE would move by itself and must not: the age, where the messages refer to each other. */
  readonly keeps: readonly string[];
  /** Types of the columns that the level below refers to. */
  readonly types: Readonly<Record<string, string>>;
  readonly below: readonly FrozenDependent[];
};

/** A dependent with its tables as the server has them. */
export type FoundDependent = {
  readonly dependent: Dependent;
  /** The messages table, or the dependent above. */
  readonly parent: RealTable;
  readonly table: RealTable;
  readonly frozen: FrozenDependent;
  readonly below: readonly FoundDependent[];
};

export function frozenDependents(plan: Plan): readonly FrozenDependent[] {
  return JSON.parse(plan.guards['dependents'] ?? '[]') as FrozenDependent[];
}

/** All levels, those above first. */
export function everyDependent(found: readonly FoundDependent[]): readonly FoundDependent[] {
  return found.flatMap((one) => [one, ...everyDependent(one.below)]);
}

/** Every table that loses rows to a run, the messages first. */
export function losingTables(
  messages: RealTable,
  dependents: readonly FoundDependent[],
): readonly RealTable[] {
  const losing = everyDependent(dependents).filter(({ dependent }) => dependent.action === 'delete');
  return [messages, ...losing.map(({ table }) => table)];
}

export function isSameTable(a: RealTable, b: RealTable): boolean {
  return a.database === b.database && a.name === b.name;
}

export async function readDependents(
  session: Session,
  mapping: Mapping,
  messages: RealTable,
  columns: Columns,
): Promise<readonly FoundDependent[]> {
  const above = { table: messages, columns, called: nameOf(mapping.table) };
  const read = async (dependent: Dependent, from: Above): Promise<FoundDependent> => {
    const found = await findTable(session, dependent.table);
    const table = { database: found.database, name: found.name };
    if (dependent.action !== 'keep') refuseWithoutTransactions(found);
    const its = await readColumns(session, table);
    const below: FoundDependent[] = [];
    for (const one of dependent.dependents ?? []) {
      if (dependent.action !== 'delete') {
        throw unfit(
          'DEPENDENTS_BELOW',
          `The rows of ${nameOf(dependent.table)} do not go (${dependent.action}), so none go with them; only below the action delete can there be dependents`,
        );
      }
      below.push(await read(one, { table, columns: its, called: nameOf(dependent.table) }));
    }
    const isSelf = isSameTable(table, messages);
    if (isSelf && dependent.action === 'delete') {
      throw unfit(
        'SELF_DELETE',
        `The messages of ${nameOf(mapping.table)} that refer to an old message would go with it, however young they are; say set_null for the dependent ${nameOf(dependent.table)}`,
      );
    }
    const clears = dependent.match.map(({ column }) => column).filter((name) => its[name]?.isNullable);
    if (dependent.action === 'set_null' && clears.length === 0) {
      throw unfit(
        'NOT_NULL',
        `No column of (${dependent.match.map(({ column }) => column).join(', ')}) of ${nameOf(dependent.table)} may be NULL, so the reference cannot be cleared; say delete or keep`,
      );
    }
    const referred = below.flatMap(({ dependent: { match } }) => match.map(({ message }) => message));
    return {
      dependent,
      parent: from.table,
      table,
      below,
      frozen: {
        index: touches(dependent) ? await indexFor(session, dependent, table) : null,
        pairs: dependent.match.map((pair) => comparison(dependent, pair, its, from)),
        clears,
        keeps:
          isSelf && its[mapping.age.column]?.isMoved && !clears.includes(mapping.age.column)
            ? [mapping.age.column]
            : [],
        types: Object.fromEntries(referred.map((name) => [name, its[name]?.type ?? ''])),
        below: below.map(({ frozen }) => frozen),
      },
    };
  };
  const found: FoundDependent[] = [];
  for (const dependent of mapping.dependents) found.push(await read(dependent, above));
  return found;
}

/** Whether a run does anything to the dependent's rows, or has the server do it. */
export function touches({ action }: Dependent): boolean {
  return action !== 'keep';
}

type Above = { readonly table: RealTable; readonly columns: Columns; readonly called: string };

/**
 * A value is written as the column has it that is compared: `varchar = 5` finds "5" and "5x" and no index. Texts of
 * different collations are compared byte by byte, lest the receipts of "abc" go with the message "ABC".
 */
function comparison(
  { table }: Dependent,
  pair: Dependent['match'][number],
  its: Columns,
  above: Above,
): FrozenPair {
  const mine = columnOf(its, pair.column, table);
  const theirs = columnOf(above.columns, pair.message, { schema: null, name: above.called });
  const families = [familyOf(theirs.type), familyOf(mine.type)].join(' ');
  const isFit =
    canBeBound(theirs.type) && canBeBound(mine.type) && /^(\w+) (\1|text)$/.test(families)
      ? families !== 'bytes text' && families !== 'time text'
      : false;
  if (!isFit) {
    throw unfit(
      'MATCH_TYPE',
      `${pair.column} of ${nameOf(table)} is ${mine.type} and ${pair.message} of ${above.called} is ${theirs.type}, which cannot be compared exactly; match columns of the same type`,
    );
  }
  const differ = theirs.collation !== null && mine.collation !== theirs.collation;
  return {
    type: mine.type,
    isCast: families === 'number text',
    collation: differ || families === 'number text' ? mine.collation : null,
  };
}

async function indexFor(session: Session, dependent: Dependent, table: RealTable): Promise<string> {
  const wanted = new Set(dependent.match.map((pair) => pair.column));
  const found = (await readIndexes(session, table)).find(({ columns }) => {
    const leading = new Set(columns.slice(0, wanted.size));
    return leading.size === wanted.size && [...wanted].every((column) => leading.has(column));
  });
  if (found !== undefined) return found.name;
  throw noIndex(`index over (${[...wanted].join(', ')}) of ${nameOf(dependent.table)}`);
}

import { quoted } from './names.js';
import type { Parameters } from './range.js';

type Pair = { readonly mine: string; readonly type: string; readonly theirs: string };

/**
 * Some rows, by the values of a few of their columns. They travel as PostgreSQL array text ('{1,2,3}'), one array for
 * each column, from one statement's answer to the next one's parameter, without being taken apart in this process.
 */
export class Keys {
  readonly count: number;
  /** Names the rows among a statement's parameters. */
  readonly #name: string;
  readonly #arrays: Readonly<Record<string, string>>;
  readonly #types: Readonly<Record<string, string>>;

  constructor(
    name: string,
    count: number,
    arrays: Readonly<Record<string, string>>,
    types: Readonly<Record<string, string>>,
  ) {
    this.count = count;
    this.#name = name;
    this.#arrays = arrays;
    this.#types = types;
  }

  get columns(): readonly string[] {
    return Object.keys(this.#arrays);
  }

  array(column: string, parameters: Parameters, type = this.#types[column] ?? 'text'): string {
    return parameters.once(`${this.#name}.${column}`, this.#arrays[column] ?? '{}', `${type}[]`);
  }

  /** A condition over `alias` that holds for exactly these rows, by columns that have the same name there. */
  matchSql(alias: string, columns: readonly string[], parameters: Parameters): string {
    return this.#match(
      columns.map((column) => ({
        mine: `${alias}.${quoted(column)}`,
        type: this.#types[column] ?? 'text',
        theirs: column,
      })),
      parameters,
    );
  }

  /**
   * A condition over `alias` that holds for exactly the rows which refer to these.
   *
   * @param types of the referring columns: a text that holds a uuid is compared as the text that it is
   */
  referringSql(
    alias: string,
    match: readonly { readonly column: string; readonly message: string }[],
    types: Readonly<Record<string, string>>,
    parameters: Parameters,
  ): string {
    return this.#match(
      match.map(({ column, message }) => ({
        mine: `${alias}.${quoted(column)}`,
        type: comparedAs(types[column], this.#types[message]),
        theirs: message,
      })),
      parameters,
    );
  }

  #match(pairs: readonly Pair[], parameters: Parameters): string {
    const arrays = pairs.map(({ theirs, type }) => this.array(theirs, parameters, type));
    return pairs.length === 1
      ? `${pairs[0]?.mine} = ANY(${arrays[0]})`
      : `(${pairs.map(({ mine }) => mine).join(', ')}) IN (SELECT * FROM unnest(${arrays.join(', ')}))`;
  }
}

const families: readonly (readonly string[])[] = [
  ['smallint', 'integer', 'bigint'],
  ['text', 'character varying', 'bpchar', 'name'],
];

/** Types that share an index are compared as the referred one (whose values may not fit the other); else as one's own. */
function comparedAs(mine = 'text', theirs = 'text'): string {
  return mine === theirs || families.some((family) => family.includes(mine) && family.includes(theirs))
    ? theirs
    : mine;
}

/** What a statement answers for `keysOf`, over rows that are called by their columns' names. */
export function answerSql(columns: readonly string[]): string {
  const arrays = columns.map((column) => `array_agg(${quoted(column)})::text AS ${quoted(`a_${column}`)}`);
  return ['count(*)::int AS n', ...arrays].join(', ');
}

export type AnswerRow = Readonly<Record<string, string | number | null>>;

export function keysOf(
  name: string,
  row: AnswerRow | undefined,
  types: Readonly<Record<string, string>>,
): Keys {
  const arrays: Record<string, string> = {};
  for (const [column, value] of Object.entries(row ?? {})) {
    if (column.startsWith('a_')) arrays[column.slice(2)] = typeof value === 'string' ? value : '{}';
  }
  return new Keys(name, Number(row?.['n'] ?? 0), arrays, types);
}

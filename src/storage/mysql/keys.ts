import type { Dependent, Mapping } from '../../core/mapping.js';
import type { Plan } from '../../core/run.js';
import { quoted } from './names.js';
import { asText, columnTypes, literal } from './range.js';

/** The message columns that are needed after the rows are gone: the key, and what dependents refer to. */
export function neededColumns(mapping: Mapping): readonly string[] {
  const referred = mapping.dependents.flatMap((dependent) => dependent.match.map((pair) => pair.message));
  return [...new Set([...mapping.key, ...referred])];
}

/** These columns as `c0`, `c1`, … `prefix`: the alias with its dot, or nothing. */
export function neededSql(mapping: Mapping, plan: Plan, prefix: 'm.' | ''): string {
  const types = columnTypes(plan);
  return neededColumns(mapping)
    .map((column, place) => {
      const name = `${prefix}${quoted(column)}`;
      const type = types[column] ?? 'varchar';
      // The driver gives whole numbers of any size exactly, and a CAST of each costs.
      return `${type.endsWith('int') ? name : asText(name, type)} AS c${place}`;
    })
    .join(', ');
}

export type KeyRow = Readonly<Record<string, string | number | null>>;

/** Keys of some messages, as the server wrote them; they go back to it and are compared nowhere else. */
export class Keys {
  readonly #mapping: Mapping;
  readonly #plan: Plan;
  readonly rows: readonly KeyRow[];

  constructor(mapping: Mapping, plan: Plan, rows: readonly KeyRow[]) {
    this.#mapping = mapping;
    this.#plan = plan;
    this.rows = rows;
  }

  get count(): number {
    return this.rows.length;
  }

  only(rows: readonly KeyRow[]): Keys {
    return new Keys(this.#mapping, this.#plan, rows);
  }

  /** A condition over alias `m` that holds for exactly these messages. */
  matchSql(): string {
    return this.#match(this.#mapping.key.map((column) => ({ mine: `m.${quoted(column)}`, message: column })));
  }

  /** A condition over alias `d` that holds for exactly the dependents of these messages. */
  dependentSql(dependent: Dependent): string {
    return this.#match(
      dependent.match.map((pair) => ({ mine: `d.${quoted(pair.column)}`, message: pair.message })),
    );
  }

  #match(pairs: readonly { readonly mine: string; readonly message: string }[]): string {
    const types = columnTypes(this.#plan);
    const needed = neededColumns(this.#mapping);
    const parts = pairs.map(({ mine, message }) => ({
      mine,
      place: `c${needed.indexOf(message)}`,
      type: types[message] ?? 'varchar',
    }));
    const valueOf = (row: KeyRow, { place, type }: (typeof parts)[number]): string | null => {
      const value = row[place];
      return value == null ? null : literal(String(value), type);
    };
    const [first] = parts;
    if (first !== undefined && parts.length === 1) {
      const values = this.rows.map((row) => valueOf(row, first)).filter((value) => value !== null);
      return values.length === 0 ? 'false' : `${first.mine} IN (${values.join(',')})`;
    }
    // Written out: the index is used for each, which not every server does for lists of rows.
    const each = this.rows.flatMap((row) => {
      const values = parts.map((part) => valueOf(row, part));
      // A NULL refers to nothing.
      if (values.includes(null)) return [];
      return [`(${parts.map(({ mine }, at) => `${mine} = ${values[at]}`).join(' AND ')})`];
    });
    return each.length === 0 ? 'false' : `(${each.join(' OR ')})`;
  }
}

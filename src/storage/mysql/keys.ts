import { asText, literal } from './range.js';
import { quoted } from './names.js';

/** Values of some columns of a row, `c0`, `c1`, …, as the server wrote them. */
export type KeyRow = Readonly<Record<string, string | number | null>>;

/** A column to be compared with one that was read, and the type as which the value is written. */
export type Pair = {
  /** As SQL, with its alias. */
  readonly mine: string;
  /** Name of the column that was read. */
  readonly theirs: string;
  readonly type: string;
  /** Text in another collation: equal means equal byte by byte. */
  readonly isExact?: boolean;
};

const mostInList = 4_000;

/** Columns read from rows that are locked or gone; they go back to the server and are compared nowhere else. */
export class Keys {
  readonly columns: readonly string[];
  readonly rows: readonly KeyRow[];

  constructor(columns: readonly string[], rows: readonly KeyRow[]) {
    this.columns = columns;
    this.rows = rows;
  }

  get count(): number {
    return this.rows.length;
  }

  only(rows: readonly KeyRow[]): Keys {
    return new Keys(this.columns, rows);
  }

  /** Few enough at a time for the server to find each by an index (beyond 16,000 values MariaDB reads the table). */
  slices(): readonly Keys[] {
    if (this.count <= mostInList) return this.count === 0 ? [] : [this];
    const slices: Keys[] = [];
    for (let at = 0; at < this.count; at += mostInList) {
      slices.push(this.only(this.rows.slice(at, at + mostInList)));
    }
    return slices;
  }

  /** A condition that holds for exactly the rows whose columns have these values. A NULL refers to nothing. */
  matchSql(pairs: readonly Pair[]): string {
    const parts = pairs.map((pair) => ({ ...pair, place: `c${this.columns.indexOf(pair.theirs)}` }));
    const valueOf = (row: KeyRow, { place, type }: (typeof parts)[number]): string | null => {
      const value = row[place];
      return value == null ? null : literal(String(value), type);
    };
    const [first] = parts;
    if (first !== undefined && parts.length === 1) {
      const values = this.rows.map((row) => valueOf(row, first)).filter((value) => value !== null);
      if (values.length === 0) return 'false';
      const list = values.join(',');
      const also = first.isExact === true ? ` AND ${bytewise(first.mine)} IN (${list})` : '';
      return `${first.mine} IN (${list})${also}`;
    }
    // Written out: the index is used for each, which not every server does for lists of rows.
    const each = this.rows.flatMap((row) => {
      const values = parts.map((part) => valueOf(row, part));
      if (values.includes(null)) return [];
      return [
        `(${parts
          .map(({ mine, isExact }, at) => {
            const also = isExact === true ? ` AND ${bytewise(mine)} = ${values[at]}` : '';
            return `${mine} = ${values[at]}${also}`;
          })
          .join(' AND ')})`,
      ];
    });
    return each.length === 0 ? 'false' : `(${each.join(' OR ')})`;
  }
}

/** Beside the plain comparison, which finds the rows by their index. Not `utf8mb4_bin`, to which spaces at the end are nothing. */
export function bytewise(column: string): string {
  return `CAST(CONVERT(${column} USING utf8mb4) AS BINARY)`;
}

/** These columns as `c0`, `c1`, … `prefix`: the alias with its dot, or nothing. */
export function columnsSql(
  columns: readonly string[],
  types: Readonly<Record<string, string>>,
  prefix: 'm.' | 'd.' | '',
): string {
  return columns
    .map((column, place) => {
      const name = `${prefix}${quoted(column)}`;
      const type = types[column] ?? 'varchar';
      // The driver gives whole numbers of any size exactly, and a CAST of each costs.
      return `${type.endsWith('int') ? name : asText(name, type)} AS c${place}`;
    })
    .join(', ');
}

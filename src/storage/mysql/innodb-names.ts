import type { Capabilities } from './capabilities.js';
import type { RealTable } from './catalogue.js';
import { textSql } from './names.js';

/*
 * InnoDB's own catalogue of foreign keys names a table `database/table`. On MariaDB each part is written as its file is:
 * what is no letter, digit or underscore as `@` and four hex digits. On MySQL 8 and newer it is written as people
 * write it. (By MariaDB's spelling nothing is found there, so a foreign key of `my-db` would not be seen.)
 */

type Can = Pick<Capabilities, 'engine'>;

/** A table in MariaDB's spelling, which is ours. Letters beyond ASCII have further spellings: see `hasStrangeName`. */
export function innodbKey(table: RealTable | undefined): string {
  const part = (name: string): string =>
    name.replaceAll(/[^A-Za-z0-9_]/g, (letter) => `@${letter.charCodeAt(0).toString(16).padStart(4, '0')}`);
  return table === undefined ? '' : `${part(table.database)}/${part(table.name)}`;
}

/** The tables as this server's catalogue names them, for an IN. */
export function catalogued({ engine }: Can, tables: readonly RealTable[]): string {
  const name = (table: RealTable): string =>
    engine === 'mariadb' ? innodbKey(table) : `${table.database}/${table.name}`;
  return tables.map((table) => textSql(name(table))).join(', ');
}

/** A name of this server's catalogue, as people write it. */
export function tableOfName({ engine }: Can, name: string): RealTable {
  const slash = name.indexOf('/');
  const [database, table] = [name.slice(0, slash), name.slice(slash + 1)];
  return engine === 'mariadb'
    ? { database: decoded(database), name: decoded(table) }
    : { database, name: table };
}

/** A name of this server's catalogue in our spelling. */
export function innodbKeyOf(can: Can, name: string): string {
  return can.engine === 'mariadb' ? name : innodbKey(tableOfName(can, name));
}

export function decoded(name: string): string {
  return name.replaceAll(/@([0-9a-f]{4})/g, (_all, hex: string) =>
    String.fromCharCode(Number.parseInt(hex, 16)),
  );
}

/**
 * InnoDB writes letters beyond ASCII in several ways, so a key of such a table is not found by its name; and MySQL does
 * not tell a slash in a name from the one between database and table.
 */
export function hasStrangeName({ database, name }: RealTable): boolean {
  return /[^ -.0-~]/.test(database + name);
}

/** MySQL 8 dropped the middle of the names. */
export function foreignKeyTables({ engine }: Can): { readonly keys: string; readonly columns: string } {
  const middle = engine === 'mariadb' ? 'SYS_' : '';
  return {
    keys: `information_schema.INNODB_${middle}FOREIGN`,
    columns: `information_schema.INNODB_${middle}FOREIGN_COLS`,
  };
}

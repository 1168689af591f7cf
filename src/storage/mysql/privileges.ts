import type { RealTable } from './catalogue.js';
import { textSql } from './names.js';
import type { Session } from './session.js';

/** What the current user and the role in use were granted, as the catalogue lists it. */
export class Privileges {
  readonly #global: ReadonlySet<string>;
  readonly #databases: readonly { readonly privilege: string; readonly pattern: string }[];
  readonly #tables: ReadonlySet<string>;
  /** As a GRANT statement names the user. */
  readonly grantee: string;

  private constructor(
    grantee: string,
    global: ReadonlySet<string>,
    databases: readonly { readonly privilege: string; readonly pattern: string }[],
    tables: ReadonlySet<string>,
  ) {
    this.grantee = grantee;
    this.#global = global;
    this.#databases = databases;
    this.#tables = tables;
  }

  static async read(session: Session): Promise<Privileges> {
    const who = await session.rows<{ me: string; role: string | null }>(
      session.can.engine === 'mariadb'
        ? 'SELECT CURRENT_USER() AS me, CURRENT_ROLE() AS role'
        : 'SELECT CURRENT_USER() AS me, NULL AS role',
    );
    const grantee = quotedUser(who[0]?.me ?? '');
    const role = who[0]?.role ?? null;
    const names = [grantee, ...(role === null ? [] : [`'${role}'`, `'${role}'@''`])].map(textSql).join(', ');
    const global = await session.rows<{ privilege: string }>(
      `SELECT PRIVILEGE_TYPE AS privilege FROM information_schema.USER_PRIVILEGES WHERE GRANTEE IN (${names})`,
    );
    const databases = await session.rows<{ privilege: string; pattern: string }>(
      `SELECT PRIVILEGE_TYPE AS privilege, TABLE_SCHEMA AS pattern FROM information_schema.SCHEMA_PRIVILEGES WHERE GRANTEE IN (${names})`,
    );
    const tables = await session.rows<{ one: string }>(
      `SELECT CONCAT_WS('/', PRIVILEGE_TYPE, TABLE_SCHEMA, TABLE_NAME) AS one FROM information_schema.TABLE_PRIVILEGES WHERE GRANTEE IN (${names})`,
    );
    return new Privileges(
      grantee,
      new Set(global.map(({ privilege }) => privilege)),
      databases,
      new Set(tables.map(({ one }) => one)),
    );
  }

  hasGlobal(privilege: string): boolean {
    return this.#global.has(privilege);
  }

  onDatabase(privilege: string, database: string): boolean {
    return (
      this.hasGlobal(privilege) ||
      this.#databases.some((one) => one.privilege === privilege && matches(database, one.pattern))
    );
  }

  onTable(privilege: string, { database, name }: RealTable): boolean {
    return this.onDatabase(privilege, database) || this.#tables.has([privilege, database, name].join('/'));
  }
}

/** `root@localhost` → `'root'@'localhost'`; a user's name may hold an @, a host's may not. */
function quotedUser(user: string): string {
  const at = user.lastIndexOf('@');
  return `'${user.slice(0, at)}'@'${user.slice(at + 1)}'`;
}

/** Names in database grants are LIKE patterns: `chat\_%`. */
function matches(database: string, pattern: string): boolean {
  const expression = pattern.replaceAll(/\\(.)|([%_])|([^\\%_]+)/g, (_all, escaped, wild, plain) => {
    if (wild !== undefined) return wild === '%' ? '.*' : '.';
    return String(escaped ?? plain).replaceAll(/[.*+?^${}()|[\]\\]/g, '\\$&');
  });
  return new RegExp(`^${expression}$`, 'i').test(database);
}

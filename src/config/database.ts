import { resolve } from 'node:path';

/** Where the store is. `where` is for people: no password in it. */
export type Database =
  | { readonly engine: 'postgresql'; readonly url: string; readonly where: string }
  | { readonly engine: 'mysql'; readonly url: string; readonly where: string }
  | { readonly engine: 'pglite'; readonly folder: string; readonly where: string };

type Parts = {
  readonly url: string | null;
  readonly engine: string | null;
  readonly hostname: string;
  /** Null: the engine's usual one. */
  readonly port: string | null;
  readonly username: string | null;
  readonly password: string;
  /** Files of the CA, of our certificate and of its key. */
  readonly tls: {
    readonly ca: string | null;
    readonly certificate: string | null;
    readonly key: string | null;
  };
  readonly namePrefix: string;
  readonly data: string;
};

/** The database that the options name, or the words of what is wrong with them. */
export function chooseDatabase(parts: Parts): Database | { readonly problem: string } {
  if (parts.url !== null && parts.url !== '') return fromUrl(parts.url, parts.tls);
  if (parts.engine === null) return embedded(parts.data);
  const isMysql = parts.engine === 'MYSQL';
  const scheme = isMysql ? 'mysql' : 'postgres';
  const user = encodeURIComponent(parts.username ?? (isMysql ? 'root' : 'postgres'));
  const password = parts.password === '' ? '' : `:${encodeURIComponent(parts.password)}`;
  const place = `${parts.hostname}:${parts.port ?? (isMysql ? '3306' : '5432')}`;
  const name = encodeURIComponent(`${parts.namePrefix}message_gc`);
  return fromUrl(`${scheme}://${user}${password}@${place}/${name}`, parts.tls);
}

function fromUrl(text: string, tls: Parts['tls']): Database | { readonly problem: string } {
  if (text.startsWith('pglite:')) {
    const folder = text.slice('pglite:'.length);
    return folder === ''
      ? {
          problem:
            'DATABASE_URL=pglite: names no folder. Expected pglite:DIR, for example pglite:./message-gc-data',
        }
      : embedded(folder);
  }
  // Not by `new URL`: an address of a cluster names several hosts, which it refuses.
  const parts = addressForm.exec(text);
  if (parts === null) {
    return {
      problem:
        'DATABASE_URL is no URL (it is not printed here: it may hold a password). Expected postgres://user:password@host:port/database, mysql://user:password@host:port/database or pglite:DIR; a password with special characters must be percent-encoded',
    };
  }
  const [, scheme = '', login, rest = '', search = ''] = parts;
  const user = login?.split(':')[0];
  const where = `${scheme}://${user === undefined ? '' : `${user}@`}${rest}`;
  switch (scheme) {
    case 'postgres':
    case 'postgresql':
      if (!URL.canParse(text)) return { problem: 'DATABASE_URL is no URL that a PostgreSQL client can use' };
      return { engine: 'postgresql', url: withTls(text, search, tls, postgresNames), where };
    case 'mysql':
    case 'mariadb':
      return { engine: 'mysql', url: withTls(text, search, tls, mysqlNames), where };
    default:
      return {
        problem: `DATABASE_URL begins with ${scheme}://, expected postgres://, mysql:// or pglite:DIR`,
      };
  }
}

/** Scheme, login, hosts and path, parameters. */
const addressForm = /^([a-z]+):\/\/(?:([^@/?#]*)@)?([^?#\s]*)(\?[^#\s]*)?$/;

const postgresNames = { ca: 'sslrootcert', certificate: 'sslcert', key: 'sslkey', mode: 'sslmode' };
const mysqlNames = { ca: 'ssl-ca', certificate: 'ssl-cert', key: 'ssl-key', mode: 'ssl-mode' };

/**
 * The TLS files become parameters of the address; what the address says itself wins. A CA without a mode asks for a
 * server whose certificate comes from it, as the clients of both families take it.
 */
function withTls(text: string, search: string, tls: Parts['tls'], names: typeof postgresNames): string {
  const parameters = new URLSearchParams(search);
  for (const part of ['ca', 'certificate', 'key'] as const) {
    const file = tls[part];
    if (file !== null && file !== '' && !parameters.has(names[part])) parameters.set(names[part], file);
  }
  if (tls.ca !== null && tls.ca !== '' && !parameters.has(names.mode))
    parameters.set(names.mode, 'verify-ca');
  const written = parameters.toString();
  return `${text.slice(0, text.length - search.length)}${written === '' ? '' : `?${written}`}`;
}

function embedded(folder: string): Database {
  const absolute = resolve(folder);
  return { engine: 'pglite', folder: absolute, where: `pglite:${absolute}` };
}

import { existsSync } from 'node:fs';
import { isIP } from 'node:net';
import { resolve } from 'node:path';

/** Where the store is. `where` is for people: no password in it. */
export type Database =
  | { readonly engine: 'postgresql'; readonly url: string; readonly where: string }
  | { readonly engine: 'mysql'; readonly url: string; readonly where: string }
  | { readonly engine: 'pglite'; readonly folder: string; readonly where: string };

type Parts = {
  readonly url: string | null;
  /** Where the URL is from, for words: DATABASE_URL, or a line of the mapping file. */
  readonly urlName: string;
  readonly engine: string | null;
  readonly hostname: string;
  /** Null: the engine's usual one. */
  readonly port: string | null;
  readonly username: string | null;
  readonly password: string;
  readonly namePrefix: string;
  /** Files; null: not given. */
  readonly ssl: { readonly ca: string | null; readonly cert: string | null; readonly key: string | null };
  readonly data: string;
};

/** The database that the options name, or the words of what is wrong with them. */
export function chooseDatabase(parts: Parts): Database | { readonly problem: string } {
  if (parts.url !== null && parts.url !== '') return fromUrl(parts.url, parts.urlName);
  if (parts.engine === null) return embedded(parts.data);
  const isMysql = parts.engine === 'MYSQL';
  const url = new URL(isMysql ? 'mysql://localhost' : 'postgres://localhost');
  const host = isIP(parts.hostname) === 6 ? `[${parts.hostname}]` : parts.hostname;
  url.hostname = host;
  // What cannot be a host is ignored by that assignment, and "localhost" would stay.
  if (url.hostname.toLowerCase() !== host.toLowerCase() && isIP(parts.hostname) !== 6) {
    return {
      problem: `WA_DB_HOSTNAME is "${parts.hostname}", expected the name or address of a host; a port goes into WA_DB_PORT`,
    };
  }
  url.port = parts.port ?? (isMysql ? '3306' : '5432');
  url.username = encodeURIComponent(parts.username ?? (isMysql ? 'root' : 'postgres'));
  url.password = encodeURIComponent(parts.password);
  url.pathname = `/${encodeURIComponent(`${parts.namePrefix}message_gc`)}`;
  const problem = addSsl(url, parts.ssl, isMysql ? mysqlNames : postgresNames);
  if (problem !== null) return { problem };
  return { engine: isMysql ? 'mysql' : 'postgresql', url: url.href, where: withoutPassword(url) };
}

function fromUrl(text: string, name: string): Database | { readonly problem: string } {
  if (text.startsWith('pglite:')) {
    const folder = text.slice('pglite:'.length);
    return folder === ''
      ? {
          problem: `${name} is "pglite:", which names no folder. Expected pglite:DIR, for example pglite:./message-gc-data`,
        }
      : embedded(folder);
  }
  const noUrl = {
    problem: `${name} is no URL (it is not printed here: it may hold a password). Expected postgres://user:password@host:port/database, mysql://user:password@host:port/database or pglite:DIR; a password with special characters must be percent-encoded`,
  };
  const mysql = /^(?:mysql|mariadb):\/\/(?:([^@/?#:]*)[^@/?#]*@)?([^?#\s]*)(?:\?\S*)?$/.exec(text);
  if (mysql !== null) {
    // Not by `new URL`: the address of a cluster names several hosts, which it refuses.
    const [, user, place = ''] = mysql;
    // An @ behind the place, or no login before one: what was taken for the place is part of a password.
    if (place.includes('@') || (user === undefined && text.includes('@'))) return noUrl;
    return { engine: 'mysql', url: text, where: `mysql://${user === undefined ? '' : `${user}@`}${place}` };
  }
  // A user and no host, which is given as a parameter, is no URL; PostgreSQL's own clients take it.
  const whole = text.replace(/^(postgres(?:ql)?:\/\/[^/?#]*@)(?=[/?]|$)/, '$1localhost');
  let url: URL;
  try {
    url = new URL(whole);
  } catch {
    return noUrl;
  }
  if (url.protocol === 'postgres:' || url.protocol === 'postgresql:') {
    return { engine: 'postgresql', url: whole, where: withoutPassword(url) };
  }
  return {
    problem: `${name} begins with ${url.protocol}//, expected postgres://, mysql:// or pglite:DIR`,
  };
}

type TlsNames = {
  readonly mode: [string, string];
  readonly ca: string;
  readonly cert: string;
  readonly key: string;
};
const postgresNames: TlsNames = {
  mode: ['sslmode', 'verify-full'],
  ca: 'sslrootcert',
  cert: 'sslcert',
  key: 'sslkey',
};
const mysqlNames: TlsNames = {
  mode: ['ssl-mode', 'verify-identity'],
  ca: 'ssl-ca',
  cert: 'ssl-cert',
  key: 'ssl-key',
};

/** The driver reads the files; that they are there is asked here, where the words can name the variable. */
function addSsl(url: URL, { ca, cert, key }: Parts['ssl'], names: TlsNames): string | null {
  const files = { WA_DB_SSL_CA: ca, WA_DB_SSL_CERT: cert, WA_DB_SSL_KEY: key };
  for (const [name, file] of Object.entries(files)) {
    if (file !== null && !existsSync(file)) return `${name} is "${file}", expected a file; there is none`;
  }
  if (ca === null && (cert !== null || key !== null))
    return 'WA_DB_SSL_CERT or WA_DB_SSL_KEY is set without WA_DB_SSL_CA, which says whom to trust';
  if ((cert === null) !== (key === null))
    return 'WA_DB_SSL_CERT and WA_DB_SSL_KEY are a pair; one is missing';
  if (ca === null) return null;
  url.searchParams.set(...names.mode);
  url.searchParams.set(names.ca, resolve(ca));
  if (cert !== null) url.searchParams.set(names.cert, resolve(cert));
  if (key !== null) url.searchParams.set(names.key, resolve(key));
  return null;
}

function embedded(folder: string): Database {
  const absolute = resolve(folder);
  return { engine: 'pglite', folder: absolute, where: `pglite:${absolute}` };
}

/** A socket's folder is a parameter. */
function withoutPassword({ protocol, username, host, pathname, searchParams }: URL): string {
  const user = username === '' ? '' : `${username}@`;
  return `${protocol}//${user}${searchParams.get('host') ?? host}${pathname}`;
}

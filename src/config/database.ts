import { resolve } from 'node:path';

/** Where the store is. `where` is for people: no password in it. */
export type Database =
  | { readonly engine: 'postgresql'; readonly url: string; readonly where: string }
  | { readonly engine: 'pglite'; readonly folder: string; readonly where: string };

type Parts = {
  readonly url: string | null;
  readonly engine: string | null;
  readonly hostname: string;
  readonly port: string;
  readonly username: string;
  readonly password: string;
  readonly namePrefix: string;
  readonly data: string;
};

/** The database that the options name, or the words of what is wrong with them. */
export function chooseDatabase(parts: Parts): Database | { readonly problem: string } {
  if (parts.url !== null && parts.url !== '') return fromUrl(parts.url);
  if (parts.engine === null) return embedded(parts.data);
  const url = new URL('postgres://localhost');
  url.hostname = parts.hostname;
  url.port = parts.port;
  url.username = encodeURIComponent(parts.username);
  url.password = encodeURIComponent(parts.password);
  url.pathname = `/${encodeURIComponent(`${parts.namePrefix}message_gc`)}`;
  return { engine: 'postgresql', url: url.href, where: withoutPassword(url) };
}

function fromUrl(text: string): Database | { readonly problem: string } {
  if (text.startsWith('pglite:')) {
    const folder = text.slice('pglite:'.length);
    return folder === ''
      ? {
          problem:
            'DATABASE_URL=pglite: names no folder. Expected pglite:DIR, for example pglite:./message-gc-data',
        }
      : embedded(folder);
  }
  let url: URL;
  try {
    url = new URL(text);
  } catch {
    return {
      problem:
        'DATABASE_URL is no URL (it is not printed here: it may hold a password). Expected postgres://user:password@host:port/database or pglite:DIR; a password with special characters must be percent-encoded',
    };
  }
  if (url.protocol === 'postgres:' || url.protocol === 'postgresql:') {
    return { engine: 'postgresql', url: text, where: withoutPassword(url) };
  }
  if (url.protocol === 'mysql:' || url.protocol === 'mariadb:') {
    return {
      problem: 'DATABASE_URL names a MySQL or MariaDB server, which this version does not collect yet',
    };
  }
  return { problem: `DATABASE_URL begins with ${url.protocol}//, expected postgres:// or pglite:DIR` };
}

function embedded(folder: string): Database {
  const absolute = resolve(folder);
  return { engine: 'pglite', folder: absolute, where: `pglite:${absolute}` };
}

function withoutPassword(url: URL): string {
  const shown = new URL(url.href);
  shown.password = '';
  shown.search = '';
  return shown.href;
}

import { readFileSync } from 'node:fs';
import type { ConnectionOptions } from 'mysql2';
import { Refusal, wordsOf } from '../../core/errors.js';

/** One server of a database, or several of one cluster, of which one is used at a time. */
export type MysqlAddress = {
  /** `mysql://user:password@host:port[,host:port…]/database?ssl-mode=…&ssl-ca=…&ssl-cert=…&ssl-key=…&socket=…` */
  readonly url: string;
};

/** What a connection to each of the hosts needs, in the order of the address. */
export type Servers = {
  readonly hosts: readonly { readonly host: string; readonly port: number }[];
  readonly database: string;
  readonly options: ConnectionOptions;
  /** `preferred`: a server that speaks no TLS is spoken to in plain text. */
  readonly mayBePlain: boolean;
};

const modes = ['disabled', 'preferred', 'required', 'verify-ca', 'verify-identity'] as const;
type Mode = (typeof modes)[number];

/** Throws a Refusal (exit 2) for an address that no waiting mends, in words that begin with the option's `name`. */
export function parseAddress({ url }: MysqlAddress, name = 'DATABASE_URL'): Servers {
  try {
    return parse(url);
  } catch (error) {
    if (!(error instanceof Refusal)) throw error;
    throw new Refusal(
      error.reason,
      `${name} cannot be used (it is not printed here: it may hold a password). ${error.message}`,
    );
  }
}

function parse(url: string): Servers {
  const parts = /^(mysql|mariadb):\/\/(?:([^@/]*)@)?([^/?#]*)(\/[^?#]*)?(\?[^#]*)?$/.exec(url);
  if (parts === null) throw refused('It is no address of the form mysql://user:password@host:port/database');
  const [, , login = '', places = '', path = '', search = ''] = parts;
  const [user = '', ...password] = login.split(':');
  const parameters = new URLSearchParams(search);
  const socket = parameters.get('socket');
  const database = decoded(path.replace(/^\//, ''));
  if (database === '') throw refused('It names no database');
  return {
    hosts: places.split(',').map(hostOf),
    database,
    mayBePlain: modeOf(parameters) === 'preferred',
    options: {
      user: decoded(user),
      password: decoded(password.join(':')),
      ...(socket === null ? {} : { socketPath: socket }),
      ...tlsOf(parameters),
    },
  };
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    throw refused(
      'It has a % that encodes nothing; a password with special characters must be percent-encoded',
    );
  }
}

function hostOf(place: string): { readonly host: string; readonly port: number } {
  const parts = /^(\[[0-9a-fA-F:.]+\]|[^:@]*)(?::(\d{1,5}))?$/.exec(place);
  if (parts === null) {
    // Not printed: it may be the beginning or the end of a password that was not percent-encoded.
    throw refused(
      place.includes('@')
        ? 'It has more than one @; a password with special characters must be percent-encoded'
        : 'What stands in it for the host is no host:port; a password with special characters must be percent-encoded',
    );
  }
  const host = (parts[1] ?? '').replace(/^\[|\]$/g, '');
  return { host: host === '' ? '127.0.0.1' : host, port: Number(parts[2] ?? '3306') };
}

/**
 * As the servers' own clients mean it: with a CA the server's certificate must come from it (`verify-ca`), and
 * `verify-identity` asks for the host's name in it too. `required` encrypts and verifies nothing, and so does
 * `preferred` where the server can.
 */
function tlsOf(parameters: URLSearchParams): ConnectionOptions {
  const file = (name: string): string | undefined => {
    const path = parameters.get(name);
    if (path === null || path === '') return undefined;
    try {
      return readFileSync(path, 'utf8');
    } catch (error) {
      throw refused(`The file of ${name} cannot be read: ${wordsOf(error)}`);
    }
  };
  const ca = file('ssl-ca');
  const cert = file('ssl-cert');
  const key = file('ssl-key');
  const hasFiles = ca !== undefined || cert !== undefined || key !== undefined;
  const mode = modeOf(parameters) ?? (ca !== undefined ? 'verify-ca' : hasFiles ? 'required' : 'disabled');
  if (!modes.includes(mode as Mode)) throw refused(`ssl-mode is "${mode}", expected ${modes.join(', ')}`);
  if ((cert === undefined) !== (key === undefined)) throw refused('ssl-cert and ssl-key go together');
  if (mode === 'disabled') return {};
  const verifies = mode === 'verify-ca' || mode === 'verify-identity';
  // Without the host's name, a certificate from anybody whom this machine trusts proves nothing.
  if (mode === 'verify-ca' && ca === undefined)
    throw refused(`ssl-mode is "verify-ca" without ssl-ca, which says whom to trust`);
  return {
    ssl: {
      ...(ca === undefined ? {} : { ca }),
      ...(cert === undefined || key === undefined ? {} : { cert, key }),
      minVersion: 'TLSv1.2',
      rejectUnauthorized: verifies,
      verifyIdentity: mode === 'verify-identity',
    },
  };
}

function modeOf(parameters: URLSearchParams): string | undefined {
  const given = parameters.get('ssl-mode') ?? parameters.get('sslmode');
  return given?.toLowerCase().replace('_', '-');
}

/** For people: where, without who and how. */
export function placesOf({ hosts, options }: Servers): string {
  return options.socketPath ?? hosts.map(({ host, port }) => `${host}:${port}`).join(',');
}

export function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '::1' || /^127(\.\d{1,3}){3}$/.test(host);
}

function refused(words: string): Refusal {
  return new Refusal('configuration', words);
}

import { readFileSync } from 'node:fs';
import type { ConnectionOptions } from 'node:tls';
import { Refusal, wordsOf } from '../../core/errors.js';

/** Encrypted as it says, or `false`: in plain text. */
export type Encryption = false | ConnectionOptions;

export type PostgresAddress = {
  /** For the driver, without the parameters that are about TLS. */
  readonly connectionString: string;
  /** In the order in which they are tried; `prefer` and `allow` have two. */
  readonly ways: readonly [Encryption, ...Encryption[]];
};

/**
 * Of libpq's documentation: https://www.postgresql.org/docs/current/libpq-ssl.html. The driver means something else by
 * the same words (`require` verifies, and no `sslmode` is no TLS), so it never sees them.
 */
const modes = ['disable', 'allow', 'prefer', 'require', 'verify-ca', 'verify-full'] as const;
type Mode = (typeof modes)[number];

const tlsParameters = ['sslmode', 'sslrootcert', 'sslcert', 'sslkey'] as const;
/** They would be ignored in silence, and whoever gave them would believe in them. */
const unknownParameters = ['ssl', 'sslpassword', 'sslcrl', 'sslcrldir', 'sslnegotiation', 'uselibpqcompat'];

/** Throws a Refusal (exit 2) for an address that no waiting mends; no password is in its words. */
export function parseAddress(url: string): PostgresAddress {
  const whole = urlOf(url);
  const host = whole.searchParams.get('host') ?? decodeURIComponent(whole.hostname);
  if (host.includes(','))
    throw refused(`It names several hosts ("${host}"), expected one: the server that takes writes`);
  for (const name of unknownParameters) {
    if (whole.searchParams.has(name))
      throw refused(`${name} is not known here, expected ${tlsParameters.join(', ')}`);
  }
  const ways = waysOf(whole.searchParams);
  for (const name of tlsParameters) whole.searchParams.delete(name);
  // A socket is on this machine: libpq speaks no TLS over it, whatever the mode.
  return { connectionString: whole.href, ways: host.startsWith('/') ? [false] : ways };
}

function urlOf(url: string): URL {
  try {
    return new URL(url);
  } catch {
    throw refused('It is no URL; a password with special characters must be percent-encoded');
  }
}

function waysOf(parameters: URLSearchParams): [Encryption, ...Encryption[]] {
  const root = given(parameters, 'sslrootcert');
  // Whose certificates the system trusts prove nothing without the host's name: libpq allows nothing weaker either.
  const usual = root === 'system' ? 'verify-full' : 'prefer';
  const mode = given(parameters, 'sslmode') ?? usual;
  if (!modes.includes(mode as Mode))
    throw refused(`sslmode is "${mode}", expected one of ${modes.join(', ')}`);
  if (root === 'system' && mode !== 'verify-full')
    throw refused(`sslmode is "${mode}", expected verify-full with sslrootcert=system`);
  const ca = root === null || root === 'system' ? undefined : file('sslrootcert', root);
  const cert = file('sslcert', given(parameters, 'sslcert'));
  const key = file('sslkey', given(parameters, 'sslkey'));
  if ((cert === undefined) !== (key === undefined)) throw refused('sslcert and sslkey go together');
  const files = {
    ...(ca === undefined ? {} : { ca }),
    ...(cert === undefined || key === undefined ? {} : { cert, key }),
    minVersion: 'TLSv1.2',
  } as const;
  const encrypted: Encryption = { ...files, rejectUnauthorized: false };
  const fromCa: Encryption = { ...files, checkServerIdentity: () => undefined };
  switch (mode as Mode) {
    case 'disable':
      return [false];
    case 'allow':
      return [false, encrypted];
    case 'prefer':
      return [encrypted, false];
    case 'require':
      return [ca === undefined ? encrypted : fromCa];
    case 'verify-ca':
      if (ca === undefined)
        throw refused('sslmode is "verify-ca" without sslrootcert, which says whom to trust');
      return [fromCa];
    case 'verify-full':
      return [files];
  }
}

function given(parameters: URLSearchParams, name: string): string | null {
  const value = parameters.get(name);
  return value === '' ? null : value;
}

function file(name: string, path: string | null): string | undefined {
  if (path === null) return undefined;
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    throw refused(`The file of ${name} cannot be read: ${wordsOf(error)}`);
  }
}

function refused(words: string): Refusal {
  return new Refusal(
    'configuration',
    `DATABASE_URL cannot be used (it is not printed here: it may hold a password). ${words}`,
  );
}

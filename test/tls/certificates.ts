/**
 * Certificates of a test's own, made by openssl: an authority, a server's for the name `localhost` and the address
 * 127.0.0.1, one for another name, and a client's; and an authority that signed none of them.
 */
import { execFileSync, spawnSync } from 'node:child_process';
import { chmodSync, chownSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { userInfo } from 'node:os';
import { join } from 'node:path';

export type Pair = { readonly cert: string; readonly key: string };

export type Certificates = {
  readonly ca: string;
  readonly strangeCa: string;
  readonly server: Pair;
  /** For `db.example.test` only. */
  readonly elsewhere: Pair;
  /** For `localhost` only, and for 127.0.0.1 only. */
  readonly byName: Pair;
  readonly byAddress: Pair;
  /** Its common name is the user's. */
  readonly client: Pair;
  remove(): void;
};

/**
 * Null when a server of the test's own and openssl are here, else what is missing, said loudly; with CI=true that is a
 * failure.
 */
export function whyNoTls(engine: string, whyNoServer: string | null): string | null {
  const hasOpenssl = spawnSync('openssl', ['version']).status === 0;
  const missing = whyNoServer ?? (hasOpenssl ? null : 'there is no openssl (apt-get install openssl)');
  if (missing === null) return null;
  console.error(`NOT TESTED: TLS to ${engine}: ${missing}`);
  if (process.env['CI'] === 'true') throw new Error(`CI is set, and there no TLS is a failure: ${missing}`);
  return missing;
}

/** @param owner as whom the server runs, which alone may read its keys */
export function makeCertificates(owner: string, user: string): Certificates {
  const folder = mkdtempSync('/tmp/mgc-tls-');
  chmodSync(folder, 0o755);
  const ca = authority(folder, 'ca');
  const strange = authority(folder, 'strange');
  const server = signed(folder, 'server', 'localhost', ca, 'subjectAltName=DNS:localhost,IP:127.0.0.1');
  const elsewhere = signed(folder, 'elsewhere', 'db.example.test', ca, 'subjectAltName=DNS:db.example.test');
  const byName = signed(folder, 'by-name', 'x', ca, 'subjectAltName=DNS:localhost');
  const byAddress = signed(folder, 'by-address', 'x', ca, 'subjectAltName=IP:127.0.0.1');
  for (const { key } of [server, elsewhere, byName, byAddress]) giveTo(owner, key);
  return {
    ca: ca.cert,
    strangeCa: strange.cert,
    server,
    elsewhere,
    byName,
    byAddress,
    client: signed(folder, 'client', user, ca, 'extendedKeyUsage=clientAuth'),
    remove: () => rmSync(folder, { recursive: true, force: true }),
  };
}

function authority(folder: string, name: string): Pair {
  const pair = pairOf(folder, name);
  openssl(
    `req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=${name} -keyout ${pair.key} -out ${pair.cert}`,
  );
  return pair;
}

function signed(folder: string, name: string, subject: string, by: Pair, extension: string): Pair {
  const pair = pairOf(folder, name);
  const request = join(folder, `${name}.csr`);
  const extensions = join(folder, `${name}.ext`);
  writeFileSync(extensions, extension);
  openssl(`req -newkey rsa:2048 -nodes -subj /CN=${subject} -keyout ${pair.key} -out ${request}`);
  openssl(
    `x509 -req -days 2 -in ${request} -CA ${by.cert} -CAkey ${by.key} -CAcreateserial -extfile ${extensions} -out ${pair.cert}`,
  );
  return pair;
}

function pairOf(folder: string, name: string): Pair {
  return { cert: join(folder, `${name}.pem`), key: join(folder, `${name}.key`) };
}

/** Nothing in it has a space of its own. */
function openssl(words: string): void {
  execFileSync('openssl', words.split(' '), { stdio: ['ignore', 'ignore', 'pipe'] });
}

/** Servers refuse a key that others may read. As root they run as another user. */
function giveTo(owner: string, path: string): void {
  chmodSync(path, 0o600);
  if (userInfo().uid !== 0) return;
  const id = (flag: string): number => Number(execFileSync('id', [flag, owner], { encoding: 'utf8' }));
  chownSync(path, id('-u'), id('-g'));
}

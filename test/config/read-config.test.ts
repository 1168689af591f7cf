import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { durationSeconds } from '../../src/config/duration.js';
import type { Environment } from '../../src/config/environment.js';
import { readConfig } from '../../src/config/read-config.js';
import { Refusal } from '../../src/core/errors.js';
import { paceOf, paces, paceUnder } from '../../src/core/pace.js';

let folder = '';
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'message-gc-config-'));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

function file(name: string): string {
  const path = join(folder, name);
  writeFileSync(path, '');
  return path;
}

/** The words with which `serve` without a role refuses; fails when there are none. */
function wordsFor(env: Environment): string {
  try {
    readConfig(env, { role: null });
  } catch (error) {
    if (error instanceof Refusal && error.reason === 'configuration') return error.message;
    throw error;
  }
  throw new Error('nothing was refused');
}

describe('the configuration', () => {
  test('of nothing is the embedded database on loopback, gentle, without retention', () => {
    expect(readConfig({})).toMatchObject({
      database: { engine: 'pglite' },
      listen: { host: '127.0.0.1', port: 9090 },
      control: { host: '127.0.0.1', port: 6252 },
      coreHost: 'wacore',
      profile: 'gentle',
      workers: null,
      retentionSeconds: 0,
      allowUsers: false,
      requireHttps: false,
    });
    expect(readConfig({ DATABASE_URL: '' }).database.engine).toBe('pglite');
  });

  test("of the original's variables names the database by its prefix, with special characters kept", () => {
    const { database } = readConfig({
      WA_DB_ENGINE: 'PGSQL',
      WA_DB_HOSTNAME: 'db.example',
      WA_DB_PORT: '5433',
      WA_DB_USERNAME: 'wa user',
      WA_DB_PASSWORD: 'p@ss/word',
      WA_DB_NAME_PREFIX: 'shop_',
    });
    expect(database).toEqual({
      engine: 'postgresql',
      url: 'postgres://wa%20user:p%40ss%2Fword@db.example:5433/shop_message_gc',
      where: 'postgres://wa%20user@db.example:5433/shop_message_gc',
    });
  });

  test.each(['PGSQL', 'MYSQL'])("takes an IPv6 address as the original's host name (%s)", (engine) => {
    const { database } = readConfig({
      WA_DB_ENGINE: engine,
      WA_DB_HOSTNAME: '2001:DB8::5',
      WA_DB_PORT: '5433',
    });
    expect(database.where).toMatch(/@\[2001:db8::5\]:5433\/message_gc$/);
  });

  test('names MySQL and MariaDB by the same variables, and by an address of one host or of a cluster', () => {
    expect(readConfig({ WA_DB_ENGINE: 'MYSQL', WA_DB_PASSWORD: 'p@ss/word' }).database).toEqual({
      engine: 'mysql',
      url: 'mysql://root:p%40ss%2Fword@127.0.0.1:3306/message_gc',
      where: 'mysql://root@127.0.0.1:3306/message_gc',
    });
    const files = {
      WA_DB_SSL_CA: file('ca.pem'),
      WA_DB_SSL_CERT: file('c.pem'),
      WA_DB_SSL_KEY: file('k.pem'),
    };
    const { database } = readConfig({ WA_DB_ENGINE: 'MYSQL', ...files });
    const { searchParams } = new URL(database.engine === 'mysql' ? database.url : '');
    expect(Object.fromEntries(searchParams)).toEqual({
      'ssl-mode': 'verify-identity',
      'ssl-ca': files.WA_DB_SSL_CA,
      'ssl-cert': files.WA_DB_SSL_CERT,
      'ssl-key': files.WA_DB_SSL_KEY,
    });
    const cluster = 'mysql://gc:s3cret@db1:3307,db2,db3/chat?ssl-mode=required';
    expect(readConfig({ DATABASE_URL: cluster }).database).toEqual({
      engine: 'mysql',
      url: cluster,
      where: 'mysql://gc@db1:3307,db2,db3/chat',
    });
  });

  test('with a certificate authority verifies the server, and hands on the files of the client', () => {
    const files = {
      WA_DB_SSL_CA: file('ca.pem'),
      WA_DB_SSL_CERT: file('c.pem'),
      WA_DB_SSL_KEY: file('k.pem'),
    };
    const { database } = readConfig({ WA_DB_ENGINE: 'PGSQL', ...files });
    const url = new URL(database.engine === 'postgresql' ? database.url : '');
    expect(Object.fromEntries(url.searchParams)).toEqual({
      sslmode: 'verify-full',
      sslrootcert: files.WA_DB_SSL_CA,
      sslcert: files.WA_DB_SSL_CERT,
      sslkey: files.WA_DB_SSL_KEY,
    });
    expect(database.where).not.toContain('ssl');
  });

  test('takes a Unix socket as psql does, and names its folder', () => {
    for (const [url, where] of [
      ['postgres://gc:s3cret@/chat?host=/run/postgresql', 'postgres://gc@/run/postgresql/chat'],
      ['postgres:///chat?host=/run/postgresql&user=gc', 'postgres:///run/postgresql/chat'],
      ['postgres://gc@%2Frun%2Fpostgresql/chat', 'postgres://gc@%2Frun%2Fpostgresql/chat'],
    ] as const)
      expect(readConfig({ DATABASE_URL: url }).database).toMatchObject({ engine: 'postgresql', where });
  });

  test('has as many workers as the profile, or as many as are wanted, and the rest of the profile', () => {
    expect(paceOf(readConfig({ MESSAGE_GC_PROFILE: 'full' }))).toEqual(paces.full);
    const wanted = readConfig({ MESSAGE_GC_PROFILE: 'balanced', MESSAGE_GC_WORKERS: '4' });
    expect(paceOf(wanted)).toEqual({ ...paces.balanced, workers: 4 });
    // A number that was given stays, whatever profile an operator sets for a run.
    expect(paceUnder('full', paceOf(wanted))).toEqual({ ...paces.full, workers: 4 });
    expect(paceUnder('full', paces.gentle)).toEqual(paces.full);
  });

  test('says everything that is wrong at once, each with what was found and what was expected', () => {
    const words = wordsFor({
      MESSAGE_GC_LISTEN: 'here',
      MESSAGE_GC_PROFILE: 'fast',
      MESSAGE_GC_RETENTION: 'a week',
      MESSAGE_GC_NODE_ID: 'xyz',
      MESSAGE_GC_ADMIN_PASSWORD: 'short',
      WA_WEB_JWT_CRYPTO_KEY: 'short',
    });
    expect(words.split('\n')).toHaveLength(7);
    for (const part of [
      'MESSAGE_GC_LISTEN is "here", expected host:port',
      'MESSAGE_GC_PROFILE is "fast", expected gentle, balanced, full',
      'MESSAGE_GC_RETENTION is "a week", expected a number with its unit',
      'MESSAGE_GC_NODE_ID is "xyz", expected 12 characters',
      'MESSAGE_GC_ADMIN_PASSWORD has 5 characters, expected 8 to 64',
      'WA_WEB_JWT_CRYPTO_KEY has 5 characters, expected at least 16',
    ])
      expect(words).toContain(part);
    expect(words).not.toContain('short');
  });

  test.each([
    [{ DATABASE_URL: 'not a url with s3cret' }, 'DATABASE_URL is no URL'],
    [{ DATABASE_URL: 'http://x/' }, 'begins with http:'],
    [{ DATABASE_URL: 'pglite:' }, 'names no folder'],
    [{ WA_DB_ENGINE: 'ORACLE' }, 'WA_DB_ENGINE is "ORACLE"'],
    [{ DATABASE_URL: 'mysql://gc:s3cret/x@db/chat' }, 'DATABASE_URL is no URL'],
    [{ DATABASE_URL: 'mysql://gc:p@s3cret/x@db/chat' }, 'DATABASE_URL is no URL'],
    [{ DATABASE_URL: 'mysql://gc:s3cret?x@db/chat' }, 'DATABASE_URL is no URL'],
    [{ WA_DB_ENGINE: 'PGSQL', WA_DB_PORT: 'x' }, 'WA_DB_PORT is "x"'],
    [
      { WA_DB_ENGINE: 'MYSQL', WA_DB_PORT: '70000' },
      'WA_DB_PORT is "70000", expected a port number, 1 to 65535',
    ],
    [{ WA_DB_ENGINE: 'PGSQL', WA_DB_HOSTNAME: 'db:5433' }, 'a port goes into WA_DB_PORT'],
    [{ WA_DB_ENGINE: 'MYSQL', WA_DB_HOSTNAME: '/run/mysqld.sock' }, 'WA_DB_HOSTNAME is "/run/mysqld.sock"'],
    [{ WA_DB_ENGINE: 'PGSQL', WA_DB_SSL_CA: '/not/there.pem' }, 'there is none'],
    [{ WA_DB_ENGINE: 'PGSQL', WA_DB_SSL_CERT: import.meta.filename }, 'without WA_DB_SSL_CA'],
    [
      { WA_DB_ENGINE: 'PGSQL', WA_DB_SSL_CA: import.meta.filename, WA_DB_SSL_KEY: import.meta.filename },
      'one is missing',
    ],
    [{ MESSAGE_GC_WEBHOOK_SECRET: 'whsec_x' }, 'does not sign'],
    [{ MESSAGE_GC_RETENSION: '1d' }, 'MESSAGE_GC_RETENSION is no option'],
    [{ MESSAGE_GC_RETENTION: '99999999d' }, 'expected at most 36500d'],
    [{ LOG_LEVEL: 'loud' }, 'LOG_LEVEL is "loud"'],
    [{ MESSAGE_GC_ALLOW_USERS: 'yes' }, 'MESSAGE_GC_ALLOW_USERS is "yes", expected 0, 1'],
    [{ MESSAGE_GC_REQUIRE_HTTPS: 'yes' }, 'MESSAGE_GC_REQUIRE_HTTPS is "yes"'],
    [{ MESSAGE_GC_CONFIG: import.meta.filename }, 'read-config.test.ts:1: no YAML'],
    [{ MESSAGE_GC_CONFIG: import.meta.dirname }, 'cannot be read'],
    [{ COREAPP_HOSTNAME: 'a b' }, 'COREAPP_HOSTNAME is "a b"'],
    [{ MESSAGE_GC_WORKERS: '0' }, 'MESSAGE_GC_WORKERS is "0", expected a whole number from 1 to 16'],
    [{ MESSAGE_GC_WORKERS: '17' }, 'MESSAGE_GC_WORKERS is "17"'],
    [{ MESSAGE_GC_WORKERS: '1.5' }, 'MESSAGE_GC_WORKERS is "1.5"'],
    [{ MESSAGE_GC_WORKERS: 'two' }, 'MESSAGE_GC_WORKERS is "two"'],
  ] as const)('refuses %o with words', (env, words) => {
    const refused = wordsFor(env);
    expect(refused).toContain(words);
    expect(refused).not.toMatch(/s3cret|whsec_x/);
  });

  test.each(['MESSAGE_GC', 'MESSAGE_GC_WEBAPP'])(
    'is not disturbed by what Kubernetes puts there for a Service: %s',
    (service) => {
      const given = {
        [`${service}_SERVICE_HOST`]: '10.0.0.1',
        [`${service}_SERVICE_PORT_HTTP`]: '9090',
        [`${service}_PORT`]: 'tcp://10.0.0.1:9090',
        [`${service}_PORT_9090_TCP_PORT`]: '9090',
      };
      expect(readConfig(given).listen.port).toBe(9090);
    },
  );

  test('a misspelt option that looks like a part of a Service is refused where there is no such Service', () => {
    expect(() => readConfig({ MESSAGE_GC_LISTEN_PORT: '9091' })).toThrow(
      'MESSAGE_GC_LISTEN_PORT is no option',
    );
  });

  test('WA_APP_MULTICONNECT=1 wants a role, and a role of several nodes a secret of some length', () => {
    const serve = (env: Readonly<Record<string, string>>, role: 'coreapp' | null) => () =>
      readConfig(env, { role });
    const isMulti = { WA_APP_MULTICONNECT: '1' };
    expect(serve(isMulti, null)).toThrow('say --role webapp or --role coreapp');
    expect(serve(isMulti, 'coreapp')).toThrow('MESSAGE_GC_CLUSTER_SECRET is not set');
    expect(serve({ MESSAGE_GC_CLUSTER_SECRET: 'short' }, 'coreapp')).toThrow('has 5 characters');
    expect(serve({ MESSAGE_GC_CLUSTER_SECRET: ' '.repeat(40) }, 'coreapp')).toThrow('has 0 characters');
  });

  test('WA_APP_MULTICONNECT=0 is a single instance', () => {
    expect(readConfig({ WA_APP_MULTICONNECT: '0' }).database.engine).toBe('pglite');
  });
});

test.each([
  ['30d', 2_592_000],
  ['12h', 43_200],
  ['45m', 2_700],
  ['90s', 90],
  ['0', 0],
  ['30', null],
  ['-1d', null],
  ['1.5h', null],
  ['', null],
] as const)('a duration of %s is %s seconds', (text, seconds) => {
  expect(durationSeconds(text)).toBe(seconds);
});

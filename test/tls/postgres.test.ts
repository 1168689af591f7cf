import { chmodSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pg from 'pg';
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { type PrivateServer, startPrivateServer } from '../../bench/kit/private-server.mjs';
import { chooseDatabase } from '../../src/config/database.js';
import { silentLog } from '../../src/kit/log.js';
import { openStore } from '../../src/storage/open-store.js';
import { whyNoServer } from '../signals/postgres-world.js';
import { type Certificates, makeCertificates, type Pair, whyNoTls } from './certificates.js';
import { unset } from './nothing-set.js';

/** `either`: encrypted and not; `tls_only` and `plain_only`: what their names say; `named`: with a certificate of its own. */
const hba = `
local   all all                         trust
host    all spelled    127.0.0.1/32     scram-sha-256
hostssl all named      127.0.0.1/32     cert
hostssl all tls_only   127.0.0.1/32     trust
hostnossl all plain_only 127.0.0.1/32   trust
host    all either       127.0.0.1/32     trust
host    all postgres   127.0.0.1/32     trust
`;
const users = ['either', 'tls_only', 'plain_only', 'named'];

const missing = whyNoTls('PostgreSQL', whyNoServer());

describe.skipIf(missing !== null)('a PostgreSQL server that speaks TLS', () => {
  let certificates: Certificates;
  let here: PrivateServer;
  let elsewhere: PrivateServer;
  let plain: PrivateServer;
  beforeAll(async () => {
    certificates = makeCertificates('postgres', 'named');
    const hbaFile = join(tmpdir(), `mgc-hba-${process.pid}.conf`);
    writeFileSync(hbaFile, hba);
    chmodSync(hbaFile, 0o644);
    const start = ({ cert, key }: Pair): Promise<PrivateServer> =>
      startPrivateServer({
        isDurable: false,
        settings: [
          'ssl=on',
          `ssl_cert_file=${cert}`,
          `ssl_key_file=${key}`,
          `ssl_ca_file=${certificates.ca}`,
          `hba_file=${hbaFile}`,
        ],
      });
    here = await start(certificates.server);
    elsewhere = await start(certificates.elsewhere);
    plain = await startPrivateServer({ isDurable: false });
    for (const { url } of [here, elsewhere, plain]) {
      const client = new pg.Client(url);
      await client.connect();
      for (const user of users) await client.query(`CREATE ROLE ${user} LOGIN SUPERUSER`);
      await client.end();
    }
  }, 120_000);
  afterAll(async () => {
    await Promise.all([here?.stop(), elsewhere?.stop(), plain?.stop()]);
    certificates?.remove();
  });

  /** With the server's own eyes: whether the product's sessions are encrypted. */
  async function sessionsOf(
    server: PrivateServer,
    user: string,
    parameters: Readonly<Record<string, string>>,
  ): Promise<'encrypted' | 'plain'> {
    const url = new URL(server.url);
    url.username = user;
    for (const [name, value] of Object.entries(parameters)) url.searchParams.set(name, value);
    await begin(url.href);
    const client = new pg.Client(server.url);
    await client.connect();
    onTestFinished(() => client.end());
    const { rows } = await client.query<{ ssl: boolean }>(
      `SELECT DISTINCT ssl FROM pg_stat_ssl JOIN pg_stat_activity USING (pid)
       WHERE usename = $1 AND application_name = 'message-gc'`,
      [user],
    );
    expect(rows, 'sessions of one kind').toHaveLength(1);
    return rows[0]?.ssl === true ? 'encrypted' : 'plain';
  }

  /** A store of the product, over this address. */
  async function begin(url: string): Promise<void> {
    const chosen = chooseDatabase({ ...unset, url });
    if (!('engine' in chosen)) throw new Error(chosen.problem);
    const store = openStore({ database: chosen, workers: 1, log: silentLog });
    onTestFinished(() => store.close());
    await store.prepare({ migrate: true });
  }

  test.each([
    ['without sslmode', {}],
    ['prefer', { sslmode: 'prefer' }],
    ['require', { sslmode: 'require' }],
  ])('%s encrypts, whoever signed the certificate', async (_words, parameters) => {
    expect(await sessionsOf(elsewhere, 'either', parameters)).toBe('encrypted');
  });

  test('disable and allow speak plain text where the server lets them', async () => {
    expect(await sessionsOf(here, 'either', { sslmode: 'disable' })).toBe('plain');
    expect(await sessionsOf(here, 'either', { sslmode: 'allow' })).toBe('plain');
  });

  test('what the server does not take in one way is tried in the other', async () => {
    expect(await sessionsOf(here, 'tls_only', { sslmode: 'allow' })).toBe('encrypted');
    expect(await sessionsOf(here, 'plain_only', { sslmode: 'prefer' })).toBe('plain');
    expect(await sessionsOf(plain, 'either', {})).toBe('plain');
    await expect(sessionsOf(here, 'tls_only', { sslmode: 'disable' })).rejects.toThrow(/no encryption/);
    await expect(sessionsOf(here, 'plain_only', { sslmode: 'require' })).rejects.toThrow(/SSL encryption/);
  });

  test('sessions that find out at the same moment that a server speaks no TLS all connect', async () => {
    await begin(plain.url);
    const store = openStore({
      database: { engine: 'postgresql', url: plain.url },
      workers: 1,
      log: silentLog,
    });
    onTestFinished(() => store.close());
    expect(await Promise.all([store.ledger.active(), store.ledger.active()])).toEqual([null, null]);
  });

  test('a server without TLS is refused where TLS is asked for', async () => {
    for (const sslmode of ['require', 'verify-full'])
      await expect(sessionsOf(plain, 'either', { sslmode })).rejects.toThrow(
        /encrypted as asked: The server does not support SSL.*Check sslmode/,
      );
  });

  test('verify-ca and require with a CA take its certificates only, for whatever host', async () => {
    for (const sslmode of ['verify-ca', 'require']) {
      expect(await sessionsOf(elsewhere, 'either', { sslmode, sslrootcert: certificates.ca })).toBe(
        'encrypted',
      );
      await expect(
        sessionsOf(here, 'either', { sslmode, sslrootcert: certificates.strangeCa }),
      ).rejects.toThrow(/encrypted as asked: .*certificate/);
    }
  });

  test("verify-full asks for the host's name too, or its address", async () => {
    const verify = { sslmode: 'verify-full', sslrootcert: certificates.ca };
    expect(await sessionsOf(here, 'either', verify)).toBe('encrypted');
    await expect(sessionsOf(elsewhere, 'either', verify)).rejects.toThrow(
      /encrypted as asked: .*127\.0\.0\.1/,
    );
    await expect(
      sessionsOf(here, 'either', { ...verify, sslrootcert: certificates.strangeCa }),
    ).rejects.toThrow(/encrypted as asked/);
    await expect(
      sessionsOf(here, 'either', { sslmode: 'verify-full' }),
      'an authority of nobody',
    ).rejects.toThrow(/encrypted as asked/);
  });

  test("the original's variables verify everything, and show our certificate to a server that asks for it", async () => {
    const { port } = new URL(here.url);
    const chosen = chooseDatabase({
      ...unset,
      engine: 'PGSQL',
      port,
      username: 'named',
      ssl: { ca: certificates.ca, ...certificates.client },
    });
    if (!('engine' in chosen) || chosen.engine !== 'postgresql') throw new Error('not PostgreSQL');
    const url = new URL(chosen.url);
    const parameters = Object.fromEntries(url.searchParams);
    expect(parameters).toMatchObject({ sslmode: 'verify-full' });
    expect(await sessionsOf(here, 'named', parameters)).toBe('encrypted');
    const { sslcert: _cert, sslkey: _key, ...without } = parameters;
    await expect(sessionsOf(here, 'named', without)).rejects.toThrow(/certificate/);
  });

  test('a Unix socket is reached by each of its forms, and never encrypted', async () => {
    const client = new pg.Client(here.url);
    await client.connect();
    onTestFinished(() => client.end());
    const { rows } = await client.query<{ folder: string }>(
      `SELECT current_setting('unix_socket_directories') AS folder`,
    );
    const folder = rows[0]?.folder ?? '';
    const { port } = new URL(here.url);
    for (const url of [
      `postgres:///postgres?host=${folder}&port=${port}&user=postgres`,
      `postgres://postgres@/postgres?host=${folder}&port=${port}&sslmode=require`,
      `postgres://postgres@${encodeURIComponent(folder)}:${port}/postgres`,
    ]) {
      await begin(url);
      const answer = await client.query<{ client_addr: string | null; ssl: boolean }>(
        `SELECT DISTINCT client_addr, ssl FROM pg_stat_ssl JOIN pg_stat_activity USING (pid)
         WHERE application_name = 'message-gc' AND usename = 'postgres'`,
      );
      expect(answer.rows, url).toEqual([{ client_addr: null, ssl: false }]);
    }
  });

  test('a password with every character that an address gives a meaning is taken as it is', async () => {
    const password = `a:b/c@d?e#f%g h'i"ü[&=+`;
    const client = new pg.Client(here.url);
    await client.connect();
    await client.query(`CREATE ROLE spelled LOGIN SUPERUSER PASSWORD ${client.escapeLiteral(password)}`);
    await client.end();
    const { port } = new URL(here.url);
    const chosen = chooseDatabase({ ...unset, engine: 'PGSQL', port, username: 'spelled', password });
    if (!('engine' in chosen) || chosen.engine !== 'postgresql') throw new Error('not PostgreSQL');
    await begin(chosen.url.replace('/message_gc', '/postgres'));
    const wrong = new URL(here.url);
    wrong.username = 'spelled';
    wrong.password = 'another';
    await expect(begin(wrong.href)).rejects.toThrow('refused the user or the password');
  });

  test.each([
    [{ sslmode: 'on' }, 'sslmode is "on", expected one of disable'],
    [{ sslmode: 'verify-ca' }, 'verify-ca" without sslrootcert'],
    [{ sslmode: 'require', sslrootcert: 'system' }, 'expected verify-full with sslrootcert=system'],
    [{ sslcert: import.meta.filename }, 'sslcert and sslkey go together'],
    [{ sslrootcert: '/not/there.pem' }, 'The file of sslrootcert cannot be read'],
    [{ ssl: 'true' }, 'ssl is not known here, expected sslmode'],
    [{ host: 'db1,db2' }, 'several hosts'],
  ])('%o is refused: %s', async (parameters, words) => {
    await expect(sessionsOf(here, 'either', parameters)).rejects.toThrow(words);
  });
});

import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { chooseDatabase } from '../../src/config/database.js';
import { silentLog } from '../../src/kit/log.js';
import { openStore } from '../../src/storage/open-store.js';
import { mariadbClient } from '../harness/mariadb-database.js';
import { whyNoMariadb } from '../harness/mariadb-program.js';
import { type PrivateMariadb, startPrivateMariadb } from '../harness/private-mariadb.js';
import { type Certificates, makeCertificates, type Pair, whyNoTls } from './certificates.js';
import { unset } from './nothing-set.js';

const missing = whyNoTls('MariaDB', whyNoMariadb());

describe.skipIf(missing !== null)('a MariaDB server that speaks TLS', () => {
  const servers = (): readonly PrivateMariadb[] => [here, elsewhere, byName, byAddress, plain];
  let certificates: Certificates;
  let here: PrivateMariadb;
  let elsewhere: PrivateMariadb;
  let byName: PrivateMariadb;
  let byAddress: PrivateMariadb;
  let plain: PrivateMariadb;
  beforeAll(async () => {
    certificates = makeCertificates('mysql', 'named');
    const start = ({ cert, key }: Pair): Promise<PrivateMariadb> =>
      startPrivateMariadb([`--ssl-cert=${cert}`, `--ssl-key=${key}`, `--ssl-ca=${certificates.ca}`]);
    here = await start(certificates.server);
    elsewhere = await start(certificates.elsewhere);
    byName = await start(certificates.byName);
    byAddress = await start(certificates.byAddress);
    plain = await startPrivateMariadb();
    for (const { url } of servers()) {
      const client = await mariadbClient(url);
      for (const [user, needs] of [
        ['any', 'NONE'],
        ['tls_only', 'SSL'],
        ['named', "SUBJECT '/CN=named'"],
      ])
        await client.query(
          `CREATE USER ${user}@'127.0.0.1' REQUIRE ${needs}; GRANT ALL ON *.* TO ${user}@'127.0.0.1'`,
        );
      await client.end();
    }
  }, 180_000);
  afterAll(async () => {
    await Promise.all(servers().map((server) => server?.stop()));
    certificates?.remove();
  });

  /** With the server's own eyes: how many connections it has encrypted so far. Our own here never are. */
  async function handshakes(server: PrivateMariadb): Promise<number> {
    const client = await mariadbClient(server.url);
    const { rows } = await client.query(`SHOW GLOBAL STATUS LIKE 'Ssl_finished_accepts'`);
    await client.end();
    return Number((rows as { Value: string }[])[0]?.Value);
  }

  async function sessionsOf(
    server: PrivateMariadb,
    user: string,
    parameters: Readonly<Record<string, string>>,
    host = '127.0.0.1',
  ): Promise<'encrypted' | 'plain'> {
    const url = new URL(server.url);
    url.username = user;
    url.hostname = host;
    for (const [name, value] of Object.entries(parameters)) url.searchParams.set(name, value);
    const chosen = chooseDatabase({ ...unset, url: url.href });
    if (!('engine' in chosen)) throw new Error(chosen.problem);
    const before = await handshakes(server);
    const store = openStore({ database: chosen, workers: 1, log: silentLog });
    onTestFinished(() => store.close());
    await store.prepare({ migrate: true });
    return (await handshakes(server)) > before ? 'encrypted' : 'plain';
  }

  test('nothing is encrypted unless the address asks for it', async () => {
    expect(await sessionsOf(here, 'any', {})).toBe('plain');
    expect(await sessionsOf(here, 'any', { 'ssl-mode': 'disabled' })).toBe('plain');
    await expect(sessionsOf(here, 'tls_only', {})).rejects.toThrow(/refused the user|encrypted as asked/);
  });

  test('required encrypts, whoever signed the certificate, and preferred where the server can', async () => {
    for (const mode of ['required', 'preferred', 'PREFERRED']) {
      expect(await sessionsOf(elsewhere, 'tls_only', { 'ssl-mode': mode })).toBe('encrypted');
    }
    expect(await sessionsOf(plain, 'any', { 'ssl-mode': 'preferred' })).toBe('plain');
    for (const mode of ['required', 'verify-identity'])
      await expect(sessionsOf(plain, 'any', { 'ssl-mode': mode })).rejects.toThrow(
        /encrypted as asked: Server does not support secure connection.*Check ssl-mode/,
      );
  });

  test('sessions that find out at the same moment that a server speaks no TLS all connect', async () => {
    const url = `${plain.url}?ssl-mode=preferred`;
    const store = openStore({ database: { engine: 'mysql', url }, workers: 1, log: silentLog });
    onTestFinished(() => store.close());
    await sessionsOf(plain, 'any', {});
    expect(await Promise.allSettled([store.ledger.active(), store.ledger.active()])).toEqual([
      expect.objectContaining({ status: 'fulfilled' }),
      expect.objectContaining({ status: 'fulfilled' }),
    ]);
  });

  test('verify-ca takes the certificates of that CA only, for whatever host', async () => {
    for (const parameters of [{}, { 'ssl-mode': 'verify-ca' }, { 'ssl-mode': 'VERIFY_CA' }]) {
      expect(await sessionsOf(elsewhere, 'any', { ...parameters, 'ssl-ca': certificates.ca })).toBe(
        'encrypted',
      );
      await expect(
        sessionsOf(here, 'any', { ...parameters, 'ssl-ca': certificates.strangeCa }),
      ).rejects.toThrow(/encrypted as asked/);
    }
  });

  test.each(['127.0.0.1', 'localhost'])(
    "verify-identity asks for the host's name or address: %s",
    async (host) => {
      const verify = { 'ssl-mode': 'verify-identity', 'ssl-ca': certificates.ca };
      expect(await sessionsOf(here, 'tls_only', verify, host)).toBe('encrypted');
      await expect(sessionsOf(elsewhere, 'tls_only', verify, host)).rejects.toThrow(/encrypted as asked/);
      await expect(
        sessionsOf(here, 'tls_only', { ...verify, 'ssl-ca': certificates.strangeCa }, host),
      ).rejects.toThrow(/encrypted as asked/);
    },
  );

  test('an address is not taken for the name localhost, nor the name for the address', async () => {
    const verify = { 'ssl-mode': 'verify-identity', 'ssl-ca': certificates.ca };
    expect(await sessionsOf(byAddress, 'any', verify, '127.0.0.1')).toBe('encrypted');
    await expect(sessionsOf(byAddress, 'any', verify, 'localhost')).rejects.toThrow(/encrypted as asked/);
    expect(await sessionsOf(byName, 'any', verify, 'localhost')).toBe('encrypted');
    await expect(sessionsOf(byName, 'any', verify, '127.0.0.1')).rejects.toThrow(/encrypted as asked/);
  });

  test("the original's variables verify everything, and show our certificate to a server that asks for it", async () => {
    const chosen = chooseDatabase({
      ...unset,
      engine: 'MYSQL',
      ssl: { ca: certificates.ca, ...certificates.client },
    });
    if (!('engine' in chosen) || chosen.engine !== 'mysql') throw new Error('not MySQL');
    const parameters = Object.fromEntries(new URL(chosen.url).searchParams);
    expect(parameters).toMatchObject({ 'ssl-mode': 'verify-identity' });
    expect(await sessionsOf(here, 'named', parameters)).toBe('encrypted');
    const { 'ssl-cert': _cert, 'ssl-key': _key, ...without } = parameters;
    await expect(sessionsOf(here, 'named', without)).rejects.toThrow('refused the user or the password');
  });

  test.each([
    [{ 'ssl-mode': 'on' }, 'ssl-mode is "on", expected disabled'],
    [{ 'ssl-mode': 'verify-ca' }, 'verify-ca" without ssl-ca'],
    [{ 'ssl-cert': import.meta.filename }, 'ssl-cert and ssl-key go together'],
    [{ 'ssl-ca': '/not/there.pem' }, 'The file of ssl-ca cannot be read'],
  ])('%o is refused: %s', async (parameters, words) => {
    await expect(sessionsOf(here, 'any', parameters)).rejects.toThrow(words);
  });
});

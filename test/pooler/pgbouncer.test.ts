import { randomBytes } from 'node:crypto';
import pg from 'pg';
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { type PrivateServer, startPrivateServer } from '../../bench/kit/private-server.mjs';
import { ownMapping } from '../../src/core/mapping.js';
import { noSources, type Reading } from '../../src/core/signals.js';
import { silentLog } from '../../src/kit/log.js';
import { openStore } from '../../src/storage/open-store.js';
import { Oracle } from '../harness/oracle.js';
import { runCommand, seed, signalsBut } from '../harness/processes.js';
import { whyNoServer } from '../signals/postgres-world.js';
import { type Pooler, startPooler, whyNoPooler } from './pgbouncer.js';

const missing = whyNoServer() ?? whyNoPooler();
if (missing !== null) {
  console.error(`NOT TESTED: a pooler in front of PostgreSQL: ${missing}`);
  if (process.env['CI'] === 'true')
    throw new Error(`CI is set, and there no pooler is a failure: ${missing}`);
}

/** A server whose clock is not UTC, so that a setting of ours that got lost is one that means something else. */
describe.skipIf(missing !== null)('behind PgBouncer in transaction mode', () => {
  let server: PrivateServer;
  let admin: pg.Client;
  beforeAll(async () => {
    server = await startPrivateServer({ isDurable: false, settings: ['timezone=Europe/Berlin'] });
    admin = new pg.Client({ connectionString: server.url });
    await admin.connect();
  });
  afterAll(async () => {
    await admin?.end();
    await server?.stop();
  });

  type Pooled = {
    readonly pooler: Pooler;
    readonly oracle: Oracle;
    readonly user: string;
  };

  /** A user with a seeded database of its own. `settings`: of the pooler. */
  async function pooled(settings: readonly string[], rows = 2_000): Promise<Pooled> {
    const user = `collector_${randomBytes(4).toString('hex')}`;
    await admin.query(`CREATE ROLE ${user} LOGIN; GRANT pg_monitor TO ${user}`);
    await admin.query(`CREATE DATABASE ${user} OWNER ${user}`);
    const url = new URL(server.url);
    url.pathname = `/${user}`;
    url.username = user;
    await seed({ DATABASE_URL: url.href }, rows);
    const pooler = await startPooler(url.href, settings);
    onTestFinished(() => pooler.stop());
    url.username = 'postgres';
    const client = await session(url.href);
    const oracle = new Oracle({ query: (sql, values) => client.query(sql, [...(values ?? [])]) });
    return { pooler, oracle, user };
  }

  const ignoring = 'ignore_startup_parameters = options, extra_float_digits';

  test('a run is refused with what to do where the pooler refuses our settings, and nothing waits for it to change its mind', async () => {
    const { pooler, oracle } = await pooled([]);
    const before = await oracle.allKeys();

    const { code, stderr } = await runCommand(['gc', '--yes'], { DATABASE_URL: pooler.url });

    expect(code).toBe(2);
    expect(stderr).toContain('unsupported startup parameter');
    expect(stderr).toContain('ignore the parameter "options"');
    await oracle.expectGone({ before, gone: new Set() });
  });

  test('a run is refused where the pooler drops our settings without a word, and does what it is told to do', async () => {
    const { pooler, oracle } = await pooled([ignoring]);
    const before = await oracle.allKeys();
    const eligible = await oracle.eligibleKeys();

    const refused = await runCommand(['gc', '--yes'], { DATABASE_URL: pooler.url });

    expect(refused.code).toBe(2);
    expect(refused.stderr).toContain('TimeZone is Europe/Berlin in place of UTC');
    expect(refused.stderr).toContain('row_security is on in place of off');
    const examined = await runCommand(['doctor'], { DATABASE_URL: pooler.url });
    expect(examined.code).toBe(2);
    expect(examined.stderr).toContain('TimeZone is Europe/Berlin in place of UTC');
    await oracle.expectGone({ before, gone: new Set() });

    // As an administrator does who takes the words as they stand.
    const words = refused.stderr.replaceAll(/\s+/g, ' ');
    const advice = [...words.matchAll(/ALTER ROLE [^;]+? SET \w+ = '\w+'/g)].map(([statement]) => statement);
    expect(advice).toHaveLength(5);
    for (const statement of advice) await admin.query(statement);
    await pooler.startAgain();

    const { code, stdout, stderr } = await runCommand(['gc', '--yes', '--json'], {
      DATABASE_URL: pooler.url,
      MESSAGE_GC_SIGNALS: signalsBut('canary', 'vacuum', 'dead_rows', 'oldest_transaction'),
    });

    expect(code, stderr).toBe(0);
    const { run } = JSON.parse(stdout) as { readonly run: { readonly messages_deleted: number } };
    expect(run.messages_deleted).toBe(eligible.size);
    await oracle.expectGone({ before, gone: eligible });
  });

  test('the looks of each second go on, though the server may have forgotten what was prepared', async () => {
    const { pooler, user } = await pooled([ignoring, 'default_pool_size = 3']);
    await admin.query(`ALTER ROLE ${user} SET TimeZone = 'UTC'; ALTER ROLE ${user} SET row_security = off`);
    const store = openStore({
      database: { engine: 'postgresql', url: pooler.url },
      workers: 1,
      signals: noSources,
      log: silentLog,
    });
    onTestFinished(() => store.close());
    const watch = await store.signals.watch({ mapping: ownMapping, retentionSeconds: 0 }, new Set());
    onTestFinished(() => watch.close());
    // Others of the same user take the sessions in turns, so that ours come to another one each time.
    const others = await Promise.all([1, 2].map(() => session(pooler.url)));
    const seen: Reading[] = [];

    for (let round = 0; round < 5; round += 1) {
      const inTheWay = others.map((other) => other.query('SELECT pg_sleep(random() / 50)'));
      await watch.sample(0, (reading) => seen.push(reading));
      await Promise.all(inTheWay);
    }

    expect(seen.length).toBeGreaterThan(5 * 5);
    expect(seen.filter((reading) => 'trouble' in reading)).toEqual([]);
  });

  async function session(url: string): Promise<pg.Client> {
    const client = new pg.Client({ connectionString: url });
    client.on('error', () => undefined);
    await client.connect();
    onTestFinished(() => client.end());
    return client;
  }
});

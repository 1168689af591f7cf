import { afterAll, expect, onTestFinished, test } from 'vitest';
import { startPrivateServer } from '../../bench/kit/private-server.mjs';
import { describeMariaDb, describePostgres } from '../engines.js';
import { startPrivateMariadb } from '../harness/private-mariadb.js';
import { type Ground, mariadbGround, postgresGround } from './chaos-ground.js';
import { chaosRound, type RoundNews, type RoundWish } from './chaos-round.js';

/**
 * Everything at once: nodes killed, frozen and cut off, two Webapps asking, an application writing. A round is drawn
 * from a seed: CHAOS_SEED=7 CHAOS_ROUNDS=1 begins the same one again. `npm run chaos` is the long form.
 */
const rounds = Number(process.env['CHAOS_ROUNDS'] ?? '2');
const firstSeed = Number(process.env['CHAOS_SEED'] ?? '1');
const long = process.env['CHAOS_LONG'] === '1';
/** Every so many rounds of the long form the server crashes too; by the seed, so that a seed replays it. */
const crashEvery = 5;
const crashesIn = (seed: number): boolean => long && seed % crashEvery === 0;
/** PostgreSQL is done with as many in a third of the time. */
const rows = long ? { postgres: 120_000, mariadb: 40_000 } : { postgres: 60_000, mariadb: 20_000 };
const timeout = long ? 400_000 : 120_000;

const seeds = Array.from({ length: rounds }, (_, at) => firstSeed + at);

function tellOf(engine: string): (wish: RoundWish, ground: Ground) => Promise<void> {
  const all = new Map<string, number>();
  let done = 0;
  let polls = 0;
  let refused = 0;
  afterAll(() => {
    console.log(
      `chaos on ${engine}: ${done} rounds exact, ${polls} looks at the ledger, ${refused} batches refused by a fence; ${words(all)}`,
    );
  });
  return async (wish, ground) => {
    console.log(
      `chaos on ${engine}: seed ${wish.seed}${wish.server === undefined ? '' : ', server crashes'}`,
    );
    const news: RoundNews = await chaosRound(ground, wish);
    for (const [name, count] of news.landed) all.set(name, (all.get(name) ?? 0) + count);
    done += 1;
    polls += news.polls;
    refused += news.refused;
    console.log(
      `chaos on ${engine}: seed ${wish.seed} exact after ${Math.round(news.ms)} ms, ${news.deleted} messages gone, ` +
        `${news.written} transactions of the application, ${news.refused} batches refused by a fence; ${words(news.landed)}`,
    );
    expect(news.landed.size, 'kinds of faults that landed').toBeGreaterThan(2);
    expect(news.written, 'transactions of the application').toBeGreaterThan(10);
  };
}

function words(landed: ReadonlyMap<string, number>): string {
  return [...landed].map(([name, count]) => `${name} ${count}`).join(', ');
}

describePostgres('a cluster in chaos on PostgreSQL', () => {
  const tell = tellOf('PostgreSQL');
  for (const seed of seeds) {
    const crashes = crashesIn(seed);
    test(`tells the exact number, once for each node, whatever befalls it (seed ${seed})`, {
      timeout,
    }, async () => {
      if (!crashes) {
        await tell({ seed, long }, await postgresGround(rows.postgres));
        return;
      }
      const server = await startPrivateServer({ isDurable: true });
      onTestFinished(() => server.stop());
      await tell({ seed, long, server }, await postgresGround(rows.postgres, server.url));
    });
  }
});

describeMariaDb('a cluster in chaos on MariaDB', () => {
  const tell = tellOf('MariaDB');
  for (const seed of seeds) {
    const crashes = crashesIn(seed);
    test(`tells the exact number, once for each node, whatever befalls it (seed ${seed})`, {
      timeout,
    }, async () => {
      if (!crashes) {
        await tell({ seed, long }, await mariadbGround(rows.mariadb));
        return;
      }
      const server = await startPrivateMariadb();
      onTestFinished(() => server.stop());
      await tell({ seed, long, server }, await mariadbGround(rows.mariadb, server.url));
    });
  }
});

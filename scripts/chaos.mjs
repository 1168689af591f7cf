// The long form of the chaos test: `node scripts/chaos.mjs 50` makes 50 rounds on each server that is named in
// TEST_POSTGRES_URL and TEST_MARIADB_URL; CHAOS_SEED is the seed of the first. A seed of the long form is replayed by
// CHAOS_SEED=<seed> node scripts/chaos.mjs 1
import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';

const wanted = Number(process.argv[2] ?? process.env.CHAOS_ROUNDS ?? '50');
if (!Number.isInteger(wanted) || wanted < 1) {
  console.error(`chaos: "${process.argv[2]}" is no number of rounds. Call it as: node scripts/chaos.mjs 50`);
  process.exit(2);
}
const seed = process.env.CHAOS_SEED ?? String(Math.floor(Math.random() * 1_000_000));
const servers = ['TEST_POSTGRES_URL', 'TEST_MARIADB_URL'].filter((name) => process.env[name]);
if (servers.length === 0) {
  console.error(
    'chaos: neither TEST_POSTGRES_URL nor TEST_MARIADB_URL is set, so there is nothing to run on.',
  );
  process.exit(2);
}

console.log(`${wanted} rounds of chaos from seed ${seed} on: ${servers.join(', ')}`);
const done = spawnSync(
  process.execPath,
  ['node_modules/vitest/vitest.mjs', 'run', 'test/multi/chaos.test.ts'],
  {
    cwd: fileURLToPath(new URL('..', import.meta.url)),
    stdio: 'inherit',
    env: { ...process.env, CHAOS_LONG: '1', CHAOS_ROUNDS: String(wanted), CHAOS_SEED: seed },
  },
);
if (done.error) console.error(`chaos: the test runner could not be started: ${done.error.message}`);
process.exit(done.status ?? 1);

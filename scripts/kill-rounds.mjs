// The long form of the crash tests: `node scripts/kill-rounds.mjs 20` makes 20 landed kills on PostgreSQL and 20 on
// the embedded database, spread over the five points. Without TEST_POSTGRES_URL only the embedded ones are made.
import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';

const points = 5;
const wanted = Number(process.argv[2] ?? '20');
if (!Number.isInteger(wanted) || wanted < 1) {
  console.error(
    `kill-rounds: "${process.argv[2]}" is no number of rounds. Call it as: node scripts/kill-rounds.mjs 20`,
  );
  process.exit(2);
}
const perPoint = Math.ceil(wanted / points);
const files = ['test/crash/kill-embedded.test.ts'];
if (process.env.TEST_POSTGRES_URL) files.unshift('test/crash/kill.test.ts');
else console.error('kill-rounds: TEST_POSTGRES_URL is not set, so the rounds on PostgreSQL are left out.');

console.log(`${perPoint * points} landed kills per engine, ${perPoint} at each of ${points} points`);
const root = fileURLToPath(new URL('..', import.meta.url));
const done = spawnSync(
  process.execPath,
  ['node_modules/vitest/vitest.mjs', 'run', '--no-file-parallelism', ...files],
  {
    cwd: root,
    stdio: 'inherit',
    env: { ...process.env, MESSAGE_GC_KILL_ROUNDS_PER_POINT: String(perPoint) },
  },
);
if (done.error) console.error(`kill-rounds: the test runner could not be started: ${done.error.message}`);
process.exit(done.status ?? 1);

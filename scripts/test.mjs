// What `npm test` runs: looks which database servers are there, says loudly what is skipped, then runs vitest with
// the same arguments. With CI=true a missing server is a failure: a green run there means that everything ran.
import { spawnSync } from 'node:child_process';
import { createRequire } from 'node:module';
import { userInfo } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import pg from 'pg';

const root = fileURLToPath(new URL('..', import.meta.url));
const isCi = process.env.CI === 'true' || process.env.CI === '1';

/** Connects and makes sure that databases may be created; answers null, or why not. */
async function whyNot(url) {
  const client = new pg.Client({ connectionString: url, connectionTimeoutMillis: 3_000 });
  // A server that closes the connection later must not end this script.
  client.on('error', () => undefined);
  try {
    await client.connect();
    const { rows } = await client.query(
      `SELECT current_setting('server_version_num')::int AS version,
              (SELECT rolcreatedb OR rolsuper FROM pg_roles WHERE rolname = current_user) AS may_create`,
    );
    if (rows[0].version < 140_000)
      return `is PostgreSQL ${Math.floor(rows[0].version / 10_000)}, 14 or newer is needed`;
    if (rows[0].may_create !== true) return 'its user may not create databases';
    return null;
  } catch (error) {
    // Both addresses of "localhost" refused: the words are in the inner errors.
    const inner = error instanceof AggregateError ? error.errors : [error];
    return [...new Set(inner.map((one) => one.message))].join('; ');
  } finally {
    await client.end().catch(() => undefined);
  }
}

const shown = (url) => url.replace(/:\/\/([^:@/]*):[^@]*@/, '://$1:***@');

async function findPostgres() {
  const given = process.env.TEST_POSTGRES_URL;
  const users = [...new Set(['postgres', userInfo().username])];
  const urls = given
    ? [given]
    : users.map((user) => `postgres://${encodeURIComponent(user)}@127.0.0.1:5432/postgres`);
  const tried = [];
  for (const url of urls) {
    const reason = await whyNot(url);
    if (reason === null) return { url, tried };
    tried.push(`${shown(url)}: ${reason}`);
  }
  return { url: null, tried };
}

const { url, tried } = await findPostgres();
if (url !== null) console.error(`tests: PostgreSQL at ${shown(url)}, and the embedded database`);
else {
  const line = '='.repeat(78);
  console.error(
    [
      line,
      'NOT TESTED: everything that needs a PostgreSQL server. Only memory and the embedded',
      'database are tested. Tried:',
      ...tried.map((words) => `  ${words}`),
      'To test all, start a server and call again, for example:',
      '  docker run --rm -d -p 127.0.0.1:5432:5432 -e POSTGRES_HOST_AUTH_METHOD=trust postgres:15',
      'or name one on which databases may be created:',
      '  TEST_POSTGRES_URL=postgres://user:password@host:5432/postgres npm test',
      line,
    ].join('\n'),
  );
  if (isCi) {
    console.error('tests: CI is set, and there a missing server is a failure.');
    process.exit(1);
  }
}

const vitest = join(dirname(createRequire(import.meta.url).resolve('vitest/package.json')), 'vitest.mjs');
const env = { ...process.env };
if (url === null) delete env.TEST_POSTGRES_URL;
else env.TEST_POSTGRES_URL = url;
const done = spawnSync(process.execPath, [vitest, 'run', ...process.argv.slice(2)], {
  cwd: root,
  stdio: 'inherit',
  env,
});
if (done.error !== undefined) throw done.error;
// Ended by a signal: the shell's own convention is 128 + its number; 1 says "not passed" just as well.
process.exit(done.status ?? 1);
